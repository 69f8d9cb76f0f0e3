// SPDX-License-Identifier: Apache-2.0
// A file of a checkpoint in memory, byte for byte as it will lie on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace msn {

/// Calls run(i) for i in [0, n), at once or one after the other, and returns when all have ended.
using ParallelFor = std::function<void(std::size_t n, const std::function<void(std::size_t)>& run)>;
inline void serial_for(std::size_t n, const std::function<void(std::size_t)>& run) {
  for (std::size_t i = 0; i < n; ++i)
    run(i);
}

/// HDF5's own structures, laid out once, and the tensors' bytes in their places, copied at each save. What is written
/// then is one run of bytes: no call of HDF5, nothing to read back, and its hash is known before the disk has it.
class FileImage {
 public:
  /// Has the HDF5 library lay `tensors` out in a sparse file at `scratch`, which is gone afterwards. Takes all the
  /// memory that there will be, and touches it. Throws data_error.
  FileImage(const std::filesystem::path& scratch, std::span<const StateTensor> tensors);

  /// Copies the tensors, the same as before but for their bytes, in pieces that `parallel_for` runs.
  void take(std::span<const StateTensor> tensors, const ParallelFor& parallel_for);

  std::span<const std::byte> bytes() const { return bytes_; }
  std::size_t tensors() const { return places_.size(); }

  /// Calls `visit` with the index and the bytes of each tensor that lies in [begin, end) of the file, as far as it
  /// does.
  void visit_tensors(std::size_t begin, std::size_t end,
                     const std::function<void(std::size_t, std::span<const std::byte>)>& visit) const;

 private:
  struct Place {
    std::size_t offset, size;
  };
  struct Piece {
    std::size_t tensor, offset, size;  ///< Of a tensor's bytes.
  };

  std::vector<std::byte> bytes_;
  std::vector<Place> places_;          ///< Of each tensor.
  std::vector<std::size_t> in_order_;  ///< The tensors that have bytes, in the order of the file.
  std::vector<Piece> pieces_;          ///< What one thread copies at once.
};

}  // namespace msn
