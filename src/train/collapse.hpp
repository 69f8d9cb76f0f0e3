// SPDX-License-Identifier: Apache-2.0
// When the numbers of a run say that its network gives all images one answer (docs/guide.md, "Collapse").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace msn {

/// Of a step, or means over several; as in metrics.jsonl.
struct CollapseNumbers {
  double prototypes_used = 0;
  double mean_entropy = 0;  ///< Nats.
  double max_target = 0;
  std::optional<double> feature_rank = {};
};

/// What is below these has no business to be there in a run that learns. 0: no number says collapse.
struct CollapseLimits {
  int prototypes = 0;  ///< There are,
  int width = 0;       ///< and numbers in an embedding; for messages.
  double prototypes_used = 0;
  double mean_entropy = 0;
  double max_target = 0;
  double feature_rank = 0;

  /// With K prototypes, worth as many as an even prior of the prior's entropy has: 5 % of these or of the images of a
  /// step for prototypes_used and exp(mean_entropy), 1.5 / K for max_target, 2 % of the width for feature_rank, and
  /// never less than 1.5 where something is counted. Numbers that cannot tell, of fewer than 4 prototypes (max_target 8)
  /// or images, have no limit. Throws config_error as log_prior().
  static CollapseLimits of(const Config& config);
};

/// A number that says collapse.
struct CollapseSign {
  std::string name;  ///< As in metrics.jsonl.
  std::string text;  ///< For people: "targets choose 1.0 of 64 prototypes in a step".
};

std::vector<CollapseSign> collapse_signs(const CollapseNumbers& numbers, const CollapseLimits& limits);

/// One line of all.
std::string to_text(const std::vector<CollapseSign>& signs);

/// Judges stretches of steps, by their means and their newest rank.
class CollapseWatch {
 public:
  static constexpr int kSteps = 50;  ///< Of a stretch.

  explicit CollapseWatch(const CollapseLimits& limits) : limits_(limits) {}

  struct Verdict {
    std::vector<CollapseSign> signs;  ///< Of the stretch that has ended; empty: none.
    bool is_new = false;              ///< It has signs, and the one before had none.
    bool is_over = false;             ///< The other way round.
  };
  /// A step is over. nullopt in the midst of a stretch.
  std::optional<Verdict> add(const CollapseNumbers& numbers);

 private:
  const CollapseLimits limits_;
  CollapseNumbers sums_;
  int steps_ = 0;
  bool collapsed_ = false;
};

}  // namespace msn
