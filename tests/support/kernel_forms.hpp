// SPDX-License-Identifier: Apache-2.0
// For tests that run the code of devices in host memory.
#pragma once

#include "model/kernel_form.hpp"

namespace msn::test {

/// Has host memory computed in a form while it lives.
class HostKernelForm {
 public:
  explicit HostKernelForm(KernelForm form) { set_host_kernel_form(form); }
  ~HostKernelForm() { set_host_kernel_form(KernelForm::rows); }
  HostKernelForm(const HostKernelForm&) = delete;
  HostKernelForm& operator=(const HostKernelForm&) = delete;
};

}  // namespace msn::test
