// SPDX-License-Identifier: Apache-2.0
// A thin layer over the HDF5 C library: handles that close themselves, every call checked, one process-wide lock around
// every call (a site's HDF5 need not be thread-safe). Bulk bytes do not go through here: callers pread and pwrite them
// at Dataset::file_offset, so that nothing waits behind a large transfer.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace msn::h5 {

/// The lock that every HDF5 call of the process holds. Recursive, because helpers call helpers.
std::recursive_mutex& lock();

/// Which C++ types have an HDF5 native type here.
template <class T>
hid_t native_type();

enum class Mode { read, create, edit };

/// What a dataset is, without its data.
struct DatasetFacts {
  std::vector<std::uint64_t> shape;
  std::uint64_t elements = 1;
  std::uint64_t element_size = 0;  ///< Bytes of one element in the file.
  bool is_float = false;
  bool is_integer = false;
  bool is_text = false;           ///< Of fixed length.
  bool is_contiguous = false;     ///< In one run and in the file itself: no chunks, filters, external or virtual data.
  std::uint64_t file_offset = 0;  ///< First byte; if is_contiguous, all elements lie in the file from here.
};

/// An open file. Not copyable; closes itself. Every function throws data_error naming file and object. Links out of
/// their place are not followed, sizes are compared with the file before memory is taken, and no filter is ever loaded;
/// but the library itself trusts a file's structure: files from elsewhere are for plain_hdf5.hpp. Readers take no lock
/// on the file.
class File {
 public:
  File(const std::filesystem::path& path, Mode mode);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }
  /// Closes now and reports what the destructor could not.
  void close();

  bool exists(const std::string& name) const;
  /// Names in a group, sorted.
  std::vector<std::string> list(const std::string& group) const;
  DatasetFacts facts(const std::string& dataset) const;

  /// The whole dataset of numbers, converted to T by HDF5. Storage other than contiguous is refused.
  template <class T>
  std::vector<T> read(const std::string& dataset) const;
  /// The whole dataset of fixed-length strings, without the zeros at their ends.
  std::vector<std::string> read_strings(const std::string& dataset) const;

  /// Makes a contiguous dataset with its space allocated at once and no time stamps; parents are made as needed.
  /// Returns its offset in the file, for pwrite after close().
  std::uint64_t create(const std::string& dataset, hid_t type, const std::vector<std::uint64_t>& shape);
  template <class T>
  void write(const std::string& dataset, std::span<const T> values, const std::vector<std::uint64_t>& shape);
  /// Fixed-length UTF-8 strings, padded with zeros to the longest.
  void write_strings(const std::string& dataset, const std::vector<std::string>& values);

  bool has_attribute(const std::string& object, const std::string& name) const;
  std::int64_t int_attribute(const std::string& object, const std::string& name) const;
  double real_attribute(const std::string& object, const std::string& name) const;
  std::string text_attribute(const std::string& object, const std::string& name) const;
  void set_int_attribute(const std::string& object, const std::string& name, std::int64_t value);
  void set_text_attribute(const std::string& object, const std::string& name, const std::string& value);
  void flush();

 private:
  /// The facts of a dataset that is contiguous; throws for any other.
  DatasetFacts readable(const std::string& dataset) const;

  hid_t id_ = H5I_INVALID_HID;
  std::filesystem::path path_;
};

/// Version of the library in use, as "1.10.8".
std::string library_version();
/// Whether threads may call the library at once. msn does not need it: see lock().
bool library_is_thread_safe();
/// How the library locks the files that are made or changed, for people: "on", "off" or "where the file system can".
/// HDF5_USE_FILE_LOCKING in the environment decides, else the build of the library.
std::string library_file_locking();

}  // namespace msn::h5
