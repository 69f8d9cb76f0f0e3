// SPDX-License-Identifier: Apache-2.0
// trace_replay FILE.h5 [--precision fp32|fp64] [--kernels rows|torch|kokkos | --device cuda]
//
// Replays a recorded run of the official trainer: builds the model that the file's attributes describe, loads its
// initial weights, feeds its views and masks, runs its steps and compares every recorded quantity. Run it under mpirun
// with as many ranks as the recording had processes. Everything comes from the file (tests/golden/README.md describes
// the layout), so a recording never seen before replays as well. --kernels torch and kokkos run the code of GPUs in
// host memory (model/kernel_form.hpp), --device cuda on a GPU for each rank. Exit status 0: every quantity of every rank lies within its limit.

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/hdf5.hpp"
#include "comm/devices.hpp"
#include "comm/world.hpp"
#include "kernels/device/session.hpp"
#include "model/kernel_form.hpp"
#include "support/view_tensors.hpp"
#include "train/placement.hpp"
#include "train/step.hpp"
#include "train/threads.hpp"

namespace {

using namespace msn;

constexpr int kFailed = 1;

/// Largest differences of one quantity over everything that was compared under its name.
struct Worst {
  double absolute = 0;
  double relative = 0;  ///< ‖a - b‖ / ‖b‖ of the worst tensor.
  double limit = 0;
  std::string where;
  std::int64_t values = 0;
};

/// The limits of tests/golden/README.md, "How close to expect". A quantity absent from a precision is not recorded in
/// it.
const std::map<std::string, std::pair<double, double>>& limits() {
  static const std::map<std::string, std::pair<double, double>> table{
      {"loss terms", {2e-4, 1e-7}},
      {"target statistics", {1e-3, 1e-7}},
      {"distinct targets", {0, 0}},
      {"grad_norm", {1e-2, 1e-5}},
      {"schedules", {1e-12, 1e-12}},
      {"z", {2e-4, 1e-7}},
      {"h", {1e-4, 1e-7}},
      {"anchor_probs", {3e-4, 1e-7}},
      {"target_probs", {1e-4, 1e-7}},
      {"sharpened", {3e-4, 1e-7}},
      {"targets", {3e-4, 1e-7}},
      {"gradients", {5e-4, 1e-9}},
      {"encoder", {1e-4, 1e-8}},
      {"target network", {2e-5, 1e-8}},
      {"prototypes", {2e-5, 1e-8}},
      {"zero-gradient elements", {1.1e-2, 1e-7}},
      {"small-gradient elements", {1.1e-2, 1e-8}},
      {"Adam moments", {2e-5, 1e-8}},
      {"batch counters", {0, 0}},
  };
  return table;
}

class Replay {
 public:
  Replay(const std::string& path, at::ScalarType type, World& world, const std::optional<Gpu>& gpu)
      : file_(path, h5::Mode::read),
        type_(type),
        prefix_(type == at::kDouble ? "f64/" : ""),
        world_(world),
        placement_(world, gpu),
        communicator_(placement_.of_state()),
        config_(read_config()),
        state_(vit_shape(config_.model), config_.model.prototypes, type, placement_.device()) {}

  bool run() {
    load_start();
    stepper_.emplace(state_, config_, communicator_);
    const Schedules schedules(config_.optim, config_.loss, config_.train, attribute("ipe"));
    for (std::int64_t step = 0; step < attribute("steps"); ++step) {
      const ScheduleValues values = schedules.at(step);
      compare_schedules(step, values);
      const at::Tensor prototypes = state_.online.value("prototypes").clone();
      const StepReport report = stepper_->run(read_input(step), values);
      compare_step(step, report);
      compare_predictions(step, report, prototypes);
      compare_gradients(step);
      compare_state(step + 1);
      if (step == 0) settle_noise();
    }
    return print();
  }

 private:
  std::int64_t attribute(const char* name) const { return file_.int_attribute("/", name); }
  double real(const char* name) const { return file_.real_attribute("/", name); }

  Config read_config() const {
    if (attribute("world") != world_.size()) {
      throw usage_error("the trace was recorded with " + std::to_string(attribute("world")) + " processes, this is " +
                            std::to_string(world_.size()),
                        file_.path().string(), "start it with mpirun -n " + std::to_string(attribute("world")));
    }
    Config config;
    config.views.random = static_cast<int>(attribute("rand_views"));
    config.views.focal = static_cast<int>(attribute("focal_views"));
    config.views.random_size = static_cast<int>(attribute("img"));
    config.views.focal_size = static_cast<int>(attribute("focal"));
    config.views.mask_ratio = real("patch_drop");
    config.model.width = static_cast<int>(attribute("dim"));
    config.model.depth = static_cast<int>(attribute("depth"));
    config.model.heads = static_cast<int>(attribute("heads"));
    config.model.patch_size = static_cast<int>(attribute("patch"));
    config.model.image_size = static_cast<int>(attribute("img"));
    config.model.head_hidden = static_cast<int>(attribute("hidden"));
    config.model.head_out = static_cast<int>(attribute("out"));
    config.model.prototypes = static_cast<int>(attribute("num_proto"));
    config.loss.temperature = real("temperature");
    config.loss.sharpen = {real("start_sharpen"), real("final_sharpen")};
    config.loss.sinkhorn = attribute("sinkhorn") != 0 ? 3 : 0;  // The official code's number of iterations.
    config.loss.me_max = real("memax_weight");
    config.loss.entropy = real("ent_weight");
    config.loss.label_smoothing = real("label_smoothing");
    config.optim.lr = {real("start_lr"), real("lr"), real("final_lr")};
    config.optim.weight_decay = {real("wd"), real("final_wd")};
    config.optim.clip = real("clip_grad");
    config.optim.warmup_epochs = static_cast<double>(attribute("warmup"));
    config.train.epochs = static_cast<int>(attribute("epochs"));
    config.train.global_batch = static_cast<int>(attribute("batch")) * world_.size();
    return config;
  }

  /// A dataset as a tensor of the replay's type, with the file's shape.
  at::Tensor read(const std::string& name) const {
    std::vector<double> values = file_.read<double>(name);
    std::vector<std::int64_t> shape;
    for (const std::uint64_t size : file_.facts(name).shape)
      shape.push_back(static_cast<std::int64_t>(size));
    return at::from_blob(values.data(), shape, at::kDouble).to(type_).clone();
  }

  void load_start() {
    for (const Segment& segment : state_.online.segments()) {
      const std::string name = segment.name == "prototypes" ? "init/prototypes" : "init/encoder." + segment.name;
      state_.online.value(segment.name).copy_(read(name));
    }
    state_.target.values().copy_(state_.online.values().narrow(0, 0, state_.target.values().numel()));
    for (const auto& [name, bn] : buffers(state_.online_buffers)) {
      bn->running_mean.copy_(read("init/encoder." + name + ".running_mean"));
      bn->running_var.copy_(read("init/encoder." + name + ".running_var"));
      bn->batches = file_.read<std::int64_t>("init/encoder." + name + ".num_batches_tracked").at(0);
    }
    state_.target_buffers = clone(state_.online_buffers);
  }

  static std::vector<std::pair<std::string, BatchNormBuffers*>> buffers(HeadBuffers& head) {
    return {{"fc.bn1", &head.bn1}, {"fc.bn2", &head.bn2}};
  }

  static HeadBuffers clone(const HeadBuffers& from) {
    HeadBuffers to = from;
    for (BatchNormBuffers* bn : {&to.bn1, &to.bn2}) {
      bn->running_mean = bn->running_mean.clone();
      bn->running_var = bn->running_var.clone();
    }
    return to;
  }

  static std::string numbered(const char* prefix, std::int64_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "%s_%02d", prefix, static_cast<int>(number));
    return text;
  }

  StepInput on_device(StepInput input) const {
    for (ViewGroup* group : {&input.target, &input.random, &input.focal}) {
      if (group->patches.defined()) group->patches = group->patches.to(placement_.device());
      if (group->keep.defined()) group->keep = group->keep.to(placement_.device());
    }
    return input;
  }

  StepInput read_input(std::int64_t step) const {
    const std::string group = numbered("step", step);
    const std::string mine = group + "/rank" + std::to_string(world_.rank());
    std::vector<at::Tensor> views;
    for (int v = 0; v < 1 + config_.views.random + config_.views.focal; ++v) {
      views.push_back(read(mine + "/view_" + std::to_string(v)));
    }
    std::vector<std::int64_t> keep = file_.read<std::int64_t>(group + "/keep");
    const at::Tensor mask = at::from_blob(keep.data(), {static_cast<std::int64_t>(keep.size())}, at::kLong).clone();
    const std::int64_t side = config_.views.random_size / config_.model.patch_size;
    if (mask.numel() != kept_patches(side * side, config_.views.mask_ratio)) {
      throw data_error("the mask keeps another number of patches than the ratio says", group + "/keep");
    }
    return on_device(test::make_step_input(views, config_.views.random, mask, config_.model.patch_size));
  }

  /// Compares elements where `included` (undefined: all) is true.
  void compare(const std::string& quantity, const at::Tensor& mine, const std::string& dataset,
               const at::Tensor& included = {}) {
    const at::Tensor reference = read(dataset).to(at::kDouble).flatten();
    at::Tensor got = mine.cpu().to(at::kDouble).flatten();
    if (got.numel() != reference.numel()) throw data_error("another number of values than expected", dataset);
    at::Tensor want = reference;
    if (included.defined()) {
      got = got.masked_select(included.flatten());
      want = want.masked_select(included.flatten());
    }
    if (got.numel() == 0) return;
    const at::Tensor difference = got - want;
    const double norm = want.norm().item<double>();
    note(quantity, difference.abs().max().item<double>(), norm > 0 ? difference.norm().item<double>() / norm : 0,
         dataset, got.numel());
  }

  void note(const std::string& quantity, double absolute, double relative, const std::string& where,
            std::int64_t values) {
    const auto [f32, f64] = limits().at(quantity);
    Worst& worst = worst_[quantity];
    worst.limit = type_ == at::kDouble ? f64 : f32;
    worst.values += values;
    worst.relative = std::max(worst.relative, relative);
    // Not-a-number must count as the worst: no comparison with it is true.
    if (!(absolute <= worst.absolute) || worst.where.empty()) {
      worst.absolute = absolute;
      worst.where = where;
    }
  }

  void compare_number(const std::string& quantity, double mine, const std::string& dataset, std::size_t index) {
    const double want = file_.read<double>(dataset).at(index);
    note(quantity, std::abs(mine - want), want == 0 ? 0 : std::abs(mine - want) / std::abs(want), dataset, 1);
  }

  void compare_schedules(std::int64_t step, const ScheduleValues& values) {
    const auto row = static_cast<std::size_t>(step);
    const std::string group = prefix_ + "scalars/";
    compare_number("schedules", values.lr, group + "lr", row);
    compare_number("schedules", values.weight_decay, group + "wd", row);
    compare_number("schedules", values.ema_momentum, group + "ema_m", row);
    compare_number("schedules", values.sharpen, group + "T", row);
  }

  void compare_step(std::int64_t step, const StepReport& report) {
    const auto row = static_cast<std::size_t>(step);
    const auto cell = row * static_cast<std::size_t>(world_.size()) + static_cast<std::size_t>(world_.rank());
    const std::string scalars = prefix_ + "scalars/";
    const LossParts& parts = report.objective.parts;
    compare_number("loss terms", parts.loss, scalars + "loss", cell);
    compare_number("loss terms", parts.cross_entropy, scalars + "ploss", cell);
    compare_number("loss terms", parts.entropy, scalars + "ent", cell);
    compare_number("loss terms", parts.me_max, scalars + "me_max", row);
    compare_number("distinct targets", parts.prototypes_used, scalars + "np", cell);
    compare_number("target statistics", parts.max_target, scalars + "max_t", cell);
    compare_number("target statistics", parts.min_target, scalars + "min_t", cell);
    compare_number("grad_norm", report.grad_norm, scalars + "grad_norm", row);
    const std::string mine = prefix_ + numbered("step", step) + "/rank" + std::to_string(world_.rank()) + "/";
    const std::map<std::string, at::Tensor> tensors{{"z", report.z},
                                                    {"h", report.h},
                                                    {"sharpened", report.objective.sharpened},
                                                    {"targets", report.objective.targets}};
    for (const auto& [name, tensor] : tensors) {
      if (file_.exists(mine + name)) compare(name, tensor, mine + name);
    }
  }

  /// Of the embeddings with the prototypes that the step began with.
  void compare_predictions(std::int64_t step, const StepReport& report, const at::Tensor& prototypes) {
    const std::string mine = prefix_ + numbered("step", step) + "/rank" + std::to_string(world_.rank()) + "/";
    const std::map<std::string, at::Tensor> embeddings{{"anchor_probs", report.z}, {"target_probs", report.h}};
    for (const auto& [name, x] : embeddings) {
      if (file_.exists(mine + name)) compare(name, predictions(x, prototypes, 1, config_.loss), mine + name);
    }
  }

  void compare_gradients(std::int64_t step) {
    const std::string group = prefix_ + numbered("grad", step);
    if (!file_.exists(group)) return;
    for (const Segment& segment : state_.online.segments()) {
      const std::string name = segment.name == "prototypes" ? "prototypes" : "encoder." + segment.name;
      // Ours are sums over ranks; the official code has the mean of the encoder's.
      const double scale = segment.name == "prototypes" ? 1.0 : 1.0 / world_.size();
      compare("gradients", state_.online.gradient(segment.name) * scale, group + "/" + name);
    }
  }

  /// Elements with an exactly zero gradient: rounding noise that Adam turns into steps of up to lr.
  at::Tensor zero_gradient_elements(const std::string& name, const at::Tensor& tensor) const {
    const at::Tensor mask = at::zeros(tensor.sizes(), at::kBool);
    const auto ends_with = [&](const std::string& end) {
      return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
    };
    if (ends_with("attn.qkv.bias")) {
      mask.narrow(0, config_.model.width, config_.model.width).fill_(true);
    } else if (name == "norm.bias" || name == "fc.fc1.bias" || name == "fc.fc2.bias" || name == "fc.bn1.running_mean" ||
               name == "fc.bn2.running_mean") {
      mask.fill_(true);
    }
    return mask;
  }

  /// Elements whose recorded gradient is smaller than what float32 gradients are compared to: not even its sign is
  /// certain, it differs between instruction sets, and Adam may turn that into a step of up to lr the other way. In
  /// float64 there are none.
  at::Tensor small_gradient_elements(const std::string& name, const at::Tensor& tensor) const {
    at::Tensor mask = at::zeros(tensor.sizes(), at::kBool);
    if (type_ == at::kDouble) return mask;
    for (const std::int64_t step : {0, 1}) {
      const std::string gradient = numbered("grad", step) + "/encoder." + name;
      if (file_.exists(gradient)) mask |= read(gradient).abs() < limits().at("gradients").first;
    }
    return mask;
  }

  void compare_weights(const std::string& quantity, const std::string& name, const at::Tensor& mine,
                       const std::string& dataset) {
    const at::Tensor noisy = zero_gradient_elements(name, mine);
    // The target network follows at a thousandth of the speed.
    const at::Tensor uncertain = quantity == "encoder"
                                     ? small_gradient_elements(name, mine).logical_and(noisy.logical_not())
                                     : at::zeros_like(noisy);
    compare(quantity, mine, dataset, noisy.logical_or(uncertain).logical_not());
    compare("zero-gradient elements", mine, dataset, noisy);
    compare("small-gradient elements", mine, dataset, uncertain);
  }

  /// Float32's error of a gradient is up to 4e-6 in these traces: below 1e-5 its sign is noise, and so is Adam's first
  /// step, which has been compared by its own limit. Later steps would amplify it (one weight of trace_w2, of gradient
  /// 2.5e-7, would decide how far everything moves away), so they go on from what was recorded.
  void settle_noise() {
    if (type_ == at::kDouble || !file_.exists("after_01")) return;
    for (const Segment& segment : state_.online.segments()) {
      const std::string name = "encoder." + segment.name;
      if (segment.name == "prototypes") continue;
      const at::Tensor value = state_.online.value(segment.name);
      const at::Tensor noise = read("grad_00/" + name).abs() < 1e-5;
      value.copy_(at::where(noise.reshape(value.sizes()), read("after_01/" + name).reshape(value.sizes()),
                             value.cpu()));
    }
  }

  void compare_network(const std::string& group, const std::string& network, const std::string& quantity,
                       const Parameters& parameters, HeadBuffers& head) {
    for (const Segment& segment : parameters.segments()) {
      if (segment.name == "prototypes") continue;
      compare_weights(quantity, segment.name, parameters.value(segment.name),
                      group + "/" + network + "." + segment.name);
    }
    for (const auto& [name, bn] : buffers(head)) {
      const std::string dataset = group + "/" + network + "." + name;
      compare_weights(quantity, name + ".running_mean", bn->running_mean, dataset + ".running_mean");
      compare_weights(quantity, name + ".running_var", bn->running_var, dataset + ".running_var");
      compare_number("batch counters", static_cast<double>(bn->batches), dataset + ".num_batches_tracked", 0);
    }
  }

  void compare_state(std::int64_t steps) {
    const std::string group = prefix_ + numbered("after", steps);
    if (file_.exists(group)) {
      compare_network(group, "encoder", "encoder", state_.online, state_.online_buffers);
      compare("prototypes", state_.online.value("prototypes"), group + "/prototypes");
      if (file_.exists(group + "/target.cls_token")) {
        compare_network(group, "target", "target network", state_.target, state_.target_buffers);
      }
    }
    const std::string adam = prefix_ + numbered("adam", steps);
    if (file_.exists(adam)) {
      for (const Segment& segment : state_.online.segments()) {
        const std::string name = segment.name == "prototypes" ? "prototypes" : "encoder." + segment.name;
        // Ours are of the prototypes' mean gradient over ranks, the official ones of its sum.
        const double ranks = segment.name == "prototypes" ? communicator_.size() : 1;
        compare("Adam moments", Parameters::view(state_.exp_avg, segment) * ranks, adam + "/exp_avg." + name);
        compare("Adam moments", Parameters::view(state_.exp_avg_sq, segment) * (ranks * ranks),
                adam + "/exp_avg_sq." + name);
      }
    }
  }

  /// Prints every rank's table in rank order; true if every quantity of every rank passed.
  bool print() const {
    bool passed = !worst_.empty();
    std::string text = "rank " + std::to_string(world_.rank()) + " of " + std::to_string(world_.size()) + ", " +
                       (type_ == at::kDouble ? "fp64" : "fp32") + ", " + file_.path().filename().string() + "\n";
    char line[512];
    std::snprintf(line, sizeof line, "  %-24s %10s %12s %12s %10s  %s\n", "quantity", "values", "max abs", "max rel",
                  "limit", "worst at");
    text += line;
    for (const auto& [quantity, worst] : worst_) {
      const bool ok = worst.absolute <= worst.limit;
      passed = passed && ok;
      std::snprintf(line, sizeof line, "  %-24s %10lld %12.3e %12.3e %10.1e  %-4s %s\n", quantity.c_str(),
                    static_cast<long long>(worst.values), worst.absolute, worst.relative, worst.limit,
                    ok ? "pass" : "FAIL", worst.where.c_str());
      text += line;
    }
    for (const std::string& table : world_.gather(text)) {
      if (world_.rank() == 0) std::fputs(table.c_str(), stdout);
    }
    return world_.all(passed);
  }

  h5::File file_;
  at::ScalarType type_;
  std::string prefix_;
  World& world_;
  Placement placement_;
  const Communicator& communicator_;
  Config config_;
  TrainState state_;
  std::optional<Stepper> stepper_;
  std::map<std::string, Worst> worst_;
};

KernelForm form_named(const std::string& name) {
  for (const KernelForm form : {KernelForm::rows, KernelForm::torch, KernelForm::kokkos}) {
    if (name == name_of(form)) return form;
  }
  throw usage_error("unknown kernels " + name);
}

int replay(int argc, char** argv, World& world) {
  std::string path;
  KernelForm form = KernelForm::rows;
  std::optional<Gpu> gpu;
  at::ScalarType type = at::kFloat;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--precision" && i + 1 < argc) {
      const std::string precision = argv[++i];
      if (precision != "fp32" && precision != "fp64") throw usage_error("unknown precision " + precision);
      type = precision == "fp64" ? at::kDouble : at::kFloat;
    } else if (argument == "--device" && i + 1 < argc) {
      if (std::string(argv[++i]) != "cuda") throw usage_error("--device is cuda, or not given");
      gpu = bind_gpu(world, visible_gpus());
    } else if (argument == "--kernels" && i + 1 < argc) {
      form = form_named(argv[++i]);
    } else if (path.empty()) {
      path = argument;
    } else {
      throw usage_error("unexpected argument " + argument);
    }
  }
  if (path.empty())
    throw usage_error("usage: trace_replay FILE.h5 [--precision fp32|fp64] [--kernels rows|torch|kokkos | --device cuda]");
  set_host_kernel_form(form);
  std::optional<kernels::device::KokkosSession> kokkos;
  if (form == KernelForm::kokkos) kokkos.emplace(0);
  set_up_threads(world, 0);
  const bool passed = Replay(path, type, world, gpu).run();
  if (world.rank() == 0) std::puts(passed ? "PASS" : "FAIL");
  return passed ? 0 : kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    World world = World::init(&argc, &argv);
    const int status = replay(argc, argv, world);
    world.finalize();
    return status;
  } catch (const msn::Error& error) {
    std::fprintf(stderr, "trace_replay: %s\n", error.what());
    World::abort(static_cast<int>(error.code()));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trace_replay: %s\n", error.what());
    World::abort(static_cast<int>(ExitCode::internal));
  }
}
