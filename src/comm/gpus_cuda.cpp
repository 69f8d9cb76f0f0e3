// SPDX-License-Identifier: Apache-2.0
// For builds with CUDA.
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <cstdlib>

#include "base/error.hpp"
#include "comm/cuda_check.hpp"
#include "comm/gpus.hpp"

namespace msn {

void check_cuda(cudaError_t code, const char* call, const char* file, int line) {
  if (code == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // Or a later check of someone else's would find it.
  throw internal_error("CUDA failed: " + std::string(cudaGetErrorString(code)),
                       std::string(call) + " at " + file + ":" + std::to_string(line));
}

namespace {

/// 13000 -> "13.0"
std::string cuda_version(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// 22809 -> "2.28.9"
std::string nccl_version(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." +
         std::to_string(version % 100);
}

int driver_version() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

std::string why_none(cudaError_t code) {
  const int driver = driver_version();
  if (driver == 0) return "there is no NVIDIA driver (libcuda.so.1)";
  if (code == cudaErrorInsufficientDriver) {
    return "the NVIDIA driver is for CUDA " + cuda_version(driver) + ", msn was built for " +
           cuda_version(CUDART_VERSION);
  }
  if (const char* chosen = std::getenv("CUDA_VISIBLE_DEVICES")) {
    return "the NVIDIA driver shows none with CUDA_VISIBLE_DEVICES=\"" + one_line(chosen) + "\"";
  }
  return code == cudaErrorNoDevice ? "the NVIDIA driver shows none"
                                   : "CUDA says \"" + std::string(cudaGetErrorString(code)) + "\"";
}

}  // namespace

VisibleGpus visible_gpus() {
  VisibleGpus visible;
  visible.built_with_cuda = true;
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess || count == 0) {
    static_cast<void>(cudaGetLastError());
    visible.why_none = why_none(code);
    return visible;
  }
  for (int number = 0; number < count; ++number) {
    cudaDeviceProp properties{};
    MSN_CHECK_CUDA(cudaGetDeviceProperties(&properties, number));
    char pci[32] = "";
    MSN_CHECK_CUDA(cudaDeviceGetPCIBusId(pci, sizeof pci, number));
    visible.gpus.push_back({properties.name, pci, properties.major});
  }
  return visible;
}

void use_gpu(int number) {
  MSN_CHECK_CUDA(cudaSetDevice(number));
}

GpuMemory gpu_memory() {
  std::size_t free = 0, total = 0;
  MSN_CHECK_CUDA(cudaMemGetInfo(&free, &total));
  return {total, free};
}

std::vector<std::pair<std::string, std::string>> gpu_library_versions() {
  int runtime = 0, nccl = 0;
  const bool has_runtime = cudaRuntimeGetVersion(&runtime) == cudaSuccess;
  const bool has_nccl = ncclGetVersion(&nccl) == ncclSuccess;
  const int driver = driver_version();
  return {{"CUDA", has_runtime ? cuda_version(runtime) : "unknown"},
          {"NVIDIA driver", driver == 0 ? "none" : "for CUDA " + cuda_version(driver)},
          {"NCCL", has_nccl ? nccl_version(nccl) : "unknown"}};
}

}  // namespace msn
