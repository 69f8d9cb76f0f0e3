// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/hdf5_handle.hpp"

namespace msn::h5 {

bool File::has_attribute(const std::string& object, const std::string& name) const {
  const Lock guard(lock());
  const Handle owner = open_object(id_, path_, object);
  return H5Aexists(owner.get(), name.c_str()) > 0;
}

namespace {

template <class T>
T read_attribute(hid_t file, const std::filesystem::path& path, const std::string& object, const std::string& name) {
  const Lock guard(lock());
  const Handle owner = open_object(file, path, object);
  const Handle attribute(H5Aopen(owner.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute.ok()) fail("no such attribute", path, object + "@" + name);
  const Handle space(H5Aget_space(attribute.get()), H5Sclose);
  if (H5Sget_simple_extent_npoints(space.get()) != 1) fail("not a single value", path, object + "@" + name);
  T value{};
  if (H5Aread(attribute.get(), native_type<T>(), &value) < 0)
    fail("cannot read the attribute", path, object + "@" + name);
  return value;
}

void write_attribute(hid_t file, const std::filesystem::path& path, const std::string& object, const std::string& name,
                     hid_t type, const void* value) {
  const Lock guard(lock());
  const Handle owner = open_object(file, path, object);
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  if (H5Aexists(owner.get(), name.c_str()) > 0) H5Adelete(owner.get(), name.c_str());
  const Handle attribute(H5Acreate2(owner.get(), name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (!attribute.ok() || H5Awrite(attribute.get(), type, value) < 0) {
    fail("cannot write the attribute", path, object + "@" + name, "the disk may be full");
  }
}

}  // namespace

std::int64_t File::int_attribute(const std::string& object, const std::string& name) const {
  return read_attribute<std::int64_t>(id_, path_, object, name);
}

double File::real_attribute(const std::string& object, const std::string& name) const {
  return read_attribute<double>(id_, path_, object, name);
}

std::string File::text_attribute(const std::string& object, const std::string& name) const {
  const Lock guard(lock());
  const Handle owner = open_object(id_, path_, object);
  const Handle attribute(H5Aopen(owner.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute.ok()) fail("no such attribute", path_, object + "@" + name);
  const Handle type(H5Aget_type(attribute.get()), H5Tclose);
  const Handle space(H5Aget_space(attribute.get()), H5Sclose);
  if (H5Sget_simple_extent_npoints(space.get()) != 1) fail("not a single value", path_, object + "@" + name);
  if (H5Tget_class(type.get()) != H5T_STRING) fail("not a text", path_, object + "@" + name);
  if (H5Tis_variable_str(type.get()) > 0) {
    char* raw = nullptr;
    if (H5Aread(attribute.get(), type.get(), &raw) < 0) fail("cannot read the attribute", path_, object + "@" + name);
    std::string text = raw == nullptr ? "" : raw;
    H5free_memory(raw);
    return text;
  }
  std::string text(H5Tget_size(type.get()), '\0');
  if (H5Aread(attribute.get(), type.get(), text.data()) < 0) {
    fail("cannot read the attribute", path_, object + "@" + name);
  }
  text.resize(strnlen(text.data(), text.size()));
  return text;
}

void File::set_int_attribute(const std::string& object, const std::string& name, std::int64_t value) {
  write_attribute(id_, path_, object, name, H5T_NATIVE_INT64, &value);
}

void File::set_text_attribute(const std::string& object, const std::string& name, const std::string& value) {
  const Lock guard(lock());
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), std::max<std::size_t>(1, value.size()));
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  write_attribute(id_, path_, object, name, type.get(), value.empty() ? "" : value.data());
}

}  // namespace msn::h5
