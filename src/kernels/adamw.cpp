// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "kernels/adamw_rows.hpp"
#include "kernels/for_rows.hpp"

namespace msn::kernels {
namespace {

std::int64_t length(std::size_t size) {
  return static_cast<std::int64_t>(size);
}

template <class T>
AdamWFactors<T> factors(const UpdateRange& range, const AdamWStep& step) {
  const double correction1 = 1.0 - std::pow(step.beta1, static_cast<double>(step.count));
  const double root_correction2 = std::sqrt(1.0 - std::pow(step.beta2, static_cast<double>(step.count)));
  return {.gradient_scale = static_cast<T>(range.gradient_scale),
          .one_minus_beta1 = static_cast<T>(1.0 - step.beta1),
          .beta2 = static_cast<T>(step.beta2),
          .one_minus_beta2 = static_cast<T>(1.0 - step.beta2),
          .eps = static_cast<T>(step.eps * range.epsilon_scale * root_correction2),
          .step_size = static_cast<T>(step.lr / correction1 * root_correction2),
          .keep = range.decays ? static_cast<T>(1.0 - step.lr * step.weight_decay) : T(1),
          .momentum = static_cast<T>(step.ema_momentum),
          .one_minus_momentum = static_cast<T>(1.0 - step.ema_momentum)};
}

void check(const std::vector<UpdateRange>& ranges, std::size_t parameters, std::size_t target) {
  std::int64_t end = 0;
  for (const UpdateRange& range : ranges) {
    MSN_CHECK(range.begin >= end && range.end >= range.begin && range.end <= length(parameters));
    MSN_CHECK(!range.averaged || range.end <= length(target));
    end = range.end;
  }
}

}  // namespace

template <class T>
void adamw_ema(std::span<T> parameters, std::span<const T> gradients, std::span<T> exp_avg, std::span<T> exp_avg_sq,
               std::span<T> target, const std::vector<UpdateRange>& ranges, const AdamWStep& step,
               const Bf16Shadows& shadows, InstructionSet set) {
  MSN_CHECK(parameters.size() == gradients.size() && parameters.size() == exp_avg.size() &&
            parameters.size() == exp_avg_sq.size() && step.count > 0);
  const bool shadowed = !shadows.parameters.empty();
  MSN_CHECK(!shadowed || (sizeof(T) == sizeof(float) && shadows.parameters.size() == parameters.size()));
  MSN_CHECK(shadows.target.size() == (shadowed ? target.size() : 0));
  check(ranges, parameters.size(), target.size());
  std::vector<AdamWFactors<T>> of_range;
  of_range.reserve(ranges.size());
  for (const UpdateRange& range : ranges)
    of_range.push_back(factors<T>(range, step));

  const auto run = MSN_FORMS(adamw<T>).of(set);
  const AdamWArrays<T> arrays{.parameters = parameters.data(),
                              .gradients = gradients.data(),
                              .exp_avg = exp_avg.data(),
                              .exp_avg_sq = exp_avg_sq.data(),
                              .target = target.data(),
                              .shadow = shadows.parameters.data(),
                              .target_shadow = shadows.target.data()};
  // Rows are cut from the whole buffer, across ranges, so that they are equally long.
  for_rows(rows_of(length(parameters.size())), [&](std::int64_t row) {
    const std::int64_t begin = row * kRowElements;
    const std::int64_t end = std::min(begin + kRowElements, length(parameters.size()));
    auto range = std::partition_point(ranges.begin(), ranges.end(),
                                      [&](const UpdateRange& candidate) { return candidate.end <= begin; });
    for (; range != ranges.end() && range->begin < end; ++range) {
      run(arrays, of_range[static_cast<std::size_t>(range - ranges.begin())], range->averaged,
          std::max(begin, range->begin), std::min(end, range->end));
    }
  });
}

template <class T>
std::int64_t adamw_ema_bytes(const std::vector<UpdateRange>& ranges, bool shadows) {
  constexpr std::int64_t of_update = 4 + 3, of_target = 1 + 1;  // Values read and written.
  const std::int64_t of_shadow = shadows ? sizeof(Bf16) : 0;
  std::int64_t bytes = 0;
  for (const UpdateRange& range : ranges) {
    const std::int64_t update = of_update * static_cast<std::int64_t>(sizeof(T)) + of_shadow;
    const std::int64_t target = range.averaged ? of_target * static_cast<std::int64_t>(sizeof(T)) + of_shadow : 0;
    bytes += (range.end - range.begin) * (update + target);
  }
  return bytes;
}

void round_to_bf16(std::span<const float> values, std::span<Bf16> rounded, InstructionSet set) {
  MSN_CHECK(values.size() == rounded.size());
  const auto run = MSN_FORMS(to_bf16).of(set);
  for_rows(rows_of(length(values.size())), [&](std::int64_t row) {
    run(values.data(), rounded.data(), row * kRowElements, std::min((row + 1) * kRowElements, length(values.size())));
  });
}

#define MSN_INSTANTIATE(T)                                                                                           \
  template void adamw_ema<T>(std::span<T>, std::span<const T>, std::span<T>, std::span<T>, std::span<T>,             \
                             const std::vector<UpdateRange>&, const AdamWStep&, const Bf16Shadows&, InstructionSet); \
  template std::int64_t adamw_ema_bytes<T>(const std::vector<UpdateRange>&, bool);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)

}  // namespace msn::kernels
