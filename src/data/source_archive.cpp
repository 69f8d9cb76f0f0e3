// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/utf8.hpp"
#include "data/decode.hpp"
#include "data/names.hpp"
#include "data/source_listing.hpp"
#include "data/tar.hpp"
#include "data/workers.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view tar_ending = ".tar";

struct ArchiveFacts {
  std::uint64_t size = 0;
  std::int64_t modified = 0;
};

bool has_image_magic(const FileHandle& file, const TarMember& member) {
  std::array<std::byte, 8> head;
  if (member.size < head.size()) return false;
  file.read_at(head, member.offset);
  return image_format(head) != ImageFormat::unknown;
}

/// What one archive, the outer one or one inside it, adds to the list.
struct Part {
  std::vector<SourceItem> items;
  std::uint64_t ignored = 0;
};

/// Turns members into items; the names of archives inside are left out. `prefix` goes before every name.
Part items_of(const FileHandle& file, const std::vector<TarMember>& members, const ArchiveFacts& facts,
              const std::string& prefix) {
  Part part;
  for (const TarMember& member : members) {
    if (member.kind == TarKind::folder) continue;
    const std::optional<std::string> plain = plain_path(member.name);
    if (is_hidden(plain.value_or(""))) continue;
    const bool image = has_image_ending(member.name) || (member.kind == TarKind::file && has_image_magic(file, member));
    if (!image) {
      ++part.ignored;
      continue;
    }
    SourceItem item;
    item.size = member.size;
    item.modified = facts.modified;
    item.position = member.offset;
    if (member.kind == TarKind::link) item.problem = "a link inside a tar: make the archive with its target (tar -h)";
    if (member.kind == TarKind::special) item.problem = "no regular file";
    if (plain) {
      set_name(item, prefix + *plain);
    } else {
      item.name = escape_bytes(member.name);
      item.problem = "the name leads out of the archive";
    }
    part.items.push_back(std::move(item));
  }
  return part;
}

/// Number of leading bytes, whole folders, that the names of all images share and below which all of them still lie in
/// a folder: "train/" for train/cat/1.jpg and train/dog/2.jpg, nothing for cat/1.jpg and cat/2.jpg.
std::size_t shared_folders(const std::vector<SourceItem>& items) {
  std::size_t shared = 0;
  for (;;) {
    std::string_view folder;
    for (const SourceItem& item : items) {
      if (!item.problem.empty()) continue;
      const std::string_view rest = std::string_view(item.name).substr(shared);
      const std::string_view first = first_folder(rest);
      if (first.empty() || (!folder.empty() && first != folder)) return shared;
      if (first_folder(rest.substr(first.size() + 1)).empty()) return shared;
      folder = first;
    }
    if (folder.empty()) return shared;  // No image is left to look at.
    shared += folder.size() + 1;
  }
}

bool is_inner_tar(const TarMember& member) {
  return member.kind == TarKind::file && member.name.size() > tar_ending.size() && member.name.ends_with(tar_ending) &&
         !is_hidden(plain_path(member.name).value_or("."));
}

/// The name of an archive inside an archive without its ending: the name of a class.
std::string class_of(const TarMember& inner) {
  std::string name = inner.name.substr(0, inner.name.size() - tar_ending.size());
  return name.substr(name.rfind('/') + 1);
}

/// The images of the archives inside an archive, by one thread an archive: the headers lie far apart in a large file,
/// so that reading them is waiting.
void add_inner(const FileHandle& file, const std::vector<TarMember>& inner, const ArchiveFacts& facts, int workers,
               Listing& into) {
  std::vector<Part> parts(inner.size());
  for_each_parallel(inner.size(), workers, [&](std::size_t i) {
    const std::string where = file.path().string() + ":" + escape_bytes(inner[i].name);
    const std::vector<TarMember> members = list_tar(file, {inner[i].offset, inner[i].offset + inner[i].size}, where);
    for (const TarMember& member : members) {
      if (is_inner_tar(member)) {
        throw data_error("a tar inside a tar inside a tar", where + ":" + escape_bytes(member.name),
                         "one level is read: unpack the outermost");
      }
    }
    parts[i] = items_of(file, members, facts, class_of(inner[i]) + "/");
  });
  ClassTable classes;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    const std::string name = class_of(inner[i]);
    if (name.empty() || !is_utf8(name)) {
      throw data_error("the name of an archive inside the tar is no name of a class",
                       file.path().string() + ":" + escape_bytes(inner[i].name), "rename it");
    }
    const std::int32_t label = classes.add(name);
    for (SourceItem& item : parts[i].items) {
      item.label = label;
      into.items.push_back(std::move(item));
    }
    into.ignored += parts[i].ignored;
  }
  into.classes = classes.take();
}

}  // namespace

Listing list_archive(const fs::path& path, int workers) {
  const FileHandle file(path, O_RDONLY);
  struct stat stat {};
  if (::fstat(file.get(), &stat) != 0) throw system_error("cannot examine", path.string(), errno);
  const ArchiveFacts facts{static_cast<std::uint64_t>(stat.st_size), modified_ns(stat)};
  std::vector<TarMember> members = list_tar(file, {0, facts.size}, path.string());
  const auto first_inner = std::stable_partition(members.begin(), members.end(),
                                                 [](const TarMember& member) { return !is_inner_tar(member); });
  const std::vector<TarMember> inner(first_inner, members.end());
  members.erase(first_inner, members.end());

  Listing listing;
  listing.input = {SourceKind::tar, path, facts.size, {}};
  Part outer = items_of(file, members, facts, "");
  listing.items = std::move(outer.items);
  listing.ignored = outer.ignored;
  const std::size_t shared = inner.empty() ? shared_folders(listing.items) : 0;
  for (SourceItem& item : listing.items) {
    if (item.problem.empty()) item.name.erase(0, shared);
  }
  add_inner(file, inner, facts, workers, listing);
  if (listing.items.empty()) {
    throw data_error("the tar holds no JPEG or PNG images", path.string(), "check the path");
  }
  return listing;
}

}  // namespace msn
