// SPDX-License-Identifier: Apache-2.0
// Where the tests of devices run: in host memory, or, where a test is linked with device_gpu.cpp, on this rank's GPU.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "comm/communicator.hpp"
#include "model/kernel_form.hpp"

namespace msn::test {

/// Bound at the first call, by all ranks.
c10::Device device();

/// Of tensors on device(), over all ranks.
std::unique_ptr<Communicator> device_communicator();

/// Has host memory computed as a GPU would, until the end of a scope.
class DeviceForm {
 public:
  explicit DeviceForm(KernelForm form = KernelForm::torch) { set_host_kernel_form(form); }
  ~DeviceForm() { set_host_kernel_form(KernelForm::rows); }
  DeviceForm(const DeviceForm&) = delete;
  DeviceForm& operator=(const DeviceForm&) = delete;
};

}  // namespace msn::test
