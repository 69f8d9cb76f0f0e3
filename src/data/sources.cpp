// SPDX-License-Identifier: Apache-2.0
#include "data/sources.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "base/error.hpp"
#include "data/decode.hpp"
#include "data/encode.hpp"
#include "data/names.hpp"
#include "data/source_listing.hpp"
#include "data/tar.hpp"
#include "data/text_list.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr int synthetic_quality = 92;
constexpr std::uint64_t file_limit = std::uint64_t{1} << 30;
constexpr char what_to_give[] = "give a folder of images, a tar, a list of images, or synthetic:shapes";

/// A file is an archive, a list, or nothing to pack; its first bytes tell.
Listing list_file(const fs::path& file, const struct stat& facts, int workers) {
  if (!S_ISREG(facts.st_mode))
    throw data_error("the input is no folder and no regular file", file.string(), what_to_give);
  std::array<std::byte, tar_block> block{};
  const std::size_t size = std::min<std::size_t>(block.size(), static_cast<std::size_t>(facts.st_size));
  FileHandle(file, O_RDONLY).read_at(std::span(block).first(size), 0);
  const std::string_view head(reinterpret_cast<const char*>(block.data()), size);
  if (is_tar_header(block) || file.extension() == ".tar") return list_archive(file, workers);
  // gzip, zstd, xz, bzip2, zip.
  for (const std::string_view magic : {"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd\x37zXZ", "BZh", "PK\x03\x04"}) {
    if (head.starts_with(magic)) {
      throw data_error("the input is compressed", file.string(),
                       "unpack it to a plain .tar first: images do not shrink");
    }
  }
  if (image_format(block) != ImageFormat::unknown) {
    throw data_error("the input is a single image", file.string(), "give its folder, or a list that names it");
  }
  return list_list(file);
}

Listing list_input(const std::string& input, int workers) {
  if (is_synthetic(input)) return list_generator(input);
  struct stat facts {};
  if (::stat(input.c_str(), &facts) != 0) {
    if (errno == ENOENT) throw data_error("no such input", input, what_to_give);
    throw system_error("cannot open the input", input, errno);
  }
  return S_ISDIR(facts.st_mode) ? list_folder(input) : list_file(input, facts, workers);
}

/// An entry of a list as a name below no folder in particular: what leads upwards or from the root is dropped.
std::string name_of_entry(const std::string& entry) {
  std::string plain;
  for (const fs::path& part : fs::path(entry).lexically_normal()) {
    if (part.empty() || part == "/" || part == ".." || part == ".") continue;
    plain += (plain.empty() ? "" : "/") + part.string();
  }
  return plain.empty() ? entry : plain;
}

}  // namespace

Listing list_generator(const std::string& input) {
  Listing listing;
  listing.input = {SourceKind::generator, {}, 0, parse_synthetic(input)};
  const SyntheticSpec& spec = listing.input.spec;
  for (std::uint64_t i = 0; i < spec.images; ++i) {
    SourceItem item;
    item.name = synthetic_name(i);
    item.size = static_cast<std::uint64_t>(spec.size) * static_cast<std::uint64_t>(spec.size);
    item.modified = static_cast<std::int64_t>(spec.seed);
    item.position = i;
    listing.items.push_back(std::move(item));
  }
  return listing;
}

Listing list_list(const fs::path& file) {
  Listing listing;
  listing.is_list = true;
  listing.input = {SourceKind::files, file.parent_path(), 0, {}};
  ClassTable classes;
  for (ListLine& line : read_list(file)) {
    SourceItem item;
    const fs::path target = listing.input.path / line.name;
    struct stat facts {};
    if (::stat(target.c_str(), &facts) != 0) {
      item.problem = "cannot open: " + std::generic_category().message(errno);
    } else if (!S_ISREG(facts.st_mode)) {
      item.problem = "no regular file";
    } else {
      item.size = static_cast<std::uint64_t>(facts.st_size);
      item.modified = modified_ns(facts);
    }
    if (line.label) item.label = classes.add(*line.label);
    set_name(item, name_of_entry(line.name));
    if (item.name != line.name) item.path = std::move(line.name);
    listing.items.push_back(std::move(item));
  }
  listing.classes = classes.take();
  return listing;
}

Sources list_sources(const SourceOptions& options) {
  std::vector<Listing> listings;
  for (const std::string& input : options.inputs) {
    listings.push_back(list_input(input, options.workers));
    listings.back().given = input;
  }
  return unite(std::move(listings), options);
}

std::string origin_of(const Sources& sources, const SourceItem& item) {
  const SourceInput& input = sources.inputs[item.input];
  switch (input.kind) {
    case SourceKind::files:
      return (input.path / (item.path.empty() ? item.name : item.path)).string();
    case SourceKind::tar:
      return input.path.string() + ":" + item.name;
    case SourceKind::generator:
      break;
  }
  return item.name;
}

SourceReader::SourceReader(const Sources& sources) : sources_(sources) {
  for (const SourceInput& input : sources.inputs) {
    archives_.push_back(input.kind == SourceKind::tar ? FileHandle(input.path, O_RDONLY) : FileHandle());
    if (input.kind == SourceKind::tar && archives_.back().size() != input.size) {
      throw data_error("the archive has changed since it was listed", input.path.string(), "run again");
    }
  }
}

std::vector<std::byte> SourceReader::read(const SourceItem& item) const {
  if (!item.problem.empty()) throw data_error(item.problem, origin_of(sources_, item));
  const SourceInput& input = sources_.inputs[item.input];
  if (input.kind == SourceKind::generator) {
    return encode_jpeg(draw_synthetic(input.spec, item.position), synthetic_quality);
  }
  const bool archived = input.kind == SourceKind::tar;
  const FileHandle file = archived ? FileHandle() : FileHandle(origin_of(sources_, item), O_RDONLY);
  const std::uint64_t size = archived ? item.size : file.size();
  if (size > file_limit) throw data_error("the file is larger than 1 GiB", origin_of(sources_, item));
  std::vector<std::byte> bytes(size);
  (archived ? archives_[item.input] : file).read_at(bytes, item.position);
  return bytes;
}

}  // namespace msn
