// SPDX-License-Identifier: Apache-2.0
// The packed data sets that a run trains on, open.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/byte_cache.hpp"
#include "data/mixture.hpp"
#include "data/sample_store.hpp"

namespace msn {

struct TrainingSet {
  std::unique_ptr<SampleStore> store;
  std::unique_ptr<ByteCache> cache;  ///< Null: bytes are read each time.
  ViewsConfig views;                 ///< With this set's mean and standard deviation.
};

struct TrainingData {
  std::vector<TrainingSet> sets;
  Mixture mixture;
};

/// Opens the data sets of `config`: reads each dataset.json and nothing else. Throws data_error if a set is none or all
/// hold fewer images than a global batch, config_error as Mixture.
TrainingData open_training_data(const Config& config);

/// Of one set its fingerprint, of several all of them in order, joined by '+'.
std::string fingerprint(const TrainingData& data);

/// Images of all sets.
std::uint64_t image_count(const TrainingData& data);

/// Bytes of all shards' files: a little more than the encoded images.
std::uint64_t shard_bytes(const TrainingData& data);

}  // namespace msn
