// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "comm/world.hpp"

namespace msn {

/// NCCL between the ranks' current GPUs (bind_gpu), all different. Throws usage_error on all ranks in a build without
/// CUDA. `world` must outlive it. All ranks call.
std::unique_ptr<Communicator> make_device_communicator(const World& world);

/// For people, for instance "NCCL 2.28.9"; empty in a build without CUDA.
std::string device_communicator_name();

}  // namespace msn
