// SPDX-License-Identifier: Apache-2.0
// Where the datasets of a plain HDF5 file lie, read without the HDF5 library.
//
// The library takes a file's word for how much memory its structures need and where they are: a file that is damaged in
// the wrong place, or made to do harm, fills or ends the process before any check of ours. Files that come from
// elsewhere are read by this instead. It knows the few structures that a shard or a file of a checkpoint is made of (superblock 0, groups as
// symbol tables, contiguous datasets of little-endian numbers and fixed-length text), compares every place and length
// with the file before it uses them, and refuses everything else: links, filters, chunks, external and virtual storage,
// shared messages, a user block. It never takes more memory than a few times the size of the file.
// Numbers and names of the structures: HDF5 File Format Specification, version 3.0.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/files.hpp"

namespace msn::h5 {

enum class ElementKind { signed_integer, unsigned_integer, real, text };

/// A dataset whose bytes [file_offset, file_offset + elements * element_size) lie in the file.
struct PlainDataset {
  ElementKind kind = ElementKind::unsigned_integer;
  std::uint64_t element_size = 0;    ///< Bytes: 1, 2, 4 or 8 of an integer, 4 or 8 of a real, any of a text.
  std::vector<std::uint64_t> shape;  ///< Empty for a single value.
  std::uint64_t elements = 0;
  std::uint64_t file_offset = 0;
};

struct PlainFile {
  std::map<std::string, PlainDataset> datasets;    ///< By path, such as "left_out/name".
  std::map<std::string, std::int64_t> attributes;  ///< Of the root group: those that are single integers.
};

/// The structure of the whole file. Throws data_error for what is damaged, truncated or not plain.
PlainFile read_plain_file(const FileHandle& file);

/// The values of a one-dimensional dataset of exactly this type. Throws data_error.
template <std::integral T>
std::vector<T> read_plain(const FileHandle& file, const PlainFile& index, const std::string& dataset);

/// The texts of a one-dimensional dataset, without the zeros at their ends. Throws data_error.
std::vector<std::string> read_plain_text(const FileHandle& file, const PlainFile& index, const std::string& dataset);

}  // namespace msn::h5
