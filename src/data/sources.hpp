// SPDX-License-Identifier: Apache-2.0
// What msn pack is to pack: a list of images, known by name before any is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/synthetic.hpp"

namespace msn {

/// Where class labels come from. `automatic`: folders if the input has class folders, otherwise none.
enum class Labels { automatic, folders, none };

struct SourceItem {
  std::string name;  ///< Path below its input, with forward slashes.
  std::int32_t label = -1;
  std::uint64_t size = 0;      ///< Bytes; an estimate for generated pictures.
  std::int64_t modified = 0;   ///< Time stamp of the file, nanoseconds.
  std::filesystem::path file;  ///< Empty: picture `index` of generator `generator`.
  std::size_t generator = 0;
  std::uint64_t index = 0;
};

struct Sources {
  std::vector<SourceItem> items;
  std::vector<std::string> classes;  ///< Sorted; empty without labels.
  std::vector<SyntheticSpec> generators;
  std::uint64_t ignored = 0;  ///< Files that are no images by name or content.
};

/// Lists all inputs (folders and generators), each in the order of its names. In a folder a file counts if it ends in
/// .jpg, .jpeg or .png (any case) or starts as a JPEG or PNG does; names that start with a dot are passed over; links
/// are followed. With labels the class is the first folder below the input. Throws data_error if an input is missing,
/// holds no image, has files beside its class folders, or names that are not UTF-8.
Sources list_sources(const std::vector<std::string>& inputs, Labels labels);

/// Names go into JSON and HDF5 as UTF-8.
bool is_utf8(const std::string& name);

/// The encoded bytes of one image. Throws data_error if the file cannot be read.
std::vector<std::byte> fetch(const Sources& sources, const SourceItem& item);

}  // namespace msn
