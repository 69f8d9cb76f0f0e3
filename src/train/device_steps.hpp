// SPDX-License-Identifier: Apache-2.0
// Steps that a device computes while its host prepares the next ones.
#pragma once

#include <memory>

#include "train/steps.hpp"

namespace msn {

struct DeviceStepsOptions {
  std::size_t run_ahead = 2;  ///< Steps that may be under way beside the one that finish() is asked for.
  bool graph = true;          ///< After the first few, steps are launched as one captured graph, to the same bits.
};

/// Steps where the state is, of which the host waits for none but the oldest, in finish(). A step whose numbers are not
/// finite changes nothing, nor do those begun after it: finish() then runs it again alone, so that its gradients are
/// there to be looked at, and keeps the batches of the others for the steps to come. Also of a state in host memory,
/// where nothing runs beside the host: so it is tested where there is no GPU. What is referred to must outlive them.
/// Throws config_error if the prior's file is refused.
std::unique_ptr<Steps> make_device_steps(const StepsOf& of, const DeviceStepsOptions& options);

}  // namespace msn
