// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/utf8.hpp"
#include "data/decode.hpp"
#include "data/names.hpp"
#include "data/source_listing.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

/// Whether a file starts as an image does. One that cannot be read does not.
bool has_image_magic(const fs::path& file, std::uint64_t size) {
  std::array<std::byte, 8> head;
  if (size < head.size()) return false;
  try {
    FileHandle(file, O_RDONLY).read_at(head, 0);
  } catch (const Error&) {
    return false;
  }
  return image_format(head) != ImageFormat::unknown;
}

std::string reason(const std::string& what, int error_number) {
  return what + ": " + std::generic_category().message(error_number);
}

/// Which folder it is, however it was reached.
using FolderId = std::pair<dev_t, ino_t>;

class FolderWalk {
 public:
  FolderWalk(const fs::path& root, Listing& into) : root_(root), into_(into) {}

  void run() {
    struct stat facts {};
    if (::stat(root_.c_str(), &facts) != 0) throw system_error("cannot list the folder", root_.string(), errno);
    walk("", {facts.st_dev, facts.st_ino});
  }

 private:
  /// Adds what lies below the folder `below` ("" or "a/b/").
  void walk(const std::string& below, FolderId id) {
    above_.push_back(id);
    for (const std::string& name : names_in(root_ / below))
      visit(below + name);
    above_.pop_back();
  }

  static std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator(); it.increment(error)) {
      std::string name = it->path().filename().string();
      if (!name.starts_with('.')) names.push_back(std::move(name));
    }
    if (error) {
      throw data_error("cannot list the folder: " + error.message(), folder.string(),
                       "make it readable, or move it out of the input");
    }
    return names;
  }

  void visit(const std::string& path) {
    const fs::path file = root_ / path;
    struct stat facts {};
    SourceItem item;
    if (::stat(file.c_str(), &facts) != 0) {
      // A link to nothing that is named as an image counts: it is reported as a bad file, not passed over.
      if (has_image_ending(path)) {
        add(std::move(item), path, reason("cannot open", errno));
      } else {
        ++into_.ignored;
      }
      return;
    }
    item.modified = modified_ns(facts);
    item.size = static_cast<std::uint64_t>(facts.st_size);
    if (S_ISDIR(facts.st_mode)) {
      const FolderId id{facts.st_dev, facts.st_ino};
      if (std::find(above_.begin(), above_.end(), id) == above_.end()) {
        walk(path + "/", id);
      } else {
        item.size = 0;
        add(std::move(item), path, "a link that leads back to a folder above it");
      }
    } else if (!S_ISREG(facts.st_mode)) {
      if (has_image_ending(path)) {
        item.size = 0;
        add(std::move(item), path, "no regular file");
      } else {
        ++into_.ignored;
      }
    } else if (has_image_ending(path) || has_image_magic(file, item.size)) {
      add(std::move(item), path, "");
    } else {
      ++into_.ignored;
    }
  }

  void add(SourceItem item, const std::string& path, std::string problem) {
    item.problem = std::move(problem);
    set_name(item, path);
    if (item.name != path) item.path = path;
    into_.items.push_back(std::move(item));
  }

  const fs::path& root_;
  Listing& into_;
  std::vector<FolderId> above_;  ///< The folders that are being walked, outermost first.
};

}  // namespace

std::int64_t modified_ns(const struct stat& facts) {
  return std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec;
}

void set_name(SourceItem& item, std::string plain) {
  if (!is_utf8(plain)) {
    item.name = escape_bytes(plain);
    item.problem = "the file name is not UTF-8";
  } else if (plain.size() > longest_name) {
    item.name = escape_bytes(plain.substr(0, 64)) + "...";
    item.problem = "the file name is longer than " + std::to_string(longest_name) + " bytes";
  } else {
    item.name = std::move(plain);
  }
}

Listing list_folder(const fs::path& folder) {
  Listing listing;
  listing.input = {SourceKind::files, folder, 0, {}};
  FolderWalk(folder, listing).run();
  if (listing.items.empty()) {
    throw data_error("the folder holds no JPEG or PNG images", folder.string(), "check the path");
  }
  std::sort(listing.items.begin(), listing.items.end(), [](const SourceItem& a, const SourceItem& b) {
    return std::tie(a.name, a.path) < std::tie(b.name, b.path);
  });
  return listing;
}

}  // namespace msn
