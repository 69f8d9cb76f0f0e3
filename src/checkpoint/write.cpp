// SPDX-License-Identifier: Apache-2.0
// The commit protocol, in order (docs/formats.md): write beside, check, hash, fsync, agree, manifest, fsync, rename,
// fsync, `latest`. The labelled points are where tests kill a rank.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/hdf5.hpp"
#include "base/inject.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRoom = "check the free space and rights of the run folder";

/// A contiguous run of tensors that one rank writes to one file.
struct Slice {
  std::size_t begin = 0, end = 0;
  std::string file;
};

void check_state(const std::vector<StateTensor>& state) {
  std::set<std::string> names;
  for (const auto& tensor : state) {
    if (!is_plain_name(tensor.name) || !names.insert(tensor.name).second) {
      throw internal_error("the state has a tensor whose name is not plain or not unique", tensor.name);
    }
    if (tensor_bytes(tensor.type, tensor.shape, tensor.name) != tensor.bytes.size()) {
      throw internal_error("the state has a tensor whose bytes do not fit its shape", tensor.name);
    }
  }
}

/// Whole tensors, in order, about equal bytes each: a tensor goes to the writer that its middle byte falls to.
std::vector<Slice> cut_into_slices(const std::vector<StateTensor>& state, int writers) {
  std::uint64_t total = 0;
  for (const auto& tensor : state)
    total += tensor.bytes.size();
  std::vector<Slice> slices;
  std::uint64_t before = 0, last_owner = 0;
  for (std::size_t i = 0; i < state.size(); ++i) {
    const std::uint64_t middle = before + state[i].bytes.size() / 2;
    const auto owner =
        static_cast<std::uint64_t>(static_cast<double>(middle) / static_cast<double>(total + 1) * writers);
    if (slices.empty() || owner != last_owner) slices.push_back({i, i, {}});
    slices.back().end = i + 1;
    last_owner = owner;
    before += state[i].bytes.size();
  }
  for (std::size_t w = 0; w < slices.size(); ++w) {
    char name[64];
    std::snprintf(name, sizeof name, "state-%05zu-of-%05zu.h5", w, slices.size());
    slices[w].file = name;
  }
  return slices;
}

void make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0750) == 0) {
    sync_path(folder.has_parent_path() ? folder.parent_path() : fs::path("."));
  } else if (errno != EEXIST) {
    throw system_error("cannot make the folder", folder.string(), errno, kRoom);
  }
}

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

void write_file(const fs::path& path, std::span<const StateTensor> tensors, int rank) {
  std::vector<std::uint64_t> offsets;
  {
    h5::File file(path, h5::Mode::create);
    for (const auto& tensor : tensors) {
      offsets.push_back(file.create(tensor.name, h5_type(tensor.type),
                                    std::vector<std::uint64_t>(tensor.shape.begin(), tensor.shape.end())));
    }
    file.close();
  }
  inject("checkpoint-allocated", rank);
  const FileHandle handle(path, O_RDWR);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    handle.write_at(tensors[i].bytes, offsets[i]);
  inject("checkpoint-filled", rank);
  handle.sync();
}

/// This rank's part of the manifest as JSON text; empty if it writes nothing.
std::string write_slice(const World& world, const fs::path& folder, const std::vector<StateTensor>& state,
                        const std::vector<Slice>& slices) {
  const auto rank = static_cast<std::size_t>(world.rank());
  if (rank >= slices.size()) return {};
  const Slice& slice = slices[rank];
  const fs::path path = folder / slice.file;
  const std::span tensors(state.data() + slice.begin, slice.end - slice.begin);
  write_file(path, tensors, world.rank());
  nlohmann::json part{
      {"hash", hash_file(path)}, {"size", FileHandle(path, O_RDONLY).size()}, {"tensors", nlohmann::json::array()}};
  for (const auto& tensor : tensors)
    part["tensors"].push_back(hash_hex(tensor.bytes));
  inject("checkpoint-synced", world.rank());
  return part.dump();
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

Manifest make_manifest(const World& world, const CheckpointFacts& facts, const std::vector<StateTensor>& state,
                       const std::vector<Slice>& slices, const std::vector<std::string>& parts) {
  Manifest manifest{facts, {}, {}, {utc_now(), world.host(), MSN_VERSION}};
  for (std::size_t w = 0; w < slices.size(); ++w) {
    const auto part = nlohmann::json::parse(parts[w]);
    const auto& hashes = part.at("tensors");
    manifest.files.push_back({slices[w].file, part.at("size"), part.at("hash")});
    for (std::size_t i = slices[w].begin; i < slices[w].end; ++i) {
      manifest.tensors.push_back(
          {state[i].name, state[i].type, state[i].shape, slices[w].file, hashes.at(i - slices[w].begin)});
    }
  }
  return manifest;
}

/// The folder has, as rank 0 sees it, what the manifest lists: ranks may have written to folders of the same name on
/// different disks.
void check_visible(const fs::path& folder) {
  try {
    read_manifest(folder);
  } catch (const Error& error) {
    throw data_error("rank 0 does not see what another rank wrote: " + error.problem(), error.where(),
                     "put the run folder on a file system that all hosts share");
  }
}

/// Whether the checkpoint that is there already is whole and holds the same.
bool holds_same(const fs::path& checkpoint, const Manifest& manifest) {
  try {
    if (!read_manifest(checkpoint).same_state(manifest)) return false;
    verify_checkpoint(checkpoint);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void point_latest_to(const fs::path& run, std::uint64_t step) {
  write_durably(checkpoints_folder(run) / "latest", step_name(step) + "\n");
}

/// Gives the finished folder its name. Undoes itself if that, or `latest`, fails.
void publish(const fs::path& run, std::uint64_t step) {
  const fs::path partial = partial_folder(run, step), aside = replaced_folder(run, step);
  const fs::path final_folder = checkpoints_folder(run) / step_name(step);
  const bool replaces = folder_exists(final_folder);
  try {
    if (replaces) rename_durably(final_folder, aside);
    inject("checkpoint-aside", 0);
    rename_durably(partial, final_folder);
    inject("checkpoint-published", 0);
    point_latest_to(run, step);
  } catch (const Error&) {
    // A rename may have happened although it could not be made durable; the names say how far it came.
    std::error_code ignored;
    if (!folder_exists(partial)) fs::rename(final_folder, partial, ignored);
    if (replaces && !folder_exists(final_folder)) fs::rename(aside, final_folder, ignored);
    throw;
  }
  inject("checkpoint-latest", 0);
  if (replaces) remove_folder(aside);
}

void commit(const fs::path& run, const Manifest& manifest) {
  const std::uint64_t step = manifest.facts.step;
  const fs::path partial = partial_folder(run, step);
  write_durably(partial / "manifest.json", manifest_text(manifest));
  check_visible(partial);
  inject("checkpoint-manifest", 0);
  if (holds_same(checkpoints_folder(run) / step_name(step), manifest)) {
    point_latest_to(run, step);
    remove_folder(partial);
  } else {
    publish(run, step);
  }
}

/// Rank 0: an empty folder to write into.
void prepare(const fs::path& run, std::uint64_t step) {
  make_folder(checkpoints_folder(run));
  sweep(run);
  inject("checkpoint-swept", 0);
  make_folder(partial_folder(run, step));
  inject("checkpoint-begun", 0);
}

}  // namespace

void write_checkpoint(const World& world, const fs::path& run, const CheckpointFacts& facts,
                      const std::vector<StateTensor>& state, int writers) {
  const auto on_root = [&](auto&& action) {
    world.on_root([&] {
      action();
      return std::string();
    });
  };
  const fs::path partial = partial_folder(run, facts.step);
  const auto slices = cut_into_slices(state, std::clamp(writers, 1, world.size()));
  std::string part;
  world.agree([&] { check_state(state); });
  try {
    on_root([&] { prepare(run, facts.step); });
    world.agree([&] { part = write_slice(world, partial, state, slices); });
    const auto parts = world.gather(part);
    on_root([&] { commit(run, make_manifest(world, facts, state, slices, parts)); });
  } catch (const AgreedError&) {
    // No rank is still writing: all of them have thrown this.
    if (world.rank() == 0 && folder_exists(partial)) remove_folder(partial);
    throw;
  }
}

}  // namespace msn
