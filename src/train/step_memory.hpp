// SPDX-License-Identifier: Apache-2.0
// The tensors of a step with their sizes in place of their values.
#pragma once

#include <cstdint>
#include <vector>

#include "model/gemm_table.hpp"
#include "model/kernel_form.hpp"
#include "model/recompute.hpp"
#include "model/vit.hpp"
#include "train/memory_ledger.hpp"

namespace msn {

/// A ViewGroup's sizes.
struct GroupSizes {
  std::int64_t images = 0;
  std::int64_t tokens = 0;  ///< Of a view, the class token included.
  std::int64_t grid = 0;    ///< Patches a side before masking.
  std::int64_t masks = 0;   ///< Of how many images a mask is known: 0, 1 for all, or every one's.
  bool drops_paths = false;
};

/// What a step's memory depends on.
struct StepSizes {
  VitShape shape;
  std::int64_t prototypes = 0;
  GroupSizes target, random, focal;  ///< Of the rank's whole batch; a group without images is left out.
  std::int64_t parts = 1;            ///< That the rank's images go through the trunk in.
  std::int64_t value_bytes = 4;      ///< Of an activation of the trunk.
  std::int64_t parameter_bytes = 4;  ///< Of a weight, a statistic, and everything in head and loss.
  Recompute recompute = Recompute::norms_and_activations;
  int sinkhorn = 0;
  int ranks = 1;
  KernelForm form = KernelForm::rows;
  GemmTable gemm;                ///< Of the form `rows`.
  bool plain_attention = false;  ///< Of the other forms: by products and a softmax.
  bool copies_batch = true;      ///< The patches are a copy in the trunk's type or on a device; else the loader's own.
};

/// Goes through the state's making and a step (train/step.cpp, model/trunk.cpp, model/head.cpp,
/// objective/msn_loss.cpp), line by line, and holds in `ledger` what they hold, as long as they do. What changes there
/// changes here: tests/train/memory_plan_test.cpp compares both.
void go_through_step(const StepSizes& sizes, MemoryLedger& ledger);

}  // namespace msn
