// SPDX-License-Identifier: Apache-2.0
// Small labelled parts of a data set, for evaluation with few labels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/label_list.hpp"
#include "data/sample_names.hpp"

namespace msn {

/// Draws `per_class` (at least 1) images of every class. Which they are is a pure function of the images' order in the
/// data set, the class's name and the seed; with one seed a smaller draw is a part of every larger one. In data-set
/// order. Throws data_error, naming the class, if one has fewer images, if there are no labels, or if a drawn image
/// shares its name with another, so that a list could not tell them apart.
LabelList draw_subset(const DataSet& set, std::uint64_t per_class, std::uint64_t seed);

/// The images that `wanted` names (see NameIndex::find), with their classes, in data-set order. Throws data_error, with
/// `where` and the line, if a name is unknown or fits more than one image, if a class that the list gives is not the
/// image's, if an image has no label or is named twice.
LabelList pick_subset(const DataSet& set, const LabelList& wanted, const std::string& where);

/// Sample numbers of a list's images in `set`, rising; `names` are the set's. Throws data_error as pick_subset does.
std::vector<std::uint64_t> samples_of_list(const DataSet& set, const NameIndex& names, const LabelList& list,
                                           const std::string& where);

}  // namespace msn
