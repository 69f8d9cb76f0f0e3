// SPDX-License-Identifier: Apache-2.0
#include "exchange/safetensors.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::uint64_t kLengthBytes = 8;
/// The largest published Vision Transformers need less than 0.1 MiB; a parsed header takes many times its length.
constexpr std::uint64_t kHeaderLimit = std::uint64_t{16} << 20;
constexpr std::size_t kNameLimit = 255;
constexpr const char* kDamaged = "it is damaged or no safetensors file; get it again";

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 15> kElementBytes{{{"F64", 8},
                                                                                    {"F32", 4},
                                                                                    {"F16", 2},
                                                                                    {"BF16", 2},
                                                                                    {"F8_E4M3", 1},
                                                                                    {"F8_E5M2", 1},
                                                                                    {"I64", 8},
                                                                                    {"U64", 8},
                                                                                    {"I32", 4},
                                                                                    {"U32", 4},
                                                                                    {"I16", 2},
                                                                                    {"U16", 2},
                                                                                    {"I8", 1},
                                                                                    {"U8", 1},
                                                                                    {"BOOL", 1}}};

std::string place(const fs::path& file, const std::string& tensor) {
  return file.string() + ":" + tensor;
}

std::uint64_t header_length(const FileHandle& file) {
  const std::uint64_t size = file.size();
  std::array<std::byte, kLengthBytes> bytes{};
  if (size < bytes.size()) throw data_error("the file ends before its header", file.path().string(), kDamaged);
  file.read_at(bytes, 0);
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (length > kHeaderLimit || length > size - kLengthBytes) {
    throw data_error("the header cannot have " + std::to_string(length) + " bytes", file.path().string(), kDamaged);
  }
  return length;
}

Json parse_header(const FileHandle& file, std::uint64_t length) {
  std::string text(length, '\0');
  file.read_at(std::as_writable_bytes(std::span(text)), kLengthBytes);
  const std::string where = file.path().string();
  try {
    Json header = parse_json(text, where, kDamaged);
    if (!header.is_object()) throw data_error("the header is no JSON object", where, kDamaged);
    return header;
  } catch (const Json::parse_error& error) {
    // The parser's own text quotes the file, at any length.
    throw data_error("the header is not JSON, at its byte " + std::to_string(error.byte), where, kDamaged);
  }
}

/// A list of whole numbers from 0 to 2^62.
std::vector<std::int64_t> numbers(const Json& list, const std::string& what, const std::string& where) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 62;
  std::vector<std::int64_t> values;
  bool good = list.is_array() && list.size() <= 16;
  for (std::size_t i = 0; good && i < list.size(); ++i) {
    good = list[i].is_number_unsigned() && list[i].get<std::uint64_t>() <= limit;
    if (good) values.push_back(list[i].get<std::int64_t>());
  }
  if (!good) throw data_error(what + " is no list of sizes", where, kDamaged);
  return values;
}

SafetensorsEntry entry_of(const std::string& name, const Json& item, const std::string& where) {
  const bool complete = item.is_object() && item.size() == 3 && item.contains("dtype") && item.contains("shape") &&
                        item.contains("data_offsets") && item["dtype"].is_string();
  if (!complete) throw data_error("an entry is not dtype, shape and data_offsets", where, kDamaged);
  SafetensorsEntry entry;
  entry.name = name;
  entry.dtype = item["dtype"].get<std::string>();
  const auto size = safetensors_element_bytes(entry.dtype);
  if (!size) {
    throw config_error("unknown dtype \"" + entry.dtype.substr(0, kNameLimit) + "\"", where,
                       "save the tensor as F32, F64, F16 or BF16");
  }
  entry.shape = numbers(item["shape"], "the shape", where);
  const std::vector<std::int64_t> offsets = numbers(item["data_offsets"], "data_offsets", where);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) throw data_error("data_offsets are no range", where, kDamaged);
  entry.begin = static_cast<std::uint64_t>(offsets[0]);
  entry.bytes = static_cast<std::uint64_t>(offsets[1] - offsets[0]);
  std::uint64_t wanted = *size;
  for (const std::int64_t extent : entry.shape) {
    const auto factor = static_cast<std::uint64_t>(extent);
    // More than the range holds is wrong already; stopping there keeps the product from overflowing. A later 0 would
    // make it none at all, and then the range is none either.
    if (factor != 0 && wanted > (std::uint64_t{1} << 62) / factor)
      throw data_error("the shape is impossible", where, kDamaged);
    wanted *= factor;
  }
  if (wanted != entry.bytes) {
    throw data_error(
        "the tensor has " + std::to_string(entry.bytes) + " bytes where its shape needs " + std::to_string(wanted),
        where, kDamaged);
  }
  return entry;
}

/// The tensors fill `data_bytes` exactly, as the format demands.
void check_cover(const std::vector<SafetensorsEntry>& entries, std::uint64_t data_bytes, const fs::path& file) {
  std::vector<const SafetensorsEntry*> order;
  for (const SafetensorsEntry& entry : entries)
    order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    return std::pair(a->begin, a->bytes) < std::pair(b->begin, b->bytes);
  });
  std::uint64_t end = 0;
  for (const SafetensorsEntry* entry : order) {
    if (entry->begin < end) throw data_error("the tensor overlaps the one before", place(file, entry->name), kDamaged);
    if (entry->begin > end) throw data_error("there is a hole before the tensor", place(file, entry->name), kDamaged);
    end += entry->bytes;
    if (end > data_bytes) throw data_error("the file ends inside the tensor", place(file, entry->name), kDamaged);
  }
  if (end != data_bytes)
    throw data_error("the file goes on for " + std::to_string(data_bytes - end) + " bytes after its last tensor",
                     file.string(), kDamaged);
}

}  // namespace

std::optional<std::uint64_t> safetensors_element_bytes(std::string_view dtype) {
  for (const auto& [name, bytes] : kElementBytes) {
    if (name == dtype) return bytes;
  }
  return std::nullopt;
}

SafetensorsFile::SafetensorsFile(const fs::path& file) : file_(file, O_RDONLY | O_CLOEXEC) {
  const std::uint64_t length = header_length(file_);
  data_begin_ = kLengthBytes + length;
  const Json header = parse_header(file_, length);
  for (const auto& [name, item] : header.items()) {
    if (name == "__metadata__") {
      // Texts for people: nothing here depends on them.
      const bool texts =
          item.is_object() && std::all_of(item.begin(), item.end(), [](const Json& v) { return v.is_string(); });
      if (!texts) throw data_error("__metadata__ is no object of texts", file.string(), kDamaged);
      continue;
    }
    if (name.empty() || name.size() > kNameLimit)
      throw data_error("a tensor's name has " + std::to_string(name.size()) + " bytes", file.string(), kDamaged);
    entries_.push_back(entry_of(name, item, place(file, name)));
  }
  check_cover(entries_, file_.size() - data_begin_, file);
}

std::vector<std::byte> SafetensorsFile::read(const SafetensorsEntry& entry) const {
  std::vector<std::byte> bytes(entry.bytes);
  file_.read_at(bytes, data_begin_ + entry.begin);
  return bytes;
}

}  // namespace msn
