// SPDX-License-Identifier: Apache-2.0
// What msn pack is to pack: a list of images, known by name before any is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "data/synthetic.hpp"

namespace msn {

/// Where class labels come from. `automatic`: lists that have labels, tars in tars, class folders; otherwise none.
/// `folders`: the same, but every image must have a class, in lists without labels the first folder of the path.
enum class Labels { automatic, folders, none };

enum class SourceKind : std::uint8_t { files, tar, generator };

/// One --input.
struct SourceInput {
  SourceKind kind = SourceKind::files;
  std::filesystem::path path;  ///< files: the folder that paths start from; tar: the archive.
  std::uint64_t size = 0;      ///< tar: bytes when it was listed.
  SyntheticSpec spec;          ///< generator.
};

struct SourceItem {
  std::string name;  ///< Path below its input, with forward slashes; UTF-8.
  std::int32_t label = -1;
  std::uint32_t input = 0;     ///< Index into Sources::inputs.
  std::uint64_t size = 0;      ///< Bytes; an estimate for generated pictures.
  std::int64_t modified = 0;   ///< Time stamp of the file or the archive, nanoseconds.
  std::uint64_t position = 0;  ///< tar: first byte in the archive; generator: number of the picture.
  std::string path;            ///< files: path below the input's folder, where it is not `name`.
  std::string problem;         ///< Why it cannot be packed, if that is known before it is read.
};

struct Sources {
  std::vector<SourceInput> inputs;
  std::vector<SourceItem> items;
  std::vector<std::string> classes;  ///< Sorted; empty without labels.
  std::uint64_t ignored = 0;         ///< Files that are no images by name or content.
  std::uint64_t labels_unused = 0;   ///< Lines of the label file that name no image.
};

struct SourceOptions {
  std::vector<std::string> inputs;
  Labels labels = Labels::automatic;
  std::filesystem::path label_file;  ///< A list "NAME,LABEL" that gives every label; empty: none, see `labels`.
  int workers = 1;                   ///< Threads that read the archives inside an archive.
};

/// Lists all inputs: folders and generators in the order of their names, tars in their own, lists line by line.
///
/// - In a folder or tar a file counts if it ends in .jpg, .jpeg or .png (any case) or starts as a JPEG or PNG does;
///   names with a part that starts with a dot are passed over; links in folders are followed. The class is the first
///   folder. Folders that all images of a tar share above that are dropped. A .tar in a tar is read too: its images
///   have the class of its name without the ending.
/// - Labels from lists that are all whole numbers are the labels themselves, else names of classes.
///
/// Throws data_error if an input is missing, no image is found, labels are missing for some images or contradict, a
/// list or an archive is damaged. Single files that cannot be packed are items with a `problem`.
Sources list_sources(const SourceOptions& options);

/// Where an image comes from, for messages: its path, or ARCHIVE:NAME.
std::string origin_of(const Sources& sources, const SourceItem& item);

/// Reads images of `sources`, which must outlive it. Thread-safe. Archives stay open.
class SourceReader {
 public:
  /// Throws data_error if an archive cannot be opened or has changed since it was listed.
  explicit SourceReader(const Sources& sources);

  /// The encoded bytes of one image. Throws data_error with the reason if it cannot be had.
  std::vector<std::byte> read(const SourceItem& item) const;

 private:
  const Sources& sources_;
  std::vector<FileHandle> archives_;  ///< One an input; closed handles for other kinds.
};

}  // namespace msn
