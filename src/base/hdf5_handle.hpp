// SPDX-License-Identifier: Apache-2.0
// What the sources behind hdf5.hpp share.
#pragma once

#include <filesystem>
#include <mutex>
#include <string>

#include "base/hdf5.hpp"

namespace msn::h5 {

using Lock = std::lock_guard<std::recursive_mutex>;

/// A handle of any kind with its closing function.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// Throws data_error with HDF5's innermost message.
[[noreturn]] void fail(const std::string& what, const std::filesystem::path& file, const std::string& object,
                       const std::string& remedy = {});

/// Opens a group or dataset. Throws data_error if there is none of the name, or if any part of the path is a soft or
/// external link: nothing is read but what lies in the file under this name.
Handle open_object(hid_t file, const std::filesystem::path& path, const std::string& name);

}  // namespace msn::h5
