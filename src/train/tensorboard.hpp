// SPDX-License-Identifier: Apache-2.0
// Event files that TensorBoard reads (docs/formats.md): records of TFRecord, each an Event of TensorFlow's event.proto.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

namespace msn {

/// A record of a TFRecord file: its length (u64, little-endian), the length's checksum, the bytes and theirs. A
/// checksum is the CRC-32C, rotated right by 15 bits, plus 0xa282ead8: records may hold checksums of their own.
std::string tfrecord(std::string_view bytes);

struct EventScalar {
  std::string tag;  ///< "loss/me_max": the part before the slash is TensorBoard's group.
  double value = 0;
};

/// The event file of one life of a run, a new one in `folder`. Only rank 0 makes one. A write that fails warns once;
/// training goes on.
class TensorBoardFile {
 public:
  /// Makes `folder` (0750) if it is missing. The file says that the run goes on after `completed_steps`: what files of
  /// earlier lives say of later steps TensorBoard leaves out. Files are read in the order of their names, which begin
  /// with a time in seconds: `now`, or one more than the newest there has.
  TensorBoardFile(const std::filesystem::path& folder, std::uint64_t completed_steps, double now);

  /// One event. `time` in seconds since 1970. A value becomes a float; one that is not finite stays what it is.
  void write(std::uint64_t step, double time, std::span<const EventScalar> scalars);

  const std::filesystem::path& path() const { return path_; }

 private:
  void append(std::string_view event);

  std::filesystem::path path_;
  std::ofstream out_;
  bool warned_ = false;
};

}  // namespace msn
