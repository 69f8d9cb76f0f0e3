// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_image.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hdf5.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPiece = std::size_t{4} << 20;

hid_t h5_type(ElementType type) {
  switch (type) {
    case ElementType::f32:
      return h5::native_type<float>();
    case ElementType::f64:
      return h5::native_type<double>();
    case ElementType::i64:
      return h5::native_type<std::int64_t>();
  }
  throw internal_error("no such element type");
}

/// A file that is gone at the end of a scope.
class Scratch {
 public:
  explicit Scratch(fs::path path) : path_(std::move(path)) {}
  ~Scratch() { ::unlink(path_.c_str()); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  fs::path path_;
};

}  // namespace

FileImage::FileImage(const fs::path& scratch, std::span<const StateTensor> tensors) {
  const Scratch gone_afterwards(scratch);
  h5::File layout(scratch, h5::Mode::create);
  for (const auto& tensor : tensors) {
    const std::vector<std::uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
    places_.push_back({layout.create(tensor.name, h5_type(tensor.type), shape), tensor.bytes.size()});
  }
  layout.close();

  const FileHandle file(scratch, O_RDONLY);
  bytes_.resize(file.size());
  in_order_.resize(places_.size());
  std::iota(in_order_.begin(), in_order_.end(), std::size_t{0});
  std::erase_if(in_order_, [&](std::size_t i) { return places_[i].size == 0; });
  std::sort(in_order_.begin(), in_order_.end(),
            [&](std::size_t a, std::size_t b) { return places_[a].offset < places_[b].offset; });
  // HDF5's structures are what lies between the tensors.
  std::size_t read_from = 0;
  const auto read_up_to = [&](std::size_t end) {
    MSN_CHECK(end >= read_from && end <= bytes_.size());
    file.read_at(std::span(bytes_).subspan(read_from, end - read_from), read_from);
  };
  for (const std::size_t i : in_order_) {
    read_up_to(places_[i].offset);
    read_from = places_[i].offset + places_[i].size;
  }
  read_up_to(bytes_.size());

  for (std::size_t i = 0; i < places_.size(); ++i) {
    for (std::size_t at = 0; at < places_[i].size; at += kPiece)
      pieces_.push_back({i, at, std::min(kPiece, places_[i].size - at)});
  }
}

void FileImage::take(std::span<const StateTensor> tensors, const ParallelFor& parallel_for) {
  MSN_CHECK(tensors.size() == places_.size());
  for (std::size_t i = 0; i < tensors.size(); ++i)
    MSN_CHECK(tensors[i].bytes.size() == places_[i].size);
  parallel_for(pieces_.size(), [&](std::size_t p) {
    const Piece& piece = pieces_[p];
    std::memcpy(bytes_.data() + places_[piece.tensor].offset + piece.offset,
                tensors[piece.tensor].bytes.data() + piece.offset, piece.size);
  });
}

void FileImage::visit_tensors(std::size_t begin, std::size_t end,
                              const std::function<void(std::size_t, std::span<const std::byte>)>& visit) const {
  const auto ends_before = [&](std::size_t i, std::size_t at) { return places_[i].offset + places_[i].size <= at; };
  for (auto next = std::lower_bound(in_order_.begin(), in_order_.end(), begin, ends_before);
       next != in_order_.end() && places_[*next].offset < end; ++next) {
    const std::size_t from = std::max(begin, places_[*next].offset);
    const std::size_t to = std::min(end, places_[*next].offset + places_[*next].size);
    visit(*next, std::span(bytes_).subspan(from, to - from));
  }
}

}  // namespace msn
