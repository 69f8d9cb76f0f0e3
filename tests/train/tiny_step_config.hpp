// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/config.hpp"

namespace msn::test {

/// A network and views so small that a step takes milliseconds, with a warm-up of a hundred steps if an epoch has ten.
inline Config tiny_step_config(int global_batch) {
  Config config;
  config.views.random_size = 16;
  config.views.focal_size = 8;
  config.views.focal = 2;
  config.views.mask_ratio = 0.3;
  config.model.arch = "custom";
  config.model.width = 32;
  config.model.depth = 2;
  config.model.heads = 2;
  config.model.patch_size = 4;
  config.model.image_size = 16;
  config.model.head_hidden = 48;
  config.model.head_out = 16;
  config.model.prototypes = 12;
  config.train.global_batch = global_batch;
  config.train.epochs = 50;
  config.optim.warmup_epochs = 10;
  return config;
}

}  // namespace msn::test
