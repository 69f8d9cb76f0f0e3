// SPDX-License-Identifier: Apache-2.0
#include "data/shard.hpp"

#include <fcntl.h>

#include <system_error>

#include "base/crc32c.hpp"
#include "base/error.hpp"
#include "base/hdf5.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t format_version = 1;
constexpr char remedy[] = "delete the shard and run msn pack again, or copy it again";

/// The columns of the index, as they are stored.
struct Columns {
  std::vector<std::uint64_t> offset{0};
  std::vector<std::uint32_t> checksum;
  std::vector<std::int32_t> label;
  std::vector<std::uint16_t> width, height;
  std::vector<std::uint8_t> flags;
  std::vector<std::string> name;
};

Columns columns_of(const std::vector<ShardItem>& items) {
  Columns columns;
  for (const ShardItem& item : items) {
    columns.offset.push_back(columns.offset.back() + item.bytes.size());
    columns.checksum.push_back(crc32c(item.bytes));
    columns.label.push_back(item.label);
    columns.width.push_back(item.width);
    columns.height.push_back(item.height);
    columns.flags.push_back(item.flags);
    columns.name.push_back(item.name);
  }
  return columns;
}

void write_partial(const fs::path& file, const std::vector<ShardItem>& items, const std::vector<BadImage>& left_out) {
  const Columns columns = columns_of(items);
  std::uint64_t start = 0;
  {
    h5::File out(file, h5::Mode::create);
    start = out.create("bytes", H5T_NATIVE_UINT8, {columns.offset.back()});
    const std::vector<std::uint64_t> shape{items.size()};
    out.write<std::uint64_t>("offset", columns.offset, {items.size() + 1});
    out.write<std::uint32_t>("crc32c", columns.checksum, shape);
    out.write<std::int32_t>("label", columns.label, shape);
    out.write<std::uint16_t>("width", columns.width, shape);
    out.write<std::uint16_t>("height", columns.height, shape);
    out.write<std::uint8_t>("flags", columns.flags, shape);
    out.write_strings("name", columns.name);
    if (!left_out.empty()) {
      std::vector<std::string> names, reasons;
      for (const BadImage& bad : left_out) {
        names.push_back(bad.name);
        reasons.push_back(bad.reason);
      }
      out.write_strings("left_out/name", names);
      out.write_strings("left_out/reason", reasons);
    }
    out.set_int_attribute("/", "format_version", format_version);
    out.close();
  }
  {
    const FileHandle handle(file, O_WRONLY);
    for (std::size_t i = 0; i < items.size(); ++i)
      handle.write_at(items[i].bytes, start + columns.offset[i]);
    handle.sync();
  }
  h5::File out(file, h5::Mode::edit);
  out.set_int_attribute("/", "complete", 1);
  out.close();
  sync_path(file);
}

template <class T>
std::vector<T> read_column(const h5::File& file, const std::string& name, std::size_t count) {
  std::vector<T> values = file.read<T>(name);
  if (values.size() != count) {
    throw data_error("the dataset has " + std::to_string(values.size()) + " entries, not " + std::to_string(count),
                     file.path().string() + ":" + name, remedy);
  }
  return values;
}

}  // namespace

void write_shard(const fs::path& file, const std::vector<ShardItem>& items, const std::vector<BadImage>& left_out) {
  MSN_CHECK(!items.empty());
  fs::path partial = file;
  partial += ".partial";
  try {
    write_partial(partial, items, left_out);
    rename_durably(partial, file);
  } catch (...) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw;
  }
}

Shard::Shard(const fs::path& path) : handle_(path, O_RDONLY | O_NOFOLLOW) {
  const h5::File file(path, h5::Mode::read);
  if (!file.has_attribute("/", "complete") || file.int_attribute("/", "complete") != 1) {
    throw data_error("the shard is not complete: packing was interrupted", path.string(), remedy);
  }
  if (const std::int64_t version = file.int_attribute("/", "format_version"); version != format_version) {
    throw data_error("a shard of format version " + std::to_string(version) + ", this msn reads version " +
                         std::to_string(format_version),
                     path.string(), "pack the images again");
  }
  label_ = file.read<std::int32_t>("label");
  const std::size_t count = label_.size();
  offset_ = read_column<std::uint64_t>(file, "offset", count + 1);
  checksum_ = read_column<std::uint32_t>(file, "crc32c", count);
  width_ = read_column<std::uint16_t>(file, "width", count);
  height_ = read_column<std::uint16_t>(file, "height", count);
  flags_ = read_column<std::uint8_t>(file, "flags", count);

  const h5::DatasetFacts bytes = file.facts("bytes");
  if (!bytes.is_contiguous || bytes.element_size != 1 || bytes.is_float) {
    throw data_error("the dataset is not contiguous bytes", path.string() + ":bytes", remedy);
  }
  start_ = bytes.file_offset;
  const std::uint64_t file_size = handle_.size();
  if (start_ > file_size || bytes.elements > file_size - start_) {
    throw data_error("the shard is truncated: " + std::to_string(bytes.elements) + " bytes of images from byte " +
                         std::to_string(start_) + " in a file of " + std::to_string(file_size),
                     path.string(), remedy);
  }
  bool rising = offset_.front() == 0 && offset_.back() == bytes.elements;
  for (std::size_t i = 0; i < count; ++i)
    rising = rising && offset_[i] < offset_[i + 1];
  if (!rising) throw data_error("the offsets do not rise from 0 to the end", path.string() + ":offset", remedy);
}

std::vector<std::byte> Shard::read(std::size_t index) const {
  MSN_CHECK(index < count());
  std::vector<std::byte> bytes(size_of(index));
  handle_.read_at(bytes, start_ + offset_[index]);
  if (crc32c(bytes) != checksum_[index]) {
    throw data_error("image " + std::to_string(index) + " of the shard is damaged: its checksum is wrong",
                     path().string(), remedy);
  }
  return bytes;
}

std::vector<std::string> Shard::names() const {
  return h5::File(path(), h5::Mode::read).read_strings("name");
}

std::vector<BadImage> Shard::left_out() const {
  const h5::File file(path(), h5::Mode::read);
  std::vector<BadImage> out;
  if (!file.exists("left_out/name")) return out;
  const auto names = file.read_strings("left_out/name");
  const auto reasons = file.read_strings("left_out/reason");
  for (std::size_t i = 0; i < names.size() && i < reasons.size(); ++i)
    out.push_back({names[i], reasons[i]});
  return out;
}

}  // namespace msn
