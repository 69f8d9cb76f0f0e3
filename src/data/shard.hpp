// SPDX-License-Identifier: Apache-2.0
// A shard: one HDF5 file with many encoded images (docs/formats.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "base/plain_hdf5.hpp"

namespace msn {

/// Bits of `flags`.
enum ShardFlag : std::uint8_t {
  flag_png = 1,          ///< PNG, otherwise JPEG.
  flag_gray = 2,         ///< Grey (one channel, or grey and alpha).
  flag_cmyk = 4,         ///< A JPEG of four inks.
  flag_oriented = 8,     ///< The EXIF orientation is given and not 1; pixels are used as they are stored.
  flag_transcoded = 16,  ///< Encoded anew by msn pack.
};

/// One image on its way into a shard.
struct ShardItem {
  std::vector<std::byte> bytes;  ///< The file as it was.
  std::int32_t label = -1;       ///< -1: none.
  std::uint16_t width = 0;
  std::uint16_t height = 0;
  std::uint8_t flags = 0;
  std::string name;
};

/// An image file that was left out, and why.
struct BadImage {
  std::string name;
  std::string reason;
};

/// Writes a shard: beside as FILE.partial, whole, fsynced, attribute complete = 1 last, then renamed. Nothing stays
/// behind if it throws. Equal content gives equal files.
void write_shard(const std::filesystem::path& file, const std::vector<ShardItem>& items,
                 const std::vector<BadImage>& left_out);

/// A shard open for reading. Reads are thread-safe. Nothing here passes through the HDF5 library: a shard may come from
/// anywhere, and the library is no match for a file made to do harm (base/plain_hdf5.hpp).
class Shard {
 public:
  /// Reads the index and checks it against the file: structure, complete, types, counts, offsets. Throws data_error.
  explicit Shard(const std::filesystem::path& file);

  std::size_t count() const { return label_.size(); }
  const std::filesystem::path& path() const { return handle_.path(); }
  /// The encoded bytes of one image; throws data_error if their checksum is wrong.
  std::vector<std::byte> read(std::size_t index) const;
  /// Where the encoded bytes of one image begin in the file, for callers that read them themselves.
  std::uint64_t position_of(std::size_t index) const { return start_ + offset_[index]; }
  std::size_t size_of(std::size_t index) const { return offset_[index + 1] - offset_[index]; }
  std::int32_t label(std::size_t index) const { return label_[index]; }
  int width(std::size_t index) const { return width_[index]; }
  int height(std::size_t index) const { return height_[index]; }
  std::uint8_t flags(std::size_t index) const { return flags_[index]; }
  std::uint32_t checksum(std::size_t index) const { return checksum_[index]; }

  /// Names of all images, read from the file anew: they are needed for messages and reports only. Throws data_error.
  std::vector<std::string> names() const;
  /// Images that were left out when the shard was written. Throws data_error.
  std::vector<BadImage> left_out() const;

 private:
  FileHandle handle_;
  h5::PlainFile index_;
  std::uint64_t start_ = 0;  ///< First byte of `bytes` in the file.
  std::vector<std::uint64_t> offset_;
  std::vector<std::uint32_t> checksum_;
  std::vector<std::int32_t> label_;
  std::vector<std::uint16_t> width_;
  std::vector<std::uint16_t> height_;
  std::vector<std::uint8_t> flags_;
};

}  // namespace msn
