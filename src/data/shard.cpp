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
std::vector<T> read_column(const FileHandle& file, const h5::PlainFile& index, const std::string& name,
                           std::size_t count) {
  std::vector<T> values = h5::read_plain<T>(file, index, name);
  if (values.size() != count) {
    throw data_error("the dataset has " + std::to_string(values.size()) + " entries, not " + std::to_string(count),
                     file.path().string() + ":" + name, remedy);
  }
  return values;
}

/// Throws data_error unless the shard was written to its end, by a version that this one understands.
void check_attributes(const h5::PlainFile& index, const fs::path& path) {
  const auto complete = index.attributes.find("complete");
  if (complete == index.attributes.end() || complete->second != 1) {
    throw data_error("the shard is not complete: packing was interrupted", path.string(), remedy);
  }
  const auto version = index.attributes.find("format_version");
  if (version == index.attributes.end()) throw data_error("the shard has no format_version", path.string(), remedy);
  if (version->second != format_version) {
    throw data_error("a shard of format version " + std::to_string(version->second) + ", this msn reads version " +
                         std::to_string(format_version),
                     path.string(), "pack the images again");
  }
}

}  // namespace

void write_shard(const fs::path& file, const std::vector<ShardItem>& items, const std::vector<BadImage>& left_out) {
  MSN_CHECK(!items.empty());
  fs::path partial = file;
  partial += ".partial";
  try {
    write_partial(partial, items, left_out);
    // Another HDF5 library may write what the reader does not take: said now, not in training.
    const Shard written(partial);
    rename_durably(partial, file);
  } catch (...) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw;
  }
}

Shard::Shard(const fs::path& path) : handle_(path, O_RDONLY | O_NOFOLLOW), index_(h5::read_plain_file(handle_)) {
  check_attributes(index_, path);
  label_ = h5::read_plain<std::int32_t>(handle_, index_, "label");
  const std::size_t count = label_.size();
  offset_ = read_column<std::uint64_t>(handle_, index_, "offset", count + 1);
  checksum_ = read_column<std::uint32_t>(handle_, index_, "crc32c", count);
  width_ = read_column<std::uint16_t>(handle_, index_, "width", count);
  height_ = read_column<std::uint16_t>(handle_, index_, "height", count);
  flags_ = read_column<std::uint8_t>(handle_, index_, "flags", count);
  const auto bytes = index_.datasets.find("bytes");
  if (bytes == index_.datasets.end() || bytes->second.element_size != 1 || bytes->second.shape.size() != 1) {
    throw data_error("no dataset of bytes", path.string() + ":bytes", remedy);
  }
  start_ = bytes->second.file_offset;
  bool rising = offset_.front() == 0 && offset_.back() == bytes->second.elements;
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
  std::vector<std::string> names = h5::read_plain_text(handle_, index_, "name");
  if (names.size() != count()) {
    throw data_error("the dataset has " + std::to_string(names.size()) + " entries, not " + std::to_string(count()),
                     path().string() + ":name", remedy);
  }
  return names;
}

std::vector<BadImage> Shard::left_out() const {
  std::vector<BadImage> out;
  if (!index_.datasets.contains("left_out/name")) return out;
  const auto names = h5::read_plain_text(handle_, index_, "left_out/name");
  const auto reasons = h5::read_plain_text(handle_, index_, "left_out/reason");
  if (names.size() != reasons.size()) {
    throw data_error(std::to_string(names.size()) + " names and " + std::to_string(reasons.size()) + " reasons",
                     path().string() + ":left_out", remedy);
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    out.push_back({names[i], reasons[i]});
  return out;
}

}  // namespace msn
