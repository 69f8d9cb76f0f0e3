// SPDX-License-Identifier: Apache-2.0
// Which code computes what lies between a step's matrix products.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace msn {

enum class KernelForm {
  rows,    ///< src/kernels/*_rows.cpp, for this processor's instruction set: host memory only.
  torch,   ///< Operators of LibTorch, on any device.
  kokkos,  ///< src/kernels/device, where Kokkos computes: on the GPU if it was built with CUDA, else in host memory.
};

std::string_view name_of(KernelForm form);

/// The form that computes on a device: in host memory KernelForm::rows unless set_host_kernel_form() was called; on a
/// GPU KernelForm::kokkos if this build's Kokkos has CUDA, else KernelForm::torch. A kernel that has no Kokkos form
/// takes that of LibTorch.
KernelForm kernel_form(c10::Device device);
inline KernelForm kernel_form(const at::Tensor& tensor) {
  return kernel_form(tensor.device());
}

/// Has host memory computed in another form, from now on, in this process: so the code of GPUs is run and compared
/// where there is none (tests, trace_replay). Throws usage_error for KernelForm::kokkos if Kokkos computes on a GPU.
void set_host_kernel_form(KernelForm form);

}  // namespace msn
