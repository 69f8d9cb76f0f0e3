// SPDX-License-Identifier: Apache-2.0
#include "exchange/safetensors_writer.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/new_file.hpp"
#include "exchange/safetensors.hpp"

namespace msn {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kDataAlignment = 64;

struct Planned {
  const NamedTensor* tensor = nullptr;
  std::uint64_t element = 0;  ///< Bytes of one.
  std::uint64_t begin = 0;    ///< From the end of the header.
  std::uint64_t bytes = 0;
};

std::vector<Planned> plan(std::span<const NamedTensor> tensors) {
  std::vector<Planned> planned;
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : tensors) {
    const auto element = safetensors_element_bytes(tensor.dtype);
    MSN_CHECK(element.has_value());
    MSN_CHECK(names.insert(tensor.name).second);
    Planned one{&tensor, *element, 0, *element};
    for (const std::int64_t extent : tensor.shape)
      one.bytes *= static_cast<std::uint64_t>(extent);
    planned.push_back(one);
  }
  std::stable_sort(planned.begin(), planned.end(),
                   [](const Planned& a, const Planned& b) { return a.element > b.element; });
  std::uint64_t end = 0;
  for (Planned& one : planned) {
    one.begin = end;
    end += one.bytes;
  }
  return planned;
}

/// Length and header, padded.
std::string head_of(const std::vector<Planned>& planned, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  header["__metadata__"] = metadata;
  for (const Planned& one : planned) {
    header[one.tensor->name] = {{"dtype", one.tensor->dtype},
                                {"shape", one.tensor->shape},
                                {"data_offsets", {one.begin, one.begin + one.bytes}}};
  }
  std::string text = header.dump();
  while ((kLengthBytes + text.size()) % kDataAlignment != 0)
    text += ' ';
  std::string head;
  for (std::uint64_t i = 0; i < kLengthBytes; ++i)
    head += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return head + text;
}

}  // namespace

void write_safetensors(const fs::path& file, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<Planned> planned = plan(tensors);
  const std::string head = head_of(planned, metadata);
  NewFile out(file);
  out.append(head);
  for (const Planned& one : planned) {  // Each begins where the one before it ends.
    const std::vector<std::byte> bytes = one.tensor->read();
    MSN_CHECK(bytes.size() == one.bytes);
    out.append(bytes);
  }
  out.finish();
}

}  // namespace msn
