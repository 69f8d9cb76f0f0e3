// SPDX-License-Identifier: Apache-2.0
// Memory of the host that a GPU copies from by itself, while the host goes on.
#pragma once

#include <c10/core/Device.h>

#include <memory_resource>

namespace msn {

/// For batches that go to that device: LibTorch's pinned memory if it is a GPU, else plain memory. Any thread may call
/// it; it lives as long as the process.
std::pmr::memory_resource* host_memory_for(c10::Device device);

}  // namespace msn
