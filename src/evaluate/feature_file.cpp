// SPDX-License-Identifier: Apache-2.0
#include "evaluate/feature_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <span>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hdf5.hpp"
#include "comm/shared_folder.hpp"
#include "data/text_list.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

/// Returns where the rows begin.
std::uint64_t lay_out_hdf5(const fs::path& file, const FeatureTable& table, std::uint64_t rows, std::int64_t width) {
  h5::File out(file, h5::Mode::create);
  out.set_int_attribute("/", "format_version", 1);
  for (const auto& [name, value] : table.facts)
    out.set_text_attribute("/", name, value);
  out.write_strings("name", table.names);
  if (!table.classes.empty()) {
    out.write<std::int32_t>("label", table.labels, {table.labels.size()});
    out.write_strings("classes", table.classes);
  }
  if (!table.left_out.empty()) {
    std::vector<std::string> names, reasons;
    for (const BadImage& image : table.left_out) {
      names.push_back(image.name);
      reasons.push_back(image.reason);
    }
    out.write_strings("left_out/name", names);
    out.write_strings("left_out/reason", reasons);
  }
  const std::uint64_t offset =
      out.create("features", h5::native_type<float>(), {rows, static_cast<std::uint64_t>(width)});
  out.close();
  return offset;
}

/// Version 1.0 of the format (numpy.lib.format): a magic, the length of the head, the head as a Python dictionary,
/// padded so that the rows begin at a multiple of 64 bytes.
std::uint64_t lay_out_npy(const fs::path& file, std::uint64_t rows, std::int64_t width) {
  std::string head = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                     std::to_string(width) + "), }";
  constexpr std::size_t before = 10;
  head.append(63 - (before + head.size()) % 64, ' ');
  head += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(head.size() & 0xFF);
  bytes += static_cast<char>(head.size() >> 8);
  bytes += head;
  const FileHandle out(file, O_WRONLY | O_CREAT | O_TRUNC);
  out.write_at(std::as_bytes(std::span(bytes)), 0);
  return bytes.size();
}

std::string names_text(const FeatureTable& table) {
  std::string text;
  for (std::size_t i = 0; i < table.names.size(); ++i) {
    text += list_field(table.names[i]);
    if (!table.classes.empty() && table.labels[i] >= 0)
      text += "," + list_field(table.classes[static_cast<std::size_t>(table.labels[i])]);
    text += "\n";
  }
  return text;
}

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

}  // namespace

FeatureFormat feature_format(const fs::path& file) {
  const fs::path ending = file.extension();
  if (ending == ".h5" || ending == ".hdf5") return FeatureFormat::hdf5;
  if (ending == ".npy") return FeatureFormat::npy;
  throw usage_error("the ending of the output names no format", file.string(), "end it in .h5, .hdf5 or .npy");
}

fs::path names_file(const fs::path& npy) {
  return fs::path(npy).replace_extension(".csv");
}

void write_feature_file(const World& world, const fs::path& file, const FeatureTable& table, const RowsOfRank& rows,
                        std::int64_t width) {
  const FeatureFormat format = feature_format(file);
  if (world.size() > 1) check_shared_folder(world, folder_of(file));
  const fs::path beside = file.string() + ".partial";
  try {
    const std::uint64_t offset = std::stoull(world.on_root([&] {
      return std::to_string(format == FeatureFormat::hdf5 ? lay_out_hdf5(beside, table, rows.total, width)
                                                          : lay_out_npy(beside, rows.total, width));
    }));
    world.agree([&] {
      const FileHandle out(beside, O_WRONLY);
      out.write_at({static_cast<const std::byte*>(rows.values.const_data_ptr()), rows.values.nbytes()},
                   offset + rows.first * static_cast<std::uint64_t>(width) * sizeof(float));
      out.sync();
    });
    world.on_root([&] {
      // The names first: rows that have none would tell nothing.
      if (format == FeatureFormat::npy) write_durably(names_file(file), names_text(table));
      rename_durably(beside, file);
      return std::string();
    });
  } catch (...) {
    if (world.rank() == 0) ::unlink(beside.c_str());
    throw;
  }
}

}  // namespace msn
