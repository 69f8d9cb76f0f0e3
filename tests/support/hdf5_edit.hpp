// SPDX-License-Identifier: Apache-2.0
// Makes HDF5 files that this program never writes, for tests that they are refused.
#pragma once

#include <gtest/gtest.h>
#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <numeric>
#include <vector>

namespace msn::test {

/// Opens the file for writing, in the oldest format, and passes its handle on.
template <class Function>
void edit_hdf5(const std::filesystem::path& path, Function function) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, access);
  H5Pclose(access);
  ASSERT_GE(file, 0) << path;
  function(file);
  ASSERT_GE(H5Fclose(file), 0);
}

/// Replaces a dataset, or makes it: 1, 2, 3, ... of `type` in `shape`, stored as `change` sets it up.
template <class Function>
void put_dataset(hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& shape, Function change) {
  if (H5Lexists(file, name, H5P_DEFAULT) > 0) H5Ldelete(file, name, H5P_DEFAULT);
  const hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_obj_track_times(plan, false);
  change(plan);
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plan, H5P_DEFAULT);
  ASSERT_GE(set, 0) << name;
  hsize_t elements = 1;
  for (const hsize_t extent : shape)
    elements *= extent;
  if (H5Pget_layout(plan) != H5D_VIRTUAL && elements < 1000) {
    std::vector<std::int64_t> values(elements);
    std::iota(values.begin(), values.end(), 1);
    H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  }
  H5Dclose(set);
  H5Sclose(space);
  H5Pclose(plan);
}

inline void put_dataset(hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& shape) {
  put_dataset(file, name, type, shape, [](hid_t) {});
}

}  // namespace msn::test
