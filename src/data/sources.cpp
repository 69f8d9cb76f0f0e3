// SPDX-License-Identifier: Apache-2.0
#include "data/sources.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "base/error.hpp"
#include "base/files.hpp"
#include "data/decode.hpp"
#include "data/encode.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr int synthetic_quality = 92;
constexpr std::size_t file_limit = std::size_t{1} << 30;

bool has_image_extension(const fs::path& file) {
  std::string extension = file.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

bool has_image_magic(const fs::path& file) {
  const FileHandle handle(file, O_RDONLY);
  std::array<std::byte, 8> head;
  if (handle.size() < head.size()) return false;
  handle.read_at(head, 0);
  return image_format(head) != ImageFormat::unknown;
}

/// Adds the image files below `folder`, sorted by name.
void list_folder(const fs::path& folder, Sources& into) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    throw data_error(fs::exists(folder, error) ? "the input is no folder" : "no such input folder", folder.string(),
                     "give a folder of images, or synthetic:shapes");
  }
  const std::size_t first = into.items.size();
  auto options = fs::directory_options::follow_directory_symlink;
  fs::recursive_directory_iterator it(folder, options, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const fs::directory_entry& entry = *it;
    const bool hidden = entry.path().filename().string().starts_with('.');
    std::error_code unreadable;
    if (entry.is_directory(unreadable)) {
      if (hidden) it.disable_recursion_pending();
      continue;
    }
    if (hidden) continue;
    if (!entry.is_regular_file(unreadable) || (!has_image_extension(entry.path()) && !has_image_magic(entry.path()))) {
      // A link to nothing that is named as an image counts: it is reported as a bad file, not passed over.
      if (!has_image_extension(entry.path())) {
        ++into.ignored;
        continue;
      }
    }
    SourceItem item;
    item.file = entry.path();
    item.name = entry.path().lexically_relative(folder).generic_string();
    if (!is_utf8(item.name)) {
      throw data_error("the file name is not UTF-8", one_line(item.file.string()), "rename it");
    }
    const std::uintmax_t size = entry.file_size(unreadable);
    item.size = unreadable ? 0 : size;
    const auto modified = entry.last_write_time(unreadable);
    item.modified = unreadable ? 0 : static_cast<std::int64_t>(modified.time_since_epoch().count());
    into.items.push_back(std::move(item));
  }
  if (error) throw data_error("cannot list the folder: " + error.message(), folder.string());
  if (into.items.size() == first) {
    throw data_error("the folder holds no JPEG or PNG images", folder.string(), "check the path");
  }
  std::sort(into.items.begin() + static_cast<std::ptrdiff_t>(first), into.items.end(),
            [](const SourceItem& a, const SourceItem& b) { return a.name < b.name; });
}

void list_generator(const std::string& input, Sources& into) {
  const SyntheticSpec spec = parse_synthetic(input);
  for (std::uint64_t i = 0; i < spec.images; ++i) {
    SourceItem item;
    item.name = synthetic_name(i);
    item.size = static_cast<std::uint64_t>(spec.size) * static_cast<std::uint64_t>(spec.size);
    item.modified = static_cast<std::int64_t>(spec.seed);
    item.generator = into.generators.size();
    item.index = i;
    into.items.push_back(std::move(item));
  }
  into.generators.push_back(spec);
}

/// Sets labels from the first folder of each name.
void label_by_folder(Sources& sources, Labels labels) {
  std::set<std::string> classes;
  const SourceItem* without = nullptr;
  for (const SourceItem& item : sources.items) {
    const std::size_t slash = item.name.find('/');
    if (slash == std::string::npos) {
      without = without == nullptr ? &item : without;
    } else {
      classes.insert(item.name.substr(0, slash));
    }
  }
  if (labels == Labels::automatic && classes.empty()) return;
  if (without != nullptr) {
    throw data_error("an image lies beside the class folders, so its class is unknown", without->file.string(),
                     "move it into a class folder, or pass --labels none");
  }
  sources.classes.assign(classes.begin(), classes.end());
  for (SourceItem& item : sources.items) {
    const auto place =
        std::lower_bound(sources.classes.begin(), sources.classes.end(), item.name.substr(0, item.name.find('/')));
    item.label = static_cast<std::int32_t>(place - sources.classes.begin());
  }
}

}  // namespace

Sources list_sources(const std::vector<std::string>& inputs, Labels labels) {
  Sources sources;
  for (const std::string& input : inputs) {
    if (is_synthetic(input)) {
      list_generator(input, sources);
    } else {
      list_folder(input, sources);
    }
  }
  if (labels != Labels::none) label_by_folder(sources, labels);
  return sources;
}

bool is_utf8(const std::string& name) {
  try {
    nlohmann::json(name).dump();
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::vector<std::byte> fetch(const Sources& sources, const SourceItem& item) {
  if (item.file.empty())
    return encode_jpeg(draw_synthetic(sources.generators[item.generator], item.index), synthetic_quality);
  const FileHandle handle(item.file, O_RDONLY);
  const std::size_t size = handle.size();
  if (size > file_limit) throw data_error("the file is larger than 1 GiB", item.file.string());
  std::vector<std::byte> bytes(size);
  handle.read_at(bytes, 0);
  return bytes;
}

}  // namespace msn
