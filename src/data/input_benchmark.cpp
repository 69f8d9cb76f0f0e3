// SPDX-License-Identifier: Apache-2.0
#include "data/input_benchmark.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <mutex>
#include <utility>

#include "base/error.hpp"
#include "base/seconds_since.hpp"
#include "data/colour.hpp"
#include "data/decode.hpp"
#include "data/masks.hpp"
#include "data/views.hpp"
#include "data/workers.hpp"

namespace msn {

namespace {

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

enum class Output { pixels, patch_rows };

/// Patches of each view that are written as rows, with the mask of the first step.
std::vector<std::vector<std::int64_t>> visible_patches(const Config& config) {
  const VisiblePatches visible(config.views, config.model.patch_size, config.train.seed, config.train.global_batch);
  std::vector<std::vector<std::int64_t>> out;
  for (int view = 0; view < view_count(config.views); ++view)
    out.push_back(visible.of(view, 0, 0, 0));
  return out;
}

/// What one thread needs to make views, and the time it spent.
class Worker {
 public:
  Worker(const DataSet& set, const Config& config, const PixelKernels& kernels)
      : set_(set),
        config_(config),
        kernels_(kernels),
        maker_(config.views, kernels),
        resizer_(kernels),
        blur_(kernels),
        normaliser_(config.views),
        visible_(visible_patches(config)) {
    for (std::size_t v = 0; v < visible_.size(); ++v)
      rows_.emplace_back(visible_[v].size() * values_of_patch());
  }

  void make_all(std::uint64_t sample, Output output) {
    decoder_.decode(set_.read(sample), decoded_);
    image_.assign(decoded_, kernels_);
    for (std::size_t v = 0; v < visible_.size(); ++v) {
      const Planes& view = maker_.make(image_, parameters(sample, v), size_of(v));
      if (output == Output::patch_rows)
        normaliser_.write_patch_rows(view, config_.model.patch_size, visible_[v], rows_[v]);
    }
  }

  /// The stages one by one, each timed.
  void time_stages(std::uint64_t sample) {
    std::vector<std::byte> bytes;
    time(read, [&] { bytes = set_.read(sample); });
    time(decoding, [&] { decoder_.decode(bytes, decoded_); });
    time(turn, [&] { image_.assign(decoded_, kernels_); });
    for (std::size_t v = 0; v < visible_.size(); ++v) {
      ViewParameters view;
      time(draw, [&] { view = parameters(sample, v); });
      const ResizeTo to{size_of(v), size_of(v), config_.views.interpolation, config_.views.resize_order, view.flip};
      time(resize, [&] { resizer_.resized_crop(image_, view.crop, to, planes_); });
      for (std::size_t i = 0; view.jitter && i < view.order.size(); ++i)
        time_colour(view.order[i], view.factors[static_cast<std::size_t>(view.order[i])]);
      if (view.grayscale) time(gray, [&] { to_grayscale(planes_, kernels_); });
      if (view.blur) time(blur, [&] { blur_(planes_, view.radius); });
      time(patch, [&] { normaliser_.write_patch_rows(planes_, config_.model.patch_size, visible_[v], rows_[v]); });
    }
  }

  std::vector<StageCost> stages() const {
    static constexpr const char* names[stage_count] = {
        "read",       "decode", "turn",      "draw", "resize and flip",   "brightness", "contrast",
        "saturation", "hue",    "grayscale", "blur", "float32 patch rows"};
    std::vector<StageCost> out;
    for (std::size_t s = 0; s < stage_count; ++s)
      out.push_back({names[s], seconds_[s]});
    return out;
  }

 private:
  enum Stage {
    read,
    decoding,
    turn,
    draw,
    resize,
    brightness,
    contrast,
    saturation,
    hue,
    gray,
    blur,
    patch,
    stage_count
  };

  template <class Function>
  void time(Stage stage, Function function) {
    const double start = thread_cpu_seconds();
    function();
    seconds_[stage] += thread_cpu_seconds() - start;
  }

  void time_colour(ColourOperation operation, double factor) {
    switch (operation) {
      case ColourOperation::brightness:
        return time(brightness, [&] { adjust_brightness(planes_, factor, kernels_); });
      case ColourOperation::contrast:
        return time(contrast, [&] { adjust_contrast(planes_, factor, kernels_); });
      case ColourOperation::saturation:
        return time(saturation, [&] { adjust_saturation(planes_, factor, kernels_); });
      case ColourOperation::hue:
        return time(hue, [&] { adjust_hue(planes_, factor, kernels_); });
    }
  }

  ViewParameters parameters(std::uint64_t sample, std::size_t view) const {
    return draw_view(config_.views, decoded_.width, decoded_.height,
                     {config_.train.seed, 0, sample, static_cast<std::uint32_t>(view)});
  }
  int size_of(std::size_t view) const { return view_size(config_.views, static_cast<int>(view)); }
  std::size_t values_of_patch() const {
    const auto side = static_cast<std::size_t>(config_.model.patch_size);
    return 3 * side * side;
  }

  const DataSet& set_;
  const Config& config_;
  const PixelKernels& kernels_;
  Decoder decoder_;
  Image decoded_;
  TurnedImage image_;
  ViewMaker maker_;
  Resizer resizer_;
  GaussianBlur blur_;
  Normaliser normaliser_;
  Planes planes_;
  std::vector<std::vector<std::int64_t>> visible_;
  std::vector<std::vector<float>> rows_;
  double seconds_[stage_count] = {};
};

/// All samples by all threads, taken one by one.
PipelineRate time_pipeline(std::vector<Worker>& workers, std::uint64_t images, std::uint64_t total, Output output) {
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;
  PipelineRate rate;
  const auto start = std::chrono::steady_clock::now();
  for_each_parallel(workers.size(), static_cast<int>(workers.size()), [&](std::size_t w) {
    const double cpu = thread_cpu_seconds();
    for (std::uint64_t i = next++; i < total; i = next++)
      workers[w].make_all(i % images, output);
    const double spent = thread_cpu_seconds() - cpu;
    const std::lock_guard guard(mutex);
    rate.cpu_seconds += spent;
  });
  rate.wall_seconds = seconds_since(start);
  return rate;
}

}  // namespace

InputBenchmark benchmark_input(const DataSet& set, const Config& config, std::uint64_t images, int threads, int repeats,
                               const PixelKernels& kernels) {
  MSN_CHECK(threads > 0 && repeats > 0 && images > 0);
  InputBenchmark out;
  out.kernels = kernels.name;
  out.images = std::min(images, set.count());
  out.threads = threads;
  const std::uint64_t total = out.images * static_cast<std::uint64_t>(repeats);
  std::vector<Worker> workers;
  for (int t = 0; t < threads; ++t)
    workers.emplace_back(set, config, kernels);
  // The first pass fills the page cache and the workers' memory; its times are thrown away.
  time_pipeline(workers, out.images, out.images, Output::pixels);
  Worker alone(set, config, kernels);
  for (std::uint64_t i = 0; i < total; ++i)
    alone.time_stages(i % out.images);
  out.stages = alone.stages();
  for (StageCost& stage : out.stages)
    stage.cpu_seconds /= repeats;
  const auto run = [&](Output output) {
    PipelineRate rate = time_pipeline(workers, out.images, total, output);
    rate.wall_seconds /= repeats;
    rate.cpu_seconds /= repeats;
    return rate;
  };
  out.pixels = run(Output::pixels);
  out.patch_rows = run(Output::patch_rows);
  return out;
}

}  // namespace msn
