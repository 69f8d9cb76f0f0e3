// SPDX-License-Identifier: Apache-2.0
// The hand-written step against the oracle: losses, embeddings and the gradient of every parameter, for every option of
// the objective and of the network, on one rank and on several. The oracle sees the whole world's samples.
#include "reference/oracle.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "comm/mpi_communicator.hpp"
#include "model/drop_path.hpp"
#include "model/kernel_types.hpp"
#include "support/mpi.hpp"
#include "support/view_tensors.hpp"
#include "train/setup.hpp"
#include "train/step.hpp"

namespace msn {
namespace {

constexpr std::int64_t kSamples = 8;  // Over all ranks.

/// Three blocks, so that one is neither first nor last; a grid and a focal grid that differ; a focal view with a pixel
/// beyond the last patch.
Config base_config() {
  Config config;
  config.views.random_size = 16;
  config.views.focal_size = 13;
  config.views.focal = 2;
  config.views.mask_ratio = 0.3;
  config.model.arch = "custom";
  config.model.width = 24;
  config.model.depth = 3;
  config.model.heads = 3;
  config.model.patch_size = 4;
  config.model.image_size = 16;
  config.model.head_hidden = 40;
  config.model.head_out = 16;
  config.model.prototypes = 12;
  config.train.global_batch = kSamples;
  return config;
}

struct Case {
  std::string name;
  std::function<void(Config&)> change;
};
void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

std::vector<Case> cases() {
  return {
      {"Published", [](Config&) {}},
      {"NoSinkhorn", [](Config& c) { c.loss.sinkhorn = 0; }},
      {"OneSinkhornIteration", [](Config& c) { c.loss.sinkhorn = 1; }},
      {"ManyRandomViews", [](Config& c) { c.views.random = 3; }},
      {"ManyFocalViews", [](Config& c) { c.views.focal = 5; }},
      {"NoFocalViews", [](Config& c) { c.views.focal = 0; }},
      {"NoMask", [](Config& c) { c.views.mask_ratio = 0; }},
      {"AMaskAnImage",
       [](Config& c) {
         c.views.mask_per = MaskPer::image;
         c.views.random = 2;
       }},
      {"ResampledRandomViews", [](Config& c) { c.views.random_size = 24; }},
      {"MeMaxWeight", [](Config& c) { c.loss.me_max = 5; }},
      {"NoMeMax", [](Config& c) { c.loss.me_max = 0; }},
      {"Entropy", [](Config& c) { c.loss.entropy = 0.7; }},
      {"Temperatures",
       [](Config& c) {
         c.loss.temperature = 0.2;
         c.loss.sharpen = {0.4, 0.4};
       }},
      {"LabelSmoothing", [](Config& c) { c.loss.label_smoothing = 0.1; }},
      {"LabelSmoothingWithEntropyAndWithoutSinkhorn",
       [](Config& c) {
         c.loss.label_smoothing = 0.2;
         c.loss.entropy = 0.7;
         c.loss.sinkhorn = 0;
       }},
      {"Prior",
       [](Config& c) {
         c.loss.prior = "power_law";
         c.loss.prior_exponent = 0.5;
       }},
      {"FrozenPrototypes", [](Config& c) { c.model.freeze_prototypes = true; }},
      {"DropPath", [](Config& c) { c.model.drop_path = 0.5; }},
      {"Everything",
       [](Config& c) {
         c.views.random = 2;
         c.views.focal = 3;
         c.views.mask_per = MaskPer::image;
         c.views.random_size = 20;
         c.model.drop_path = 0.4;
         c.loss.me_max = 2;
         c.loss.entropy = 0.3;
         c.loss.label_smoothing = 0.1;
         c.loss.sharpen = {0.3, 0.3};
         c.loss.prior = "power_law";
       }},
  };
}

/// Weights away from their symmetric start: no bias is zero, no scale is one, the two networks differ. Float32 values,
/// so that every precision begins with the same.
void scatter(const Parameters& parameters, std::uint64_t seed) {
  for (const Segment& segment : parameters.segments()) {
    RandomStream stream(seed, segment.name, Purpose::generator);
    const at::Tensor noise = at::empty(segment.shape, at::kDouble);
    auto* values = noise.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < segment.elements; ++i)
      values[i] = stream.normal();
    const double scale = segment.name == "prototypes" ? 1 : segment.shape.size() == 2 ? 0.25 : 0.1;
    const bool is_scale = segment.shape.size() == 1 && segment.name.ends_with(".weight");
    parameters.value(segment.name).copy_((noise * scale + (is_scale ? 1 : 0)).to(at::kFloat));
  }
}

reference::Tensors copy_of(const Parameters& parameters) {
  reference::Tensors tensors;
  for (const Segment& segment : parameters.segments())
    tensors[segment.name] = parameters.value(segment.name).to(at::kDouble).clone();
  return tensors;
}

std::vector<at::Tensor> made_up_views(const ViewsConfig& config) {
  std::vector<at::Tensor> views;
  for (int v = 0; v < 1 + config.random + config.focal; ++v) {
    const std::int64_t size = v <= config.random ? config.random_size : config.focal_size;
    const at::Tensor view = at::empty({kSamples, 3, size, size}, at::kDouble);
    RandomStream stream(1, 0, 0, static_cast<std::uint32_t>(v), Purpose::generator);
    auto* pixels = view.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < view.numel(); ++i)
      pixels[i] = stream.normal();
    views.push_back(view.to(at::kFloat).to(at::kDouble));
  }
  return views;
}

std::vector<std::uint64_t> sample_ids() {
  std::vector<std::uint64_t> ids;
  for (std::int64_t b = 0; b < kSamples; ++b)
    ids.push_back(static_cast<std::uint64_t>(7 * b + 3));
  return ids;
}

/// A rank's share of a dimension that runs over views * kSamples, view-major.
at::Tensor share(const at::Tensor& all, std::int64_t dimension, const Communicator& communicator) {
  if (!all.defined()) return all;
  const std::int64_t count = kSamples / communicator.size();
  const at::Tensor by_view = all.unflatten(dimension, {-1, kSamples});
  return by_view.narrow(dimension + 1, communicator.rank() * count, count)
      .flatten(dimension, dimension + 1)
      .contiguous();
}

reference::Problem make_problem(const Config& config, const TrainState& state, int ranks) {
  reference::Problem problem;
  problem.depth = config.model.depth;
  problem.heads = config.model.heads;
  problem.online = copy_of(state.online);
  problem.target = copy_of(state.target);
  problem.temperature = config.loss.temperature;
  problem.sharpen = config.loss.sharpen[0];
  problem.sinkhorn = config.loss.sinkhorn;
  problem.me_max = config.loss.me_max;
  problem.entropy = config.loss.entropy;
  problem.label_smoothing = config.loss.label_smoothing;
  if (config.loss.prior == "power_law") {
    const at::Tensor weights = at::arange(1, config.model.prototypes + 1, at::kDouble).pow(-config.loss.prior_exponent);
    problem.prior = weights / weights.sum();
  }
  problem.views = made_up_views(config.views);
  problem.random = config.views.random;
  const std::vector<std::uint64_t> ids = sample_ids();
  const std::int64_t side = config.views.random_size / config.model.patch_size;
  if (config.views.mask_ratio > 0) {
    problem.keep = config.views.mask_per == MaskPer::batch
                       ? test::index_tensor(batch_mask(0, 0, 0, side * side, config.views.mask_ratio))
                       : test::image_masks(ids, config.views.random, side * side, config.views.mask_ratio);
  }
  const auto branches = [&](int first_view, int views) {
    return drop_path_factors(0, 0, ids, first_view, views, config.model.depth, config.model.drop_path);
  };
  problem.random_branches = branches(1, config.views.random);
  if (config.views.focal > 0) problem.focal_branches = branches(1 + config.views.random, config.views.focal);
  problem.ranks = ranks;
  return problem;
}

/// This rank's share of the problem, as the step takes it.
StepInput make_input(const Config& config, const reference::Problem& problem, const Communicator& communicator,
                     at::ScalarType type) {
  std::vector<at::Tensor> views;
  for (const at::Tensor& view : problem.views)
    views.push_back(share(view, 0, communicator).to(type));
  const bool one_mask = !problem.keep.defined() || problem.keep.dim() == 1;
  const at::Tensor keep = one_mask ? problem.keep : share(problem.keep, 0, communicator);
  StepInput input = test::make_step_input(views, config.views.random, keep, config.model.patch_size);
  const at::ScalarType factors = accumulate_type(type);
  if (problem.random_branches.defined())
    input.random.branch_scale = share(problem.random_branches, 2, communicator).to(factors);
  if (problem.focal_branches.defined())
    input.focal.branch_scale = share(problem.focal_branches, 2, communicator).to(factors);
  return input;
}

/// Where the gradient is exactly zero (tests/golden/README.md): what precedes a batch norm as a constant, and the keys'
/// bias, which cancels in the softmax.
at::Tensor zero_elements(const Config& config, const std::string& name, const at::Tensor& gradient) {
  const at::Tensor zero = at::full(gradient.sizes(), false, at::kBool);
  if (name == "norm.bias" || name == "fc.fc1.bias" || name == "fc.fc2.bias") zero.fill_(true);
  if (name.ends_with("attn.qkv.bias")) zero.narrow(0, config.model.width, config.model.width).fill_(true);
  return zero;
}

struct Limits {
  double gradient;       ///< Of a tensor: ‖a - b‖ / ‖b‖.
  double element;        ///< Of a tensor: largest difference over largest value.
  double all_gradients;  ///< ‖a - b‖ / ‖b‖ over all tensors together.
  double loss;           ///< Relative.
};

class Oracle : public testing::TestWithParam<Case> {
 protected:
  void compare(Precision precision, Limits limits) {
    Config config = base_config();
    GetParam().change(config);
    config.train.precision = precision;
    const at::ScalarType type = scalar_type(precision);
    const MpiCommunicator communicator(test::world());
    TrainState state(vit_shape(config.model), config.model.prototypes, type);
    scatter(state.online, 1);
    scatter(state.target, 2);
    const reference::Problem problem = make_problem(config, state, communicator.size());
    const reference::Solution solution = reference::solve(problem);

    Stepper stepper(state, config, communicator);
    const StepReport report =
        stepper.run(make_input(config, problem, communicator, compute_type(precision)),
                    {.lr = 1e-3, .weight_decay = 0.1, .ema_momentum = 0.9, .sharpen = config.loss.sharpen[0]});
    compare_losses(report, solution, communicator, limits);
    compare_gradients(config, state, problem, solution, limits);
  }

 private:
  static void compare_losses(const StepReport& report, const reference::Solution& solution,
                             const Communicator& communicator, const Limits& limits) {
    const LossParts& parts = report.objective.parts;
    const at::Tensor sums = at::empty({3}, at::kDouble);
    sums[0].fill_(parts.loss);
    sums[1].fill_(parts.cross_entropy);
    sums[2].fill_(parts.entropy);
    communicator.sum(sums, "gradients");
    const auto near = [&](double got, double want, const char* what) {
      EXPECT_LE(std::abs(got - want), limits.loss * std::max(1.0, std::abs(want))) << what;
    };
    const double ranks = communicator.size();
    near(sums[0].item<double>() / ranks, solution.loss, "loss");
    near(sums[1].item<double>() / ranks, solution.cross_entropy, "cross-entropy");
    near(sums[2].item<double>() / ranks, solution.entropy, "entropy");
    near(parts.me_max, solution.me_max, "me-max");
    const auto near_all = [&](const at::Tensor& got, const at::Tensor& all, const char* what) {
      const at::Tensor want = share(all, 0, communicator);
      EXPECT_LE((got.to(at::kDouble) - want).abs().max().item<double>(),
                limits.element * want.abs().max().item<double>())
          << what;
    };
    near_all(report.z, solution.z, "z");
    near_all(report.h, solution.h, "h");
    near_all(report.objective.targets, solution.targets, "targets");
  }

  static void compare_gradients(const Config& config, const TrainState& state, const reference::Problem& problem,
                                const reference::Solution& solution, const Limits& limits) {
    double largest = 0, squares = 0, wrong_squares = 0;
    for (const auto& [name, gradient] : solution.gradients)
      largest = std::max(largest, gradient.abs().max().item<double>());
    ASSERT_EQ(solution.gradients.size(), state.online.segments().size());
    for (const Segment& segment : state.online.segments()) {
      const at::Tensor got = state.online.gradient(segment.name).to(at::kDouble);
      if (segment.name == "prototypes" && config.model.freeze_prototypes) {
        EXPECT_EQ(got.abs().max().item<double>(), 0);
        EXPECT_TRUE(state.online.value("prototypes").to(at::kDouble).equal(problem.online.at("prototypes")));
        continue;
      }
      const at::Tensor want = solution.gradients.at(segment.name);
      const at::Tensor zero = zero_elements(config, segment.name, want);
      const at::Tensor difference = got - want;
      // Rounding of sums that cancel, whose terms are as large as other gradients.
      EXPECT_LE(difference.masked_fill(zero.logical_not(), 0).abs().max().item<double>(), limits.element * largest)
          << segment.name << ", elements of gradient zero";
      const at::Tensor wrong = difference.masked_fill(zero, 0);
      const at::Tensor right = want.masked_fill(zero, 0);
      EXPECT_LE(wrong.abs().max().item<double>(), limits.element * right.abs().max().item<double>()) << segment.name;
      EXPECT_LE(wrong.norm().item<double>(), limits.gradient * right.norm().item<double>()) << segment.name;
      squares += right.square().sum().item<double>();
      wrong_squares += wrong.square().sum().item<double>();
    }
    EXPECT_LE(std::sqrt(wrong_squares), limits.all_gradients * std::sqrt(squares));
  }
};

// Relative to a tensor's largest value: float64 carries 16 digits, of which the longest sums here cost three.
TEST_P(Oracle, AgreesInFloat64) {
  compare(Precision::fp64, {.gradient = 1e-10, .element = 1e-10, .all_gradients = 1e-10, .loss = 1e-12});
}

// The limits of docs/design.md §4.4.
TEST_P(Oracle, AgreesInFloat32) {
  compare(Precision::fp32, {.gradient = 5e-5, .element = 5e-5, .all_gradients = 1e-5, .loss = 1e-5});
}

// bfloat16 carries 8 bits: a value is stored with an error of up to 1/256, and each of the three blocks stores some ten
// values a token on the way forward and back. Batch norm over eight samples, and the softmax at a temperature of 0.1,
// magnify what arrives at the head. Seen: 0.17 of a tensor, 0.23 of an element, 0.11 of all, 0.008 of a loss; a wrong
// formula is wrong by its whole size.
TEST_P(Oracle, AgreesInBfloat16) {
  compare(Precision::bf16, {.gradient = 0.3, .element = 0.4, .all_gradients = 0.2, .loss = 0.02});
}

INSTANTIATE_TEST_SUITE_P(Options, Oracle, testing::ValuesIn(cases()),
                         [](const testing::TestParamInfo<Case>& info) { return info.param.name; });

}  // namespace
}  // namespace msn
