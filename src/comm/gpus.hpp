// SPDX-License-Identifier: Apache-2.0
// The GPUs of this machine. Without CUDA (preset release) the same functions say so.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace msn {

struct Gpu {
  std::string name;            ///< "NVIDIA H100 80GB HBM3"
  std::string pci;             ///< "0000:65:00.0", the same in every process of a machine.
  int compute_capability = 0;  ///< Its major number: 8 is Ampere, 9 Hopper.
};

struct VisibleGpus {
  bool built_with_cuda = false;
  std::vector<Gpu> gpus;  ///< In the order of CUDA's numbers, which CUDA_VISIBLE_DEVICES and the scheduler choose.
  std::string why_none;   ///< If there are none.
};

/// What this process may use. Makes no CUDA context, so that it costs no memory on any of them.
VisibleGpus visible_gpus();

/// Makes GPU `number` the current one of the calling thread. To be called before anything else uses CUDA: otherwise
/// every rank of a host makes a context on the first GPU.
void use_gpu(int number);

/// In bytes.
struct GpuMemory {
  std::uint64_t total = 0;
  std::uint64_t free = 0;  ///< Of all processes' claims; its own context and what it has allocated are claims too.
};
/// Of the calling thread's current GPU. Makes its context, so call use_gpu() first.
GpuMemory gpu_memory();

/// Rows for `msn --version`: the CUDA runtime, the driver and the NCCL that this process has loaded.
std::vector<std::pair<std::string, std::string>> gpu_library_versions();

}  // namespace msn
