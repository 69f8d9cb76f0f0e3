// SPDX-License-Identifier: Apache-2.0
// For tests that code for devices never waits for one, where there is none. Tensors of the device "meta" have shapes
// but no values: who reads one throws. What is copied to a device from the host shows in the operators' inputs.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <memory>
#include <set>
#include <string>

namespace msn::test {

/// The names of operators that took a tensor in host memory, on this thread, while it lives; numbers in the code, which
/// are passed with the call, do not count.
class HostInputs {
 public:
  HostInputs()
      : handle_(at::addThreadLocalCallback(
            at::RecordFunctionCallback(&see).needsInputs(true).scopes({at::RecordScope::FUNCTION}))) {
    names().clear();
    count() = 0;
  }
  ~HostInputs() { at::removeCallback(handle_); }
  HostInputs(const HostInputs&) = delete;
  HostInputs& operator=(const HostInputs&) = delete;

  /// How many operators there were, to know that they were seen at all.
  std::size_t operators() const { return count(); }
  const std::set<std::string>& operator*() const { return names(); }

 private:
  static std::set<std::string>& names() {
    thread_local std::set<std::string> all;
    return all;
  }
  static std::size_t& count() {
    thread_local std::size_t all = 0;
    return all;
  }
  static bool in_host_memory(const at::Tensor& tensor) {
    return tensor.defined() && tensor.is_cpu() && !tensor.unsafeGetTensorImpl()->is_wrapped_number();
  }
  static std::unique_ptr<at::ObserverContext> see(const at::RecordFunction& function) {
    ++count();
    for (const c10::IValue& input : function.inputs()) {
      bool host = input.isTensor() && in_host_memory(input.toTensor());
      if (input.isTensorList()) {
        for (const at::Tensor& tensor : input.toTensorVector())
          host = host || in_host_memory(tensor);
      }
      if (host) names().insert(function.name());
    }
    return nullptr;
  }

  at::CallbackHandle handle_;
};

}  // namespace msn::test
