// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "comm/gpus.hpp"
#include "comm/world.hpp"

namespace msn {

/// Adds --device auto|cpu|cuda.
void add_device_option(CLI::App& app, std::string& device);

/// Binds this rank to its GPU, as --device wishes, and returns it; nullopt: processors compute. `auto` takes GPUs if
/// every rank sees one; a warning says so if only some do. Throws an agreed config_error if GPUs are wanted and a rank
/// gets none. All ranks call, before anything else uses CUDA.
std::optional<Gpu> bind_device(const World& world, const std::string& device);

}  // namespace msn
