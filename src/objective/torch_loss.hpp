// SPDX-License-Identifier: Apache-2.0
// The MSN objective by LibTorch's operators, on any device: msn_loss.hpp and sinkhorn.hpp where
// kernel_form(z) is not KernelForm::rows. Nothing here waits for the device, so that a captured graph may hold it all:
// what comes from other ranks or depends on values stays a tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "objective/msn_loss.hpp"

namespace msn {

/// As msn_loss(); `sharpen` float64 [] and `log_prior` on the device of z.
LossResult torch_msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes,
                          const at::Tensor& sharpen, const LossConfig& config, const at::Tensor& log_prior,
                          const Communicator& communicator);

/// As predictions().
at::Tensor torch_predictions(const at::Tensor& x, const at::Tensor& prototypes, const at::Tensor& sharpen,
                             const LossConfig& config);

/// As sinkhorn().
at::Tensor torch_sinkhorn(const at::Tensor& targets, const at::Tensor& total, int iterations,
                          const Communicator& communicator);

}  // namespace msn
