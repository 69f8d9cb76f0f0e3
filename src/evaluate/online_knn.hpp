// SPDX-License-Identifier: Apache-2.0
// k-NN accuracy of a run's target network while it is trained ([evaluate] of the configuration).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "evaluate/task.hpp"
#include "train/evaluation.hpp"

namespace msn {

class OnlineKnn {
 public:
  /// Opens the data sets. All ranks call; both must outlive it. Throws AgreedError
  /// as open_task() does, and (configuration) if evaluate.k is larger than the number of train images.
  OnlineKnn(const World& world, const Config& config);

  /// For the log: when it measures what, and at which cost.
  const std::string& description() const { return description_; }

  /// Measures the target network by its class token after the final norm, in float32 (float64 where the run is trained
  /// in it) on processors. An image that cannot be read is warned of once and left out. All ranks call.
  Evaluation operator()(const TrainState& state, Sections& sections);

 private:
  struct Rows {
    at::Tensor features;  ///< [images that could be read, width]
    std::vector<std::int32_t> labels;
  };
  Rows rows_of(const LabelledImages& images, const FeatureMaker& maker, Sections& sections);

  const World& world_;
  const Config& config_;
  ClassificationTask task_;
  std::string description_;
  std::set<std::string> told_;  ///< Images that were warned of.
};

}  // namespace msn
