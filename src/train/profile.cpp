// SPDX-License-Identifier: Apache-2.0
#include "train/profile.hpp"

#include <ATen/record_function.h>
#include <torch/csrc/autograd/profiler_kineto.h>
#include <torch/csrc/profiler/stubs/base.h>

#include <deque>
#include <exception>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace msn {

namespace {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;

/// Ranges of LibTorch's profiler. A name is copied as the range begins.
class ProfilerRanges : public RangeObserver {
 public:
  void step(std::uint64_t number) noexcept {
    section_.reset();
    step_.reset();
    open(step_.emplace(at::RecordScope::USER_SCOPE), ("step " + std::to_string(number)).c_str());
  }
  void section(const char* name) noexcept override {
    section_.reset();
    open(section_.emplace(at::RecordScope::USER_SCOPE), name);
  }
  void begin(const char* name) noexcept override { open(work_.emplace_back(at::RecordScope::USER_SCOPE), name); }
  void end() noexcept override {
    if (!work_.empty()) work_.pop_back();
  }

 private:
  static void open(at::RecordFunction& range, const char* name) {
    if (range.isActive()) range.before(std::string_view(name));
  }

  // Destroyed from the innermost to the outermost.
  std::optional<at::RecordFunction> step_;
  std::optional<at::RecordFunction> section_;
  std::deque<at::RecordFunction> work_;
};

/// NVTX as LibTorch's CUDA library calls it, so that nothing here needs its header.
class NvtxRanges : public RangeObserver {
 public:
  ~NvtxRanges() override {
    if (in_section_) nvtx_.rangePop();
  }
  void section(const char* name) noexcept override {
    if (in_section_) nvtx_.rangePop();
    nvtx_.rangePush(name);
    in_section_ = true;
  }
  void begin(const char* name) noexcept override { nvtx_.rangePush(name); }
  void end() noexcept override { nvtx_.rangePop(); }

 private:
  const torch::profiler::impl::ProfilerStubs& nvtx_ = *torch::profiler::impl::cudaStubs();
  bool in_section_ = false;
};

std::set<ActivityType> activities_on(at::Device device) {
  std::set<ActivityType> activities{ActivityType::CPU};
  if (device.is_cuda()) activities.insert(ActivityType::CUDA);
  return activities;
}

std::string eight_digits(std::uint64_t number) {
  const std::string text = std::to_string(number);
  return std::string(text.size() < 8 ? 8 - text.size() : 0, '0') + text;
}

}  // namespace

/// What lasts as long as steps are profiled.
struct Profile::Trace {
  ProfilerRanges ranges;
};

Profile::Profile(Options options, int rank) : options_(std::move(options)), profiles_(options_.steps && rank == 0) {
  if (options_.device.is_cuda()) nvtx_ = std::make_unique<NvtxRanges>();
  range_observer = nvtx_.get();
}

Profile::~Profile() {
  range_observer = nullptr;
  if (trace_ == nullptr) return;
  trace_.reset();
  if (options_.device.is_cuda()) return;  // After an error the device may not answer, and the process ends.
  try {
    static_cast<void>(profiler::disableProfiler());
  } catch (const std::exception&) {  // The error that ended the life is the one to tell.
  }
}

void Profile::begin_step(std::uint64_t step) {
  if (!profiles_) return;
  ++begun_;
  if (begun_ == warm_up + 1) {
    first_ = step;
    start();
  }
  if (trace_ == nullptr) return;
  if (begun_ > warm_up + *options_.steps) {
    stop();
    return;
  }
  last_ = step;
  trace_->ranges.step(step);
}

void Profile::start() {
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  const auto activities = activities_on(options_.device);
  try {
    profiler::prepareProfiler(config, activities);
    profiler::enableProfiler(config, activities);
  } catch (const std::exception&) {
    log::warn("nothing is profiled: " + to_error(std::current_exception()).problem());
    profiles_ = false;
    return;
  }
  log::info("profiling " + std::to_string(*options_.steps) + " steps from step " + std::to_string(first_) + " on");
  trace_ = std::make_unique<Trace>();
  range_observer = &trace_->ranges;
}

void Profile::stop() {
  range_observer = nvtx_.get();
  trace_.reset();
  profiles_ = false;
  const std::filesystem::path file =
      options_.run / "profile" / ("rank-0000-steps-" + eight_digits(first_) + "-" + eight_digits(last_) + ".json");
  try {
    // What the device has still to do would be missing.
    if (options_.device.is_cuda()) torch::profiler::impl::cudaStubs()->synchronize();
    const std::unique_ptr<profiler::ProfilerResult> result = profiler::disableProfiler();
    if (options_.may_write && !options_.may_write()) return;
    std::filesystem::create_directories(file.parent_path());
    std::error_code none;
    std::filesystem::remove(file, none);
    result->save(file.string());
    if (!std::filesystem::exists(file)) throw data_error("cannot write the profile", file.string(), "see above");
  } catch (const std::exception&) {
    log::warn("the profile is lost: " + std::string(to_error(std::current_exception()).what()));
    return;
  }
  log::info("profile of steps " + std::to_string(first_) + " to " + std::to_string(last_) + ": " + file.string() +
            ", for chrome://tracing or https://ui.perfetto.dev");
}

void Profile::end() {
  if (trace_ != nullptr) stop();
  if (!profiles_) return;
  profiles_ = false;
  log::warn("nothing was profiled: this life had " + std::to_string(begun_) + " steps, of which the first " +
            std::to_string(warm_up) + " are never profiled");
}

}  // namespace msn
