// SPDX-License-Identifier: Apache-2.0
#include "evaluate/feature_cache.hpp"

#include <ATen/ops/empty.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/hdf5.hpp"
#include "base/log.hpp"
#include "base/plain_hdf5.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

/// Of the way from an image to its row: it changes when the same network would give other rows.
constexpr int kRowsVersion = 1;
constexpr char kRemedy[] = "remove it";

std::span<std::byte> bytes_of(const at::Tensor& values) {
  return {static_cast<std::byte*>(values.mutable_data_ptr()), values.nbytes()};
}

std::string numbers_text(const std::array<double, 3>& numbers) {
  char text[128];
  std::snprintf(text, sizeof text, "%.17g %.17g %.17g", numbers[0], numbers[1], numbers[2]);
  return text;
}

std::string one_text(const FileHandle& file, const h5::PlainFile& index, const std::string& dataset) {
  const std::vector<std::string> texts = h5::read_plain_text(file, index, dataset);
  if (texts.size() != 1) throw data_error("there is not one text", file.path().string() + ":" + dataset, kRemedy);
  return texts.front();
}

/// The rows that rank 0 finds, or an undefined tensor; tells what it finds.
at::Tensor look_up(const fs::path& path, const std::string& key, std::int64_t rows, std::int64_t width) {
  if (!fs::exists(path)) return {};
  try {
    const at::Tensor values = read_feature_cache(FileHandle(path, O_RDONLY), key, rows, width);
    log::info("features of " + std::to_string(rows) + " images from " + path.string());
    return values;
  } catch (const Error& error) {
    log::warn("cached features are made anew: " + std::string(error.what()));
    return {};
  }
}

void keep(const fs::path& path, const std::string& key, const at::Tensor& values) {
  try {
    fs::create_directories(path.parent_path());
    write_feature_cache(path, key, values);
  } catch (const std::exception& error) {
    log::warn("the features are not cached: " + std::string(error.what()));
  }
}

}  // namespace

std::string feature_key(const FeatureMaker& maker, const DataSet& set, std::span<const std::uint64_t> samples) {
  if (maker.identity.empty()) return {};
  const ViewsConfig& views = maker.config.views;
  return "rows " + std::to_string(kRowsVersion) + "\nnetwork " + maker.identity + "\nwidth " +
         std::to_string(maker.width) + "\nview " + std::to_string(maker.config.model.image_size) + " " +
         (views.interpolation == Interpolation::bilinear ? "bilinear" : "bicubic") + " " +
         (views.resize_order == ResizeOrder::horizontal ? "horizontal" : "pillow13") + "\nmean " +
         numbers_text(views.mean) + "\nstd " + numbers_text(views.std) + "\ndata " + set.manifest().fingerprint +
         "\nsamples " + std::to_string(samples.size()) + " " + hash_hex(std::as_bytes(samples)) + "\n";
}

fs::path feature_cache_file(const fs::path& folder, const std::string& key) {
  return folder / ("features-" + hash_hex(key) + ".h5");
}

at::Tensor read_feature_cache(const FileHandle& file, const std::string& key, std::int64_t rows, std::int64_t width) {
  const h5::PlainFile index = h5::read_plain_file(file, h5::Reals::taken);
  if (one_text(file, index, "key") != key) {
    throw data_error("the file holds other features than its name says", file.path().string(), kRemedy);
  }
  const auto found = index.datasets.find("features");
  const std::vector<std::uint64_t> shape{static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(width)};
  if (found == index.datasets.end() || found->second.kind != h5::ElementKind::real ||
      found->second.element_size != sizeof(float) || found->second.shape != shape) {
    throw data_error("the file holds no float32 features of this shape", file.path().string(), kRemedy);
  }
  const at::Tensor values = at::empty({rows, width}, at::kFloat);
  file.read_at(bytes_of(values), found->second.file_offset);
  if (hash_hex(bytes_of(values)) != one_text(file, index, "hash")) {
    throw data_error("the features are damaged: they do not have their hash", file.path().string(), kRemedy);
  }
  return values;
}

void write_feature_cache(const fs::path& file, const std::string& key, const at::Tensor& values) {
  MSN_CHECK(values.is_contiguous() && values.scalar_type() == at::kFloat);
  // Jobs that know nothing of each other may write the same file.
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  const fs::path beside = file.string() + "." + std::to_string(now) + "-" + std::to_string(::getpid()) + ".tmp";
  try {
    h5::File layout(beside, h5::Mode::create);
    layout.write_strings("key", {key});
    layout.write_strings("hash", {hash_hex(bytes_of(values))});
    const std::uint64_t offset =
        layout.create("features", h5::native_type<float>(),
                      {static_cast<std::uint64_t>(values.size(0)), static_cast<std::uint64_t>(values.size(1))});
    layout.close();
    const FileHandle out(beside, O_WRONLY);
    out.write_at(bytes_of(values), offset);
    out.sync();
    rename_durably(beside, file);
  } catch (...) {
    ::unlink(beside.c_str());
    throw;
  }
}

at::Tensor cached_features(const World& world, const std::optional<fs::path>& cache, const DataSet& set,
                           std::span<const std::uint64_t> samples, const FeatureMaker& maker,
                           const ExtractionOptions& options) {
  const std::string key = cache ? feature_key(maker, set, samples) : std::string();
  if (key.empty()) return extract_features(world, images_of(set, samples), maker, options).values;
  const fs::path file = feature_cache_file(*cache, key);
  at::Tensor values;
  const std::string found = world.on_root([&]() -> std::string {
    values = look_up(file, key, static_cast<std::int64_t>(samples.size()), maker.width);
    return values.defined() ? "found" : "";
  });
  if (!found.empty()) {
    if (!values.defined()) values = at::empty({static_cast<std::int64_t>(samples.size()), maker.width}, at::kFloat);
    world.broadcast_bytes(bytes_of(values));
    return values;
  }
  values = extract_features(world, images_of(set, samples), maker, options).values;
  if (world.rank() == 0) keep(file, key, values);
  return values;
}

}  // namespace msn
