// SPDX-License-Identifier: Apache-2.0
#include "model/kernel_form.hpp"

#include "base/error.hpp"
#include "kernels/device/space.hpp"

namespace msn {
namespace {

KernelForm& host_form() {
  static KernelForm form = KernelForm::rows;
  return form;
}

}  // namespace

std::string_view name_of(KernelForm form) {
  switch (form) {
    case KernelForm::rows:
      return "rows";
    case KernelForm::torch:
      return "torch";
    case KernelForm::kokkos:
      return "kokkos";
  }
  throw internal_error("a kernel form without a name");
}

KernelForm kernel_form(c10::Device device) {
  if (device.is_cpu()) return host_form();
  return kernels::device::computes_on_gpu() ? KernelForm::kokkos : KernelForm::torch;
}

void set_host_kernel_form(KernelForm form) {
  if (form == KernelForm::kokkos && kernels::device::computes_on_gpu()) {
    throw usage_error("Kokkos of this build computes on the GPU, not in host memory", "kernel form kokkos",
                      "take \"torch\" or \"rows\", or a build whose Kokkos has no CUDA");
  }
  host_form() = form;
}

}  // namespace msn
