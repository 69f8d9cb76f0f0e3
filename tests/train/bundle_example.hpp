// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>

#include "train/bundle.hpp"

namespace msn::test {

/// Of a step of two ranks, on each of which two images came; rank 1's loss is not a number.
inline StepBundle example_bundle() {
  StepBundle bundle;
  bundle.step = 124;
  bundle.epoch = 3;
  bundle.position = 12;
  bundle.seed = 7;
  bundle.global_batch = 4;
  bundle.surroundings = {2, 1, "0.1.0", "2.11.0", "AVX2", "AMD, AVX2", "onednn", ""};
  bundle.config_digest = "d1";
  bundle.data_fingerprint = "f1";
  bundle.checkpoint = 120;
  bundle.grad_norm = std::numeric_limits<double>::quiet_NaN();
  bundle.tensors = {{"cls_token", 16}, {"prototypes", 1}};
  bundle.ranks = {{"n01", {}, {5, 9}, {"sample 5", "sample 9"}}, {"n02", {}, {0, 3}, {"sample 0", "sample 3"}}};
  bundle.ranks[0].parts.loss = 0.1 + 0.2;  // Needs all 17 digits.
  bundle.ranks[0].parts.max_target = 1;
  bundle.ranks[1].parts.loss = std::numeric_limits<double>::quiet_NaN();
  bundle.ranks[1].parts.me_max = std::numeric_limits<double>::infinity();
  bundle.ranks[1].parts.entropy = -std::numeric_limits<double>::infinity();
  return bundle;
}

}  // namespace msn::test
