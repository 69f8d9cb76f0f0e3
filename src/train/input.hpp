// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "data/batch.hpp"
#include "data/training_data.hpp"
#include "data/views.hpp"

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

/// This rank's batches from step `first_step` on, for steps on `device`: there, as runtime.views_on says, workers make
/// the views or leave them to the device. `input` must outlive them. All ranks call. Throws config_error as
/// views_made().
std::unique_ptr<BatchSource> make_batches(const TrainingInput& input, const Config& config, const World& world,
                                          std::uint64_t first_step, c10::Device device = c10::kCPU);

/// Of each data set, for DeviceViews.
std::vector<Normaliser> normalisers(const TrainingInput& input);

}  // namespace msn
