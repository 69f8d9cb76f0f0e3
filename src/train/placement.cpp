// SPDX-License-Identifier: Apache-2.0
#include "train/placement.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "comm/device_communicator.hpp"
#include "model/kernel_form.hpp"
#include "train/attention_setup.hpp"
#include "train/device_steps.hpp"
#include "train/setup.hpp"

namespace msn {
namespace {

c10::Device device_of(const std::optional<Gpu>& gpu) {
  return gpu ? c10::impl::VirtualGuardImpl(c10::kCUDA).getDevice() : c10::Device(c10::kCPU);
}

std::optional<KernelForm> form_of_test() {
  const char* text = std::getenv("MSN_TEST_AS_ON_GPU");
  if (text == nullptr) return std::nullopt;
  for (const KernelForm form : {KernelForm::torch, KernelForm::kokkos}) {
    if (text == name_of(form)) return form;
  }
  throw usage_error("no such form of kernels: " + std::string(text), "MSN_TEST_AS_ON_GPU", "use torch or kokkos");
}

std::string name_of_kernels(KernelForm form) {
  // Attention, head and loss have no kernels of Kokkos.
  return form == KernelForm::kokkos ? kernels::device::space_name() + " and LibTorch" : "LibTorch";
}

}  // namespace

Placement::Placement(const World& world, const std::optional<Gpu>& gpu)
    : gpu_(gpu), device_(device_of(gpu)), of_host_(world) {
  world.agree([&] {
    const std::optional<KernelForm> form = gpu ? std::nullopt : form_of_test();
    as_on_gpu_ = form.has_value();
    if (form) set_host_kernel_form(*form);
    if (form == KernelForm::kokkos || (gpu && kernels::device::computes_on_gpu()))
      kokkos_ = std::make_unique<kernels::device::KokkosSession>(gpu ? device_.index() : 0);
  });
  if (gpu) of_device_ = make_device_communicator(world);
}

Placement::~Placement() = default;

std::string Placement::name() const {
  if (!on_gpu() && !as_on_gpu_) return {};
  return (gpu_ ? gpu_->name : "cpu as a GPU") + ", kernels by " + name_of_kernels(kernel_form(device_));
}

std::string Placement::description() const {
  const std::string what = name().empty() ? "cpu" : name();
  return what + ", " + (of_device_ ? device_communicator_name() : "MPI (" + of_host_.description() + ")");
}

void Placement::set_up(const World& world, const Config& config) const {
  if (!on_gpu()) return;
  set_up_precision(config);
  set_up_attention(world, config, device_, gpu_->compute_capability);
}

std::size_t Placement::run_ahead(const Config& config) const {
  return on_gpu() || as_on_gpu_ ? static_cast<std::size_t>(config.runtime.run_ahead) : 0;
}

std::unique_ptr<Steps> Placement::make_steps(const StepsOf& of) const {
  if (!on_gpu() && !as_on_gpu_) return make_host_steps(of);
  return make_device_steps(of, {.run_ahead = run_ahead(of.config), .graph = on_gpu() && of.config.runtime.cuda_graph});
}

void Placement::shutdown() {
  if (of_device_) of_device_->shutdown();
  of_host_.shutdown();
}

}  // namespace msn
