// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "data/batch.hpp"
#include "data/training_data.hpp"

namespace msn {

/// What a run trains on.
struct TrainingInput {
  std::optional<TrainingData> data;  ///< Empty: made-up numbers.
  std::string fingerprint;
  std::uint64_t images = 0;        ///< Of all data sets.
  std::uint64_t epoch_images = 0;  ///< Draws of an epoch.
};

/// Images of an epoch where there is no data set: data.epoch_images, or as many as ImageNet-1k has.
std::uint64_t synthetic_images(const Config& config);

/// Opens the data sets as open_data does, or none for data.input = "synthetic". All ranks call.
TrainingInput open_input(const World& world, const Config& config, std::uint64_t other_bytes);

/// This rank's batches from step `first_step` on. `input` must outlive them. All ranks call.
std::unique_ptr<BatchSource> make_batches(const TrainingInput& input, const Config& config, const World& world,
                                          std::uint64_t first_step);

}  // namespace msn
