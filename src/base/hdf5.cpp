// SPDX-License-Identifier: Apache-2.0
#include "base/hdf5.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/error.hpp"
#include "base/hdf5_handle.hpp"

namespace msn::h5 {

std::recursive_mutex& lock() {
  static std::recursive_mutex mutex;
  return mutex;
}

namespace {

/// The innermost message of HDF5's error stack, which otherwise prints itself to standard error.
std::string stack_text() {
  std::string text;
  const auto visit = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    auto& into = *static_cast<std::string*>(out);
    if (into.empty() && entry->desc != nullptr) into = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, visit, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "HDF5 failed" : text;
}

Handle open_dataset(hid_t file, const std::filesystem::path& path, const std::string& name) {
  const Handle object = open_object(file, path, name);
  if (H5Iget_type(object.get()) != H5I_DATASET) throw data_error("not a dataset", path.string() + ":" + name);
  H5Iinc_ref(object.get());
  return {object.get(), H5Dclose};
}

Handle access_list(Mode mode) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  // The newest format would lock old h5py out; 1.8 knows contiguous datasets without time stamps.
  H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  // Readers take no lock: many ranks open one file, and some parallel file systems know no locks.
  if (mode == Mode::read) H5Pset_file_locking(access, 0, 1);
  return {access, H5Pclose};
}

}  // namespace

void fail(const std::string& what, const std::filesystem::path& file, const std::string& object,
          const std::string& remedy) {
  const std::string detail = stack_text();
  throw data_error(what + " [" + detail + "]", file.string() + (object.empty() ? "" : ":" + object), remedy);
}

Handle open_object(hid_t file, const std::filesystem::path& path, const std::string& name) {
  for (std::size_t slash = 0; slash != std::string::npos && name != "/";) {
    slash = name.find('/', slash + 1);
    const std::string part = name.substr(0, slash);
    H5L_info_t link{};
    if (H5Lget_info(file, part.c_str(), &link, H5P_DEFAULT) < 0) fail("no such object", path, name);
    if (link.type != H5L_TYPE_HARD) {
      throw data_error("refusing to follow a link out of its place", path.string() + ":" + part,
                       "copy the object itself to where the link is");
    }
  }
  const hid_t id = H5Oopen(file, name.c_str(), H5P_DEFAULT);
  if (id < 0) fail("no such object", path, name);
  return {id, H5Oclose};
}

template <>
hid_t native_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t native_type<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
hid_t native_type<std::uint8_t>() {
  return H5T_NATIVE_UINT8;
}
template <>
hid_t native_type<std::uint16_t>() {
  return H5T_NATIVE_UINT16;
}
template <>
hid_t native_type<std::int32_t>() {
  return H5T_NATIVE_INT32;
}
template <>
hid_t native_type<std::uint32_t>() {
  return H5T_NATIVE_UINT32;
}
template <>
hid_t native_type<std::int64_t>() {
  return H5T_NATIVE_INT64;
}
template <>
hid_t native_type<std::uint64_t>() {
  return H5T_NATIVE_UINT64;
}

File::File(const std::filesystem::path& path, Mode mode) : path_(path) {
  const Lock guard(lock());
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  H5PLset_loading_state(0);  // No file makes the process load code.
  const Handle access = access_list(mode);
  if (mode == Mode::create) {
    const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
    H5Pset_obj_track_times(creation.get(), false);
    id_ = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get());
    if (id_ < 0) fail("cannot create the HDF5 file", path, "", "check that the folder exists and is writable");
  } else {
    id_ = H5Fopen(path.c_str(), mode == Mode::edit ? H5F_ACC_RDWR : H5F_ACC_RDONLY, access.get());
    if (id_ < 0) fail("cannot open as an HDF5 file", path, "", "it is missing, truncated or damaged");
  }
}

File::~File() {
  if (id_ < 0) return;
  const Lock guard(lock());
  H5Fclose(id_);
}

File::File(File&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(path_, other.path_);
  return *this;
}

void File::close() {
  if (id_ < 0) return;
  const Lock guard(lock());
  const herr_t closed = H5Fclose(std::exchange(id_, H5I_INVALID_HID));
  if (closed < 0) fail("cannot close the HDF5 file", path_, "", "the disk may be full");
}

void File::flush() {
  const Lock guard(lock());
  if (H5Fflush(id_, H5F_SCOPE_GLOBAL) < 0) fail("cannot write the HDF5 file", path_, "", "the disk may be full");
}

bool File::exists(const std::string& name) const {
  const Lock guard(lock());
  // H5Lexists wants every parent to exist too.
  for (std::size_t slash = name.find('/', 1); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    if (H5Lexists(id_, name.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Lexists(id_, name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> File::list(const std::string& group) const {
  const Lock guard(lock());
  std::vector<std::string> names;
  const auto visit = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  const Handle opened = open_object(id_, path_, group);
  if (H5Literate(opened.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, visit, &names) < 0) {
    fail("cannot list the group", path_, group);
  }
  return names;
}

DatasetFacts File::facts(const std::string& dataset) const {
  const Lock guard(lock());
  const Handle set = open_dataset(id_, path_, dataset);
  const Handle space(H5Dget_space(set.get()), H5Sclose);
  const Handle type(H5Dget_type(set.get()), H5Tclose);
  const Handle plan(H5Dget_create_plist(set.get()), H5Pclose);
  if (!space.ok() || !type.ok() || !plan.ok()) fail("cannot examine the dataset", path_, dataset);
  const auto refuse = [&](const std::string& what) {
    throw data_error(what, path_.string() + ":" + dataset, "the file is truncated or damaged");
  };
  DatasetFacts facts;
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0) fail("cannot examine the dataset", path_, dataset);
  std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr);
  facts.shape.assign(dims.begin(), dims.end());
  for (const std::uint64_t extent : facts.shape) {
    if (__builtin_mul_overflow(facts.elements, extent, &facts.elements)) refuse("the dataset claims 2^64 elements");
  }
  facts.element_size = H5Tget_size(type.get());
  const H5T_class_t kind = H5Tget_class(type.get());
  facts.is_float = kind == H5T_FLOAT;
  facts.is_integer = kind == H5T_INTEGER;
  facts.is_text = kind == H5T_STRING && H5Tis_variable_str(type.get()) == 0;
  facts.is_contiguous = H5Pget_layout(plan.get()) == H5D_CONTIGUOUS && H5Pget_external_count(plan.get()) == 0;
  if (!facts.is_contiguous || facts.elements == 0) return facts;
  const haddr_t offset = H5Dget_offset(set.get());
  const std::uint64_t file_size = std::filesystem::file_size(path_);
  if (offset == HADDR_UNDEF || offset > file_size || facts.element_size == 0 ||
      facts.elements > (file_size - offset) / facts.element_size) {
    refuse("the dataset claims more data than the file holds");
  }
  facts.file_offset = offset;
  return facts;
}

DatasetFacts File::readable(const std::string& dataset) const {
  DatasetFacts facts = this->facts(dataset);
  if (!facts.is_contiguous) {
    throw data_error("refusing a dataset whose storage is not contiguous and in the file itself",
                     path_.string() + ":" + dataset);
  }
  return facts;
}

template <class T>
std::vector<T> File::read(const std::string& dataset) const {
  const Lock guard(lock());
  const DatasetFacts facts = readable(dataset);
  if (!facts.is_float && !facts.is_integer) {
    throw data_error("not a dataset of numbers", path_.string() + ":" + dataset);
  }
  const Handle set = open_dataset(id_, path_, dataset);
  std::vector<T> values(facts.elements);
  if (!values.empty() && H5Dread(set.get(), native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    fail("cannot read the dataset", path_, dataset);
  }
  return values;
}

std::vector<std::string> File::read_strings(const std::string& dataset) const {
  const Lock guard(lock());
  const DatasetFacts facts = readable(dataset);
  if (!facts.is_text) throw data_error("not a dataset of fixed-length text", path_.string() + ":" + dataset);
  const Handle set = open_dataset(id_, path_, dataset);
  const Handle type(H5Dget_type(set.get()), H5Tclose);
  std::vector<char> raw(facts.elements * facts.element_size);
  if (!raw.empty() && H5Dread(set.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) {
    fail("cannot read the dataset", path_, dataset);
  }
  std::vector<std::string> out;
  out.reserve(facts.elements);
  for (std::size_t at = 0; at < raw.size(); at += facts.element_size)
    out.emplace_back(raw.data() + at, strnlen(raw.data() + at, facts.element_size));
  return out;
}

std::uint64_t File::create(const std::string& dataset, hid_t type, const std::vector<std::uint64_t>& shape) {
  const Lock guard(lock());
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  const Handle space(
      dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
      H5Sclose);
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.get(), 1);
  const Handle plan(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_layout(plan.get(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(plan.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(plan.get(), H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(plan.get(), false);
  const Handle set(H5Dcreate2(id_, dataset.c_str(), type, space.get(), links.get(), plan.get(), H5P_DEFAULT), H5Dclose);
  if (!set.ok()) fail("cannot create the dataset", path_, dataset, "the disk may be full");
  const haddr_t offset = H5Dget_offset(set.get());
  return offset == HADDR_UNDEF ? 0 : offset;
}

template <class T>
void File::write(const std::string& dataset, std::span<const T> values, const std::vector<std::uint64_t>& shape) {
  const Lock guard(lock());
  create(dataset, native_type<T>(), shape);
  const Handle set = open_dataset(id_, path_, dataset);
  if (!values.empty() && H5Dwrite(set.get(), native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    fail("cannot write the dataset", path_, dataset, "the disk may be full");
  }
}

void File::write_strings(const std::string& dataset, const std::vector<std::string>& values) {
  const Lock guard(lock());
  std::size_t width = 1;
  for (const auto& value : values)
    width = std::max(width, value.size());
  std::vector<char> raw(std::max<std::size_t>(1, values.size() * width), '\0');
  for (std::size_t i = 0; i < values.size(); ++i)
    std::memcpy(raw.data() + i * width, values[i].data(), values[i].size());
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), width);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  create(dataset, type.get(), {values.size()});
  const Handle set = open_dataset(id_, path_, dataset);
  if (!values.empty() && H5Dwrite(set.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()) < 0) {
    fail("cannot write the dataset", path_, dataset, "the disk may be full");
  }
}

std::string library_version() {
  unsigned major = 0, minor = 0, release = 0;
  const Lock guard(lock());
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

bool library_is_thread_safe() {
  hbool_t safe = 0;
  const Lock guard(lock());
  return H5is_library_threadsafe(&safe) >= 0 && safe;
}

std::string library_file_locking() {
  hbool_t used = 0, passed_over = 0;
  const Lock guard(lock());
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  if (H5Pget_file_locking(access.get(), &used, &passed_over) < 0) return "unknown";
  // What the library does with the variable when it opens a file.
  if (const char* wish = std::getenv("HDF5_USE_FILE_LOCKING")) {
    const std::string_view text(wish);
    if (text == "BEST_EFFORT") return "where the file system can";
    if (text == "TRUE" || text == "1") return "on";
    if (text == "FALSE" || text == "0") return "off";
  }
  if (!used) return "off";
  return passed_over ? "where the file system can" : "on";
}

#define MSN_H5_INSTANTIATE(T)                                      \
  template std::vector<T> File::read<T>(const std::string&) const; \
  template void File::write<T>(const std::string&, std::span<const T>, const std::vector<std::uint64_t>&);
MSN_H5_INSTANTIATE(float)
MSN_H5_INSTANTIATE(double)
MSN_H5_INSTANTIATE(std::uint8_t)
MSN_H5_INSTANTIATE(std::uint16_t)
MSN_H5_INSTANTIATE(std::int32_t)
MSN_H5_INSTANTIATE(std::uint32_t)
MSN_H5_INSTANTIATE(std::int64_t)
MSN_H5_INSTANTIATE(std::uint64_t)
#undef MSN_H5_INSTANTIATE

}  // namespace msn::h5
