// SPDX-License-Identifier: Apache-2.0
// What msn pack is going to write, and what is there from an earlier run.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/pack.hpp"

namespace msn {

struct PlannedShard {
  std::string file;         ///< Plain name in the output folder.
  std::uint64_t begin = 0;  ///< Its images are sources.items[begin .. end).
  std::uint64_t end = 0;
  std::string digest;  ///< Of the names, labels, sizes and time stamps of the images.
};

struct PackPlan {
  Sources sources;
  std::vector<PlannedShard> shards;

  std::span<const SourceItem> items(const PlannedShard& shard) const {
    return std::span(sources.items).subspan(shard.begin, shard.end - shard.begin);
  }
};

/// Lists the sources and cuts them into shards. Throws as list_sources, and usage_error for more shards than images.
PackPlan make_plan(const PackOptions& options);

/// The plan for the other ranks: shards without digests, sources without what only reports need.
std::string to_bytes(const PackPlan& plan);
PackPlan plan_from_bytes(std::string_view bytes);

/// How a folder is packed: which sources each shard is made from, and how. Kept beside the shards as pack.json, so that
/// a later run knows what is still true; the shards themselves hold no time stamps.
nlohmann::json record_of(const PackPlan& plan, const PackOptions& options);
/// The record of an earlier run, or null.
nlohmann::json read_record(const std::filesystem::path& folder);

/// Makes the output folder ready: keeps complete shards that the new plan makes again the same, removes the others of
/// the same name, writes pack.json. Throws data_error for a folder that holds anything else.
void prepare_folder(const std::filesystem::path& folder, const PackPlan& plan, const nlohmann::json& old_record,
                    const nlohmann::json& new_record);

/// After an error: a folder in which no shard was finished is emptied, and deleted if that is all there was.
void clean_folder(const std::filesystem::path& folder, const PackPlan& plan);

/// The last part of the output path, which also begins the names of the shards.
std::string set_name_of(const std::filesystem::path& output);

/// Where all duplicates are listed, one "NAME,FIRST" a line.
inline constexpr char duplicates_file[] = "duplicates.csv";

}  // namespace msn
