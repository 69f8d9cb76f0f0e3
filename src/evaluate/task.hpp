// SPDX-License-Identifier: Apache-2.0
// What is to be classified: labelled training images, in one split or several, and labelled test images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "comm/world.hpp"
#include "data/dataset.hpp"
#include "evaluate/features.hpp"
#include "evaluate/labelled_samples.hpp"

namespace msn {

/// Images of a data set with their classes: samples rising, labels in [0, classes).
struct LabelledImages : LabelledSamples {
  std::unique_ptr<DataSet> set;

  /// Valid as long as this stays where it is.
  ImageSource images() const { return images_of(*set, samples); }
};

/// The training images that one classifier may use.
struct Split {
  std::string name;                ///< The label list's file; empty: all training images.
  std::vector<std::int64_t> rows;  ///< Indices into ClassificationTask::train, rising.

  /// Its rows of features of ClassificationTask::train; of all of them `features` itself.
  at::Tensor rows_of(const at::Tensor& features) const;
};

struct ClassificationTask {
  std::vector<std::string> classes;
  LabelledImages train;  ///< Those of any split.
  LabelledImages test;
  std::vector<Split> splits;  ///< At least one. Each has an image of every class.

  /// Labels of a split's rows.
  std::vector<std::int32_t> labels_of(const Split& split) const;
  /// A split's images in train.set, with their labels.
  LabelledSamples samples_of(const Split& split) const;
};

struct TaskOptions {
  std::filesystem::path train, test;                ///< Packed data sets with labels and the same classes.
  std::uint64_t train_stride = 1, test_stride = 1;  ///< Every n-th sample.
  std::vector<std::filesystem::path> label_lists;   ///< A split each, instead of all training images.
};

/// All ranks call. Throws AgreedError (data): a data set without labels or images, data sets with different classes, an
/// image without a label, a class without training images (in any of the splits), a label list that is not one or names
/// images that the data set does not have.
ClassificationTask open_task(const World& world, const TaskOptions& options);

}  // namespace msn
