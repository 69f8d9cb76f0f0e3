// SPDX-License-Identifier: Apache-2.0
#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>

#include "base/error.hpp"
#include "base/stop_signals.hpp"
#include "base/utf8.hpp"
#include "config/presets.hpp"
#include "config/toml_text.hpp"

namespace msn {

namespace {

using namespace std::string_view_literals;

// In the order of their enumerators.
constexpr std::array kDataInput{"images"sv, "synthetic"sv};
constexpr std::array kDataCache{"none"sv, "ram"sv};
constexpr std::array kDataOrder{"shuffled"sv, "blockwise"sv};
constexpr std::array kMaskPer{"batch"sv, "image"sv};
constexpr std::array kPrecision{"fp32"sv, "fp64"sv, "bf16"sv, "tf32"sv};
constexpr std::array kReducePrecision{"full"sv, "bf16"sv};
constexpr std::array kAttention{"auto"sv, "plain"sv, "flash"sv, "efficient"sv, "cudnn"sv};
constexpr std::array kViewsOn{"auto"sv, "host"sv, "device"sv};
constexpr std::array kNonFinite{"abort"sv, "skip"sv};
constexpr std::array kInterpolation{"bilinear"sv, "bicubic"sv};
constexpr std::array kResizeOrder{"horizontal"sv, "pillow13"sv};

// The field of a key as two member pointers: `Section` of Config, `Field` of that section.
template <auto Section, auto Field>
constexpr WholeField whole(int min, int max) {
  return {[](Config& c) -> int& { return c.*Section.*Field; }, min, max};
}

template <auto Section, auto Field>
constexpr RealField real(double min, double max) {
  return {[](Config& c) { return std::span<double>(&(c.*Section.*Field), 1); }, min, max};
}

template <auto Section, auto Field>
constexpr RealField real_list(double min, double max) {
  return {[](Config& c) { return std::span<double>(c.*Section.*Field); }, min, max, false, true};
}

constexpr RealField above_min(RealField field) {
  field.above_min = true;
  return field;
}

template <auto Section, auto Field>
constexpr ChoiceField choice(std::span<const std::string_view> names) {
  return {names, [](Config& c) { return static_cast<std::size_t>(c.*Section.*Field); },
          [](Config& c, std::size_t index) {
            auto& field = c.*Section.*Field;
            field = static_cast<std::remove_reference_t<decltype(field)>>(index);
          }};
}

constexpr ChoiceField arch_choice() {
  return {arch_names(),
          [](Config& c) {
            const auto names = arch_names();
            return static_cast<std::size_t>(std::find(names.begin(), names.end(), c.model.arch) - names.begin());
          },
          [](Config& c, std::size_t index) { c.model.arch = arch_names()[index]; }};
}

constexpr int kMany = std::numeric_limits<int>::max();
using C = Config;

const Key kKeys[] = {
    {"data", "input", choice<&C::data, &DataConfig::input>(kDataInput)},
    {"data", "path", PathField{[](Config& c) -> std::filesystem::path& { return c.data.path; }}, Effect::none},
    {"data", "workers", whole<&C::data, &DataConfig::workers>(0, 1024), Effect::none},
    {"data", "order", choice<&C::data, &DataConfig::order>(kDataOrder)},
    {"data", "block", whole<&C::data, &DataConfig::block>(1, 1 << 24)},
    {"data", "window", whole<&C::data, &DataConfig::window>(1, 1 << 20)},
    {"data", "epoch_images", whole<&C::data, &DataConfig::epoch_images>(0, kMany)},
    {"data", "staging", PathField{[](Config& c) -> std::filesystem::path& { return c.data.staging; }}, Effect::none},
    {"data", "cache", choice<&C::data, &DataConfig::cache>(kDataCache), Effect::none},
    {"data", "max_bad", real<&C::data, &DataConfig::max_bad>(0, 1), Effect::policy},

    {"views", "random", whole<&C::views, &ViewsConfig::random>(1, 64)},
    {"views", "focal", whole<&C::views, &ViewsConfig::focal>(0, 64)},
    {"views", "random_size", whole<&C::views, &ViewsConfig::random_size>(1, 4096)},
    {"views", "focal_size", whole<&C::views, &ViewsConfig::focal_size>(1, 4096)},
    {"views", "random_scale", above_min(real_list<&C::views, &ViewsConfig::random_scale>(0, 1))},
    {"views", "focal_scale", above_min(real_list<&C::views, &ViewsConfig::focal_scale>(0, 1))},
    {"views", "mask_ratio", real<&C::views, &ViewsConfig::mask_ratio>(0, 1)},
    {"views", "mask_per", choice<&C::views, &ViewsConfig::mask_per>(kMaskPer)},
    {"views", "jitter", real<&C::views, &ViewsConfig::jitter>(0, 1)},
    {"views", "blur", real<&C::views, &ViewsConfig::blur>(0, 1)},
    {"views", "interpolation", choice<&C::views, &ViewsConfig::interpolation>(kInterpolation)},
    {"views", "resize_order", choice<&C::views, &ViewsConfig::resize_order>(kResizeOrder)},
    {"views", "mean", real_list<&C::views, &ViewsConfig::mean>(0, 1)},
    {"views", "std", above_min(real_list<&C::views, &ViewsConfig::std>(0, 10))},

    {"model", "arch", arch_choice(), Effect::none},
    {"model", "width", whole<&C::model, &ModelConfig::width>(1, 16384)},
    {"model", "depth", whole<&C::model, &ModelConfig::depth>(1, 256)},
    {"model", "heads", whole<&C::model, &ModelConfig::heads>(1, 256)},
    {"model", "patch_size", whole<&C::model, &ModelConfig::patch_size>(1, 1024)},
    {"model", "image_size", whole<&C::model, &ModelConfig::image_size>(1, 4096)},
    {"model", "head_hidden", whole<&C::model, &ModelConfig::head_hidden>(1, 65536)},
    {"model", "head_out", whole<&C::model, &ModelConfig::head_out>(1, 65536)},
    {"model", "prototypes", whole<&C::model, &ModelConfig::prototypes>(2, 1048576)},
    {"model", "freeze_prototypes", SwitchField{[](Config& c) -> bool& { return c.model.freeze_prototypes; }}},
    {"model", "drop_path", real<&C::model, &ModelConfig::drop_path>(0, 0.99)},
    {"model", "init",
     PathField{[](Config& c) -> std::filesystem::path& { return c.model.init; },
               "the name of a .safetensors file or of a checkpoint folder, in quotes"}},

    {"loss", "temperature", above_min(real<&C::loss, &LossConfig::temperature>(0, 100))},
    {"loss", "sharpen", above_min(real_list<&C::loss, &LossConfig::sharpen>(0, 1))},
    {"loss", "sinkhorn", whole<&C::loss, &LossConfig::sinkhorn>(0, 100)},
    {"loss", "me_max", real<&C::loss, &LossConfig::me_max>(0, 1000)},
    {"loss", "entropy", real<&C::loss, &LossConfig::entropy>(0, 1000)},
    {"loss", "label_smoothing", real<&C::loss, &LossConfig::label_smoothing>(0, 0.99)},
    {"loss", "prior",
     PathField{[](Config& c) -> std::filesystem::path& { return c.loss.prior; },
               "\"uniform\", \"power_law\" or the name of a file of weights"}},
    {"loss", "prior_exponent", real<&C::loss, &LossConfig::prior_exponent>(0, 10)},

    {"optim", "lr", real_list<&C::optim, &OptimConfig::lr>(0, 100)},
    {"optim", "warmup_epochs", real<&C::optim, &OptimConfig::warmup_epochs>(0, 1e6)},
    {"optim", "lr_reference_batch", whole<&C::optim, &OptimConfig::lr_reference_batch>(0, kMany)},
    {"optim", "weight_decay", real_list<&C::optim, &OptimConfig::weight_decay>(0, 10)},
    {"optim", "clip", real<&C::optim, &OptimConfig::clip>(0, 1e6)},
    {"optim", "ema", real_list<&C::optim, &OptimConfig::ema>(0, 1)},
    {"optim", "schedule_stretch", real<&C::optim, &OptimConfig::schedule_stretch>(1, 100)},

    {"train", "global_batch", whole<&C::train, &TrainConfig::global_batch>(1, 1 << 24)},
    {"train", "micro_batch", whole<&C::train, &TrainConfig::micro_batch>(0, 1 << 24), Effect::rounding},
    {"train", "epochs", whole<&C::train, &TrainConfig::epochs>(1, 1000000)},
    {"train", "seed", SeedField{[](Config& c) -> std::uint64_t& { return c.train.seed; }}},
    {"train", "precision", choice<&C::train, &TrainConfig::precision>(kPrecision)},
    {"train", "reduce_precision", choice<&C::train, &TrainConfig::reduce_precision>(kReducePrecision)},
    {"train", "recompute", SwitchField{[](Config& c) -> bool& { return c.train.recompute; }}, Effect::none},
    {"train", "check_replicas_every", whole<&C::train, &TrainConfig::check_replicas_every>(0, kMany), Effect::policy},
    {"train", "non_finite", choice<&C::train, &TrainConfig::non_finite>(kNonFinite), Effect::policy},
    {"train", "max_skipped_in_a_row", whole<&C::train, &TrainConfig::max_skipped_in_a_row>(0, kMany), Effect::policy},
    {"train", "max_skipped", whole<&C::train, &TrainConfig::max_skipped>(0, kMany), Effect::policy},
    {"train", "max_fruitless_lives", whole<&C::train, &TrainConfig::max_fruitless_lives>(0, 100), Effect::policy},

    {"checkpoint", "every_steps", whole<&C::checkpoint, &CheckpointConfig::every_steps>(0, kMany), Effect::policy},
    {"checkpoint", "every_minutes", real<&C::checkpoint, &CheckpointConfig::every_minutes>(0, 1e6), Effect::policy},
    {"checkpoint", "keep", whole<&C::checkpoint, &CheckpointConfig::keep>(2, kMany), Effect::policy},
    {"checkpoint", "keep_every", whole<&C::checkpoint, &CheckpointConfig::keep_every>(0, kMany), Effect::policy},
    {"checkpoint", "keep_best", whole<&C::checkpoint, &CheckpointConfig::keep_best>(0, kMany), Effect::policy},
    {"checkpoint", "writers", whole<&C::checkpoint, &CheckpointConfig::writers>(1, 65536), Effect::none},
    {"checkpoint", "max_failed_in_a_row", whole<&C::checkpoint, &CheckpointConfig::max_failed_in_a_row>(0, kMany),
     Effect::policy},

    {"evaluate", "every_epochs", whole<&C::evaluate, &EvaluateConfig::every_epochs>(0, 1000000), Effect::none},
    {"evaluate", "train", PathField{[](Config& c) -> std::filesystem::path& { return c.evaluate.train; }},
     Effect::none},
    {"evaluate", "test", PathField{[](Config& c) -> std::filesystem::path& { return c.evaluate.test; }}, Effect::none},
    {"evaluate", "train_stride", whole<&C::evaluate, &EvaluateConfig::train_stride>(1, kMany), Effect::none},
    {"evaluate", "test_stride", whole<&C::evaluate, &EvaluateConfig::test_stride>(1, kMany), Effect::none},
    {"evaluate", "k", whole<&C::evaluate, &EvaluateConfig::k>(1, kMany), Effect::none},
    {"evaluate", "temperature", above_min(real<&C::evaluate, &EvaluateConfig::temperature>(0, 100)), Effect::none},

    {"runtime", "threads", whole<&C::runtime, &RuntimeConfig::threads>(0, 4096), Effect::none},
    {"runtime", "gemm",
     PathField{[](Config& c) -> std::filesystem::path& { return c.runtime.gemm; },
               "\"auto\", \"mkl\", \"onednn\" or the name of a file of msn bench gemm"},
     Effect::none},
    {"runtime", "attention", choice<&C::runtime, &RuntimeConfig::attention>(kAttention), Effect::rounding},
    {"runtime", "cuda_graph", SwitchField{[](Config& c) -> bool& { return c.runtime.cuda_graph; }}, Effect::none},
    {"runtime", "views_on", choice<&C::runtime, &RuntimeConfig::views_on>(kViewsOn), Effect::none},
    {"runtime", "run_ahead", whole<&C::runtime, &RuntimeConfig::run_ahead>(0, 64), Effect::none},
    {"runtime", "allow_slow_bf16", SwitchField{[](Config& c) -> bool& { return c.runtime.allow_slow_bf16; }},
     Effect::none},
    {"runtime", "bucket_mib", above_min(real<&C::runtime, &RuntimeConfig::bucket_mib>(0, 4096)), Effect::none},
    {"runtime", "watchdog", real<&C::runtime, &RuntimeConfig::watchdog>(0, 1e6), Effect::none},
    {"runtime", "stop_signals",
     NamesField{stop_signal_names(), [](Config& c) -> std::vector<std::string>& { return c.runtime.stop_signals; }},
     Effect::none},
    {"runtime", "job_end", SwitchField{[](Config& c) -> bool& { return c.runtime.job_end; }}, Effect::none},
    {"runtime", "tensorboard", SwitchField{[](Config& c) -> bool& { return c.runtime.tensorboard; }}, Effect::none},
    {"runtime", "monitors", SwitchField{[](Config& c) -> bool& { return c.runtime.monitors; }}, Effect::none},
};

DataSetConfig& last_set(Config& c) {
  if (c.data.sets.empty()) c.data.sets.emplace_back();
  return c.data.sets.back();
}

// An optional list of the last set; naming it gives it a value.
template <auto Field>
std::span<double> set_list(Config& c) {
  auto& list = last_set(c).*Field;
  if (!list) list.emplace();
  return *list;
}

const Key kSetKeys[] = {
    {kSetTable, "path", PathField{[](Config& c) -> std::filesystem::path& { return last_set(c).path; }}, Effect::none},
    {kSetTable, "weight", above_min(RealField{[](Config& c) { return std::span(&last_set(c).weight, 1); }, 0, 1e9})},
    {kSetTable, "mean", RealField{set_list<&DataSetConfig::mean>, 0, 1, false, true}},
    {kSetTable, "std", above_min(RealField{set_list<&DataSetConfig::std>, 0, 10, false, true})},
};

// A bound as a person writes it: 1, not 1.0.
std::string bound_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

// "a", "b" and "c".
std::string listed(std::span<const std::string_view> names, std::string_view before_last) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    out += i == 0 ? "" : i + 1 == names.size() ? before_last : ", ";
    out += toml_string(names[i]);
  }
  return out;
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
// Clang before 17 does not deduce it by itself.
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

std::span<const Key> all_keys() {
  return kKeys;
}

std::span<const Key> set_keys() {
  return kSetKeys;
}

const Key* find_key(std::string_view section, std::string_view name) {
  const auto keys = section == kSetTable ? set_keys() : all_keys();
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.section == section && k.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

bool is_section(std::string_view section) {
  const auto keys = all_keys();
  return std::any_of(keys.begin(), keys.end(), [&](const Key& k) { return k.section == section; });
}

std::string value_text(const Key& key, const Config& config) {
  Config c = config;  // one accessor serves reading and writing, and wants a Config that it may write to
  return std::visit(Overloaded{
                        [&](const WholeField& f) { return std::to_string(f.at(c)); },
                        [&](const SeedField& f) { return std::to_string(f.at(c)); },
                        [&](const RealField& f) {
                          std::string out;
                          for (const double value : f.at(c))
                            out += (out.empty() ? "" : ", ") + number_text(value);
                          return f.list ? "[" + out + "]" : out;
                        },
                        [&](const SwitchField& f) { return std::string(f.at(c) ? "true" : "false"); },
                        [&](const PathField& f) {
                          if (!is_utf8(f.at(c).native())) {
                            throw config_error("the name is not valid UTF-8, which a TOML file cannot hold",
                                               key.full_name(), "rename it");
                          }
                          return toml_string(f.at(c).native());
                        },
                        [&](const ChoiceField& f) {
                          const std::size_t index = f.get(c);
                          if (index >= f.names.size()) {
                            throw config_error(key.full_name() + " holds a value without a name", {},
                                               "it must be " + accepted_values(key));
                          }
                          return toml_string(f.names[index]);
                        },
                        [&](const NamesField& f) {
                          std::string out;
                          for (const std::string& name : f.at(c))
                            out += (out.empty() ? "" : ", ") + toml_string(name);
                          return "[" + out + "]";
                        },
                    },
                    key.field);
}

std::string set_value_text(const Key& key, const DataSetConfig& set) {
  const bool given = key.name == "path" || (key.name == "weight" && set.weight > 0) ||
                     (key.name == "mean" && set.mean) || (key.name == "std" && set.std);
  if (!given) return {};
  Config holder;
  holder.data.sets = {set};
  return value_text(key, holder);
}

std::string accepted_values(const Key& key) {
  return std::visit(Overloaded{
                        [](const WholeField& f) -> std::string {
                          if (f.max == kMany) return "a whole number of at least " + std::to_string(f.min);
                          return "a whole number from " + std::to_string(f.min) + " to " + std::to_string(f.max);
                        },
                        [](const SeedField&) { return std::string("a whole number from 0 to 9223372036854775807"); },
                        [](const RealField& f) {
                          Config any;
                          const std::string many =
                              f.list ? "a list of " + std::to_string(f.at(any).size()) + " numbers" : "a number";
                          const std::string low = f.above_min ? " above " + bound_text(f.min) + " and up to "
                                                              : " from " + bound_text(f.min) + " to ";
                          return many + low + bound_text(f.max);
                        },
                        [](const SwitchField&) { return std::string("true or false"); },
                        [](const PathField& f) { return std::string(f.what); },
                        [](const ChoiceField& f) { return listed(f.names, " or "); },
                        [](const NamesField& f) { return "a list, each at most once, of " + listed(f.names, " and "); },
                    },
                    key.field);
}

}  // namespace msn
