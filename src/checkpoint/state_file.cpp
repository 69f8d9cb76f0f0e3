// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/state_file.hpp"

#include <fcntl.h>

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPiece = std::size_t{128} << 10;  ///< Bytes that are hashed while the processor's cache has them.
constexpr std::size_t kAhead = std::size_t{16} << 20;   ///< So far ahead the disk reads.
constexpr const char* kUseAnother = "it is damaged; use another checkpoint";

/// Where a tensor's bytes lie in the file.
struct Place {
  const WantedTensor* wanted;
  std::size_t offset;
};

/// The places of the tensors that have bytes, in the order of the file, none within another.
std::vector<Place> find_places(const FileHandle& file, const std::vector<WantedTensor>& wanted) {
  const h5::PlainFile index = h5::read_plain_file(file, h5::Reals::taken);
  std::vector<Place> places;
  for (const WantedTensor& tensor : wanted) {
    const auto found = index.datasets.find(tensor.stored->name);
    if (found == index.datasets.end() || !is_as_listed(found->second, *tensor.stored)) {
      throw data_error("the dataset is not what the manifest says", file.path().string() + ":" + tensor.stored->name,
                       kUseAnother);
    }
    if (!tensor.bytes.empty()) places.push_back({&tensor, found->second.file_offset});
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.offset < b.offset; });
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i].offset - places[i - 1].offset < places[i - 1].wanted->bytes.size()) {
      throw data_error("datasets overlap", file.path().string() + ":" + places[i].wanted->stored->name, kUseAnother);
    }
  }
  return places;
}

/// Goes through a file from its beginning to its end.
class Pass {
 public:
  explicit Pass(const FileHandle& file) : file_(file), piece_(kPiece) {}

  /// Reads on up to `end`, only for the hash of the file.
  void skip_to(std::size_t end) {
    while (at_ < end)
      take(std::span(piece_).first(std::min(kPiece, end - at_)));
  }

  /// Reads on into `into`. Returns the hash of these bytes.
  std::string read(std::span<std::byte> into) {
    Hasher hasher;
    while (!into.empty()) {
      const auto piece = into.first(std::min(kPiece, into.size()));
      take(piece);
      hasher.update(piece);
      into = into.subspan(piece.size());
    }
    return hasher.hex();
  }

  std::string hash() const { return whole_.hex(); }

 private:
  void take(std::span<std::byte> piece) {
    if (at_ + kAhead / 2 >= asked_for_) {
      ::posix_fadvise(file_.get(), static_cast<off_t>(asked_for_), kAhead / 2, POSIX_FADV_WILLNEED);
      asked_for_ += kAhead / 2;
    }
    file_.read_at(piece, at_);
    whole_.update(piece);
    at_ += piece.size();
  }

  const FileHandle& file_;
  std::vector<std::byte> piece_;
  std::size_t at_ = 0;
  std::size_t asked_for_ = 0;
  Hasher whole_;
};

FileHandle open_in_order(const fs::path& path) {
  FileHandle file(path, O_RDONLY);
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return file;
}

void require_hash(const std::string& hash, const fs::path& path, const ManifestFile& file) {
  if (hash != file.hash) throw data_error("the file differs from its manifest", path.string(), kUseAnother);
}

}  // namespace

bool is_as_listed(const h5::PlainDataset& dataset, const ManifestTensor& tensor) {
  const auto kind = tensor.type == ElementType::i64 ? h5::ElementKind::signed_integer : h5::ElementKind::real;
  return dataset.kind == kind && dataset.element_size == element_size(tensor.type) &&
         std::equal(dataset.shape.begin(), dataset.shape.end(), tensor.shape.begin(), tensor.shape.end(),
                    [](std::uint64_t a, std::int64_t b) { return a == static_cast<std::uint64_t>(b); });
}

void read_state_file(const fs::path& path, const ManifestFile& file, const std::vector<WantedTensor>& wanted) {
  const FileHandle handle = open_in_order(path);
  std::vector<Place> places;
  try {
    places = find_places(handle, wanted);
  } catch (const Error&) {
    check_state_file(path, file);  // Damage is called damage, wherever it is.
    throw;
  }
  Pass pass(handle);
  const ManifestTensor* differs = nullptr;
  for (const auto& [tensor, offset] : places) {
    pass.skip_to(offset);
    if (pass.read(tensor->bytes) != tensor->stored->hash && differs == nullptr) differs = tensor->stored;
  }
  pass.skip_to(handle.size());
  require_hash(pass.hash(), path, file);
  if (differs != nullptr) {
    throw data_error("the tensor differs from its manifest", path.string() + ":" + differs->name, kUseAnother);
  }
}

void check_state_file(const fs::path& path, const ManifestFile& file) {
  const FileHandle handle = open_in_order(path);
  Pass pass(handle);
  pass.skip_to(handle.size());
  require_hash(pass.hash(), path, file);
}

}  // namespace msn
