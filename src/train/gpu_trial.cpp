// SPDX-License-Identifier: Apache-2.0
#include "train/gpu_trial.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/remainder.h>

#include <chrono>
#include <string>

#include "base/error.hpp"
#include "base/seconds_since.hpp"
#include "train/device_event.hpp"
#include "train/device_wait.hpp"

namespace msn {

namespace {

[[noreturn]] void wrong(const std::string& what, const World& world) {
  throw usage_error("a " + what + " has wrong values", "host " + world.host(),
                    "look at the GPU's health (nvidia-smi -q, dmesg for Xid), and leave this host out");
}

/// Whole numbers of few bits: their products and sums are exact in any order, in TF32 too.
at::Tensor few_bits(std::int64_t modulus) {
  const std::int64_t side = kGpuTrialSide;
  return at::remainder(at::arange(side * side, at::kFloat), modulus).reshape({side, side});
}

}  // namespace

GpuTrialTimes try_gpu(const World& world, Placement& placement) {
  GpuTrialTimes times;
  Communicator& communicator = placement.of_state();
  DeviceWait wait(communicator);
  DeviceEvent done(placement.device());
  /// Runs `work` on the device and gives the time until the host knows that it is done.
  const auto timed = [&](const auto& work) {
    const auto began = std::chrono::steady_clock::now();
    work();
    done.record();
    wait.until(done);
    return seconds_since(began);
  };
  world.agree([&] {
    const at::Tensor a = few_bits(7), b = few_bits(5);
    const at::Tensor a_there = a.to(placement.device()), b_there = b.to(placement.device());
    at::Tensor product;
    const auto multiply = [&] { product = at::matmul(a_there, b_there); };
    times.first_product = timed(multiply);
    times.product = timed(multiply);
    if (!at::equal(product.to(at::kCPU), at::matmul(a, b))) wrong("product of matrices", world);
  });
  if (world.size() == 1) return times;
  constexpr std::int64_t length = std::int64_t{1} << 20;
  const at::Tensor mine =
      at::full({length}, world.rank() % 64 + 1.0, at::TensorOptions().dtype(at::kFloat).device(placement.device()));
  double wanted = 0;
  for (int rank = 0; rank < world.size(); ++rank)
    wanted += rank % 64 + 1;
  const at::Tensor values = mine.clone();
  communicator.sum(values, "self-test");  // Connects the ranks.
  values.copy_(mine);
  times.sum = timed([&] { communicator.sum(values, "self-test"); });
  world.agree([&] {
    if (!at::equal(values.to(at::kCPU), at::full({length}, wanted, at::kFloat))) wrong("sum over ranks", world);
  });
  return times;
}

}  // namespace msn
