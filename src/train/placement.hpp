// SPDX-License-Identifier: Apache-2.0
// Where this job's steps are computed: on processors, or on a GPU for each rank.
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <optional>
#include <string>

#include "comm/communicator.hpp"
#include "comm/gpus.hpp"
#include "comm/mpi_communicator.hpp"
#include "comm/world.hpp"
#include "kernels/device/session.hpp"
#include "train/steps.hpp"

namespace msn {

/// Device, communicators and form of the steps, for the length of a life. All ranks make one alike.
///
/// With MSN_TEST_AS_ON_GPU=torch or =kokkos in the environment, steps in host memory go as on a GPU: in that form of
/// the kernels, begun before earlier ones are finished. For tests.
class Placement {
 public:
  /// `gpu`: this rank's, current in this thread; nullopt: processors. Connects the ranks. Throws AgreedError. `world`
  /// must outlive it.
  Placement(const World& world, const std::optional<Gpu>& gpu);
  ~Placement();

  c10::Device device() const { return device_; }
  bool on_gpu() const { return !device_.is_cpu(); }
  const Gpu* gpu() const { return gpu_ ? &*gpu_ : nullptr; }
  /// What computes the steps, as StepSurroundings::device: "NVIDIA H100 80GB HBM3, kernels by ..."; empty: processors.
  std::string name() const;
  /// For people: name() or "cpu", and how tensors travel.
  std::string description() const;

  /// On a GPU: products in the configured precision, and the back ends of attention, tried, of which it logs. All ranks
  /// call, with equal configurations.
  void set_up(const World& world, const Config& config) const;

  /// Of tensors in host memory.
  MpiCommunicator& of_host() { return of_host_; }
  /// Of tensors where the state is.
  Communicator& of_state() { return of_device_ ? *of_device_ : of_host_; }

  /// Steps that may be under way beside the one that is asked for.
  std::size_t run_ahead(const Config& config) const;
  /// Those of this place. Throws config_error.
  std::unique_ptr<Steps> make_steps(const StepsOf& of) const;

  /// The good end, before the end of MPI, when no steps are left: NCCL waits for their graphs to be gone. All ranks
  /// call.
  void shutdown();

 private:
  std::optional<Gpu> gpu_;
  c10::Device device_;
  bool as_on_gpu_ = false;
  std::unique_ptr<kernels::device::KokkosSession> kokkos_;
  MpiCommunicator of_host_;
  std::unique_ptr<Communicator> of_device_;
};

}  // namespace msn
