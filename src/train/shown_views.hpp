// SPDX-License-Identifier: Apache-2.0
// What training makes of single images, for people to look at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/contact_sheet.hpp"
#include "data/dataset.hpp"
#include "data/training_data.hpp"
#include "data/view_parameters.hpp"

namespace msn {

struct ShownView {
  std::string name;  ///< "target", "random 1", "focal 1".
  ViewParameters parameters;
  Planes pixels;                   ///< Before normalisation.
  std::vector<std::int64_t> kept;  ///< Patches that the network sees, row by row.
  std::int64_t patches = 0;        ///< All of the view.
};

/// One image of a step with all its views.
struct ShownSample {
  std::uint64_t step = 0;
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;  ///< In the epoch.
  std::uint64_t sample = 0;    ///< In its data set.
  std::string data_set;        ///< Name of the set; empty if the run has one only.
  std::string name;
  Image image;
  std::vector<ShownView> views;
};

/// The data sets of a run, with their names and labels.
struct ShownData {
  TrainingData training;
  std::vector<DataSet> sets;
};

/// Throws data_error and config_error as open_training_data does.
ShownData open_shown_data(const Config& config);

/// Image `index` of step `step`, views and masks as the training of `config` on `data` makes them, at any number of
/// ranks. Throws data_error for a damaged image, in whose place training would take another.
ShownSample show_sample(const ShownData& data, const Config& config, std::uint64_t step, std::uint64_t index);

/// "brightness" and so on.
const char* operation_name(ColourOperation operation);

/// "crop 300x280 at 12,40  flip  brightness 0.83  ...": what was drawn, in the order in which it is applied.
std::string describe_view(const ShownView& view);
/// "sample 7 cat/1.jpg  500x375  step 0  epoch 0  position 3".
std::string describe_sample(const ShownSample& sample);

/// The row of a contact sheet. What the network does not see of a view is veiled. Views are enlarged by a whole factor
/// so that the target view has about 128 pixels a side at least.
SheetRow sheet_row(const ShownSample& sample, const Config& config);

}  // namespace msn
