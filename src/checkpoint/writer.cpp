// SPDX-License-Identifier: Apache-2.0
// The commit protocol up to the last rank's file: copy, write beside, fsync, hash, agree. The labelled points are where
// tests kill a rank.
#include "checkpoint/writer.hpp"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <utility>

#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/inject.hpp"
#include "base/log.hpp"
#include "base/seconds_since.hpp"
#include "base/utc.hpp"
#include "checkpoint/commit.hpp"
#include "checkpoint/layout.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;      ///< Bytes that are hashed and given to the kernel at once.
constexpr std::size_t kWriteback = std::size_t{8} << 20;  ///< After so many bytes the disk begins with them.
constexpr const char* kRoom = "check the free space and rights of the run folder";

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

std::vector<std::uint64_t> sizes_of(const std::vector<StateTensor>& state) {
  std::vector<std::uint64_t> sizes;
  for (const auto& tensor : state)
    sizes.push_back(tensor.bytes.size());
  return sizes;
}

std::span<const StateTensor> tensors_of(const Slice& slice, const std::vector<StateTensor>& state) {
  return std::span(state).subspan(slice.begin, slice.end - slice.begin);
}

/// Sets this life's folders apart from those of a job that does not know yet that it was replaced.
std::string draw_life() {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", std::random_device{}());
  return text;
}

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Error& error) {
  return {{"code", static_cast<int>(error.code())},
          {"problem", error.problem()},
          {"where", error.where()},
          {"remedy", error.remedy()}};
}

Error error_of(const Json& json) {
  return {static_cast<ExitCode>(json.at("code").get<int>()), json.at("problem"), json.at("where"), json.at("remedy")};
}

/// The exception that is being handled, with the place where it came up and something to do about it.
Error present_error(const std::string& place) {
  const Error error = to_error(std::current_exception());
  const std::string where = error.where() + (error.where().empty() || place.empty() ? "" : ", ") + place;
  const bool is_silent = error.code() == ExitCode::data && error.remedy().empty();
  return {error.code(), error.problem(), where, is_silent ? kRoom : error.remedy()};
}

struct Hashes {
  Hasher file;
  std::vector<Hasher> tensors;
};

/// Has the disk begin with these bytes, so that little is left for fsync. Advice only.
void start_writeback(const FileHandle& file, std::size_t offset, std::size_t size) {
  ::sync_file_range(file.get(), static_cast<off64_t>(offset), static_cast<off64_t>(size), SYNC_FILE_RANGE_WRITE);
}

}  // namespace

struct CheckpointWriter::Shared {
  CheckpointWriterOptions options;
  int rank = 0;
  std::string place;  ///< "rank 1 of 2, host n07", if there are several.
  std::string host;
  std::string life;
  std::string file;  ///< Of this rank's slice.
  std::unique_ptr<FileImage> image;
  std::atomic<bool> given_up{false};     ///< Nobody waits for the file any more.
  std::atomic<bool> left_behind{false};  ///< The writer is gone, and what its options refer to.
  // What the last job found out, as JSON; read when it has ended.
  std::string part;     ///< Of the manifest, or the error.
  std::string outcome;  ///< Of the save, on rank 0.

  fs::path partial(std::uint64_t step) const { return partial_folder(options.run, step, life); }

  void ask_leave() const {
    if (left_behind) throw internal_error("the checkpoint's writer is gone");
    options.may_publish();
  }

  Hashes write_image(const fs::path& path) const;
  Json write_slice(std::uint64_t step) const;
  void write(std::uint64_t step);
  void commit(const Manifest& manifest) const;
  void end_save(const EndOfSave& end, const std::vector<std::string>& parts);
};

/// Writes the image and hashes it, piece by piece while the processor's cache has it. What is hashed is what the kernel
/// is given: damage on the way to the disk shows when the file is read, which a look at the kernel's own copy would not
/// tell.
Hashes CheckpointWriter::Shared::write_image(const fs::path& path) const {
  const FileHandle file(path, O_WRONLY | O_CREAT | O_TRUNC);
  inject("checkpoint-opened", rank);
  const std::span<const std::byte> bytes = image->bytes();
  const std::size_t piece_size = std::clamp(bytes.size() / 2, std::size_t{1}, kPiece);
  Hashes hashes{{}, std::vector<Hasher>(image->tensors())};
  std::size_t started = 0;
  for (std::size_t at = 0, end = 0; at < bytes.size(); at = end) {
    if (given_up) throw internal_error("the save was given up");
    end = std::min(at + piece_size, bytes.size());
    const auto piece = bytes.subspan(at, end - at);
    hashes.file.update(piece);
    image->visit_tensors(at, end, [&](std::size_t tensor, auto part) { hashes.tensors[tensor].update(part); });
    file.write_at(piece, at);
    if (end - started >= kWriteback || end == bytes.size()) {
      start_writeback(file, started, end - started);
      started = end;
    }
    if (at < bytes.size() / 2 && end >= bytes.size() / 2) inject("checkpoint-half", rank);
  }
  inject("checkpoint-filled", rank);
  file.sync();
  inject("checkpoint-synced", rank);
  return hashes;
}

/// This rank's part of the manifest.
Json CheckpointWriter::Shared::write_slice(std::uint64_t step) const {
  make_checkpoint_folder(checkpoints_folder(options.run));
  make_checkpoint_folder(partial(step));
  inject("checkpoint-begun", rank);
  const Hashes hashes = write_image(partial(step) / file);
  Json part{{"hash", hashes.file.hex()}, {"size", image->bytes().size()}, {"tensors", Json::array()}};
  for (const Hasher& hasher : hashes.tensors)
    part["tensors"].push_back(hasher.hex());
  return part;
}

void CheckpointWriter::Shared::write(std::uint64_t step) {
  try {
    part = text_of(write_slice(step));
  } catch (...) {
    part = text_of({{"error", to_json(present_error(place))}});
  }
}

void CheckpointWriter::Shared::commit(const Manifest& manifest) const {
  commit_checkpoint(options.run, partial(manifest.facts.step), manifest, [this] { ask_leave(); });
  try {
    ask_leave();
    options.after_commit();
  } catch (const Error& error) {
    log::warn(std::string("old checkpoints stay: ") + error.what());
  }
}

/// Commits the checkpoint, or removes what there is of it. No rank is still writing.
void CheckpointWriter::Shared::end_save(const EndOfSave& end, const std::vector<std::string>& parts) {
  Json json;
  try {
    Manifest manifest = end.manifest;
    std::uint64_t bytes = 0;
    for (std::size_t w = 0; w < end.slices.size(); ++w) {
      const Slice& slice = end.slices[w];
      const Json written = Json::parse(parts[w]);
      if (written.contains("error")) throw error_of(written["error"]);
      for (std::size_t i = slice.begin; i < slice.end; ++i)
        manifest.tensors[i].hash = written.at("tensors").at(i - slice.begin);
      manifest.files.push_back({slice.file, written.at("size"), written.at("hash")});
      bytes += manifest.files.back().size;
    }
    manifest.written = {utc_text(std::chrono::system_clock::now()), host, MSN_VERSION};
    commit(manifest);
    json = {{"bytes", bytes}};
  } catch (...) {
    json = {{"bytes", 0}, {"error", to_json(present_error({}))}};
    inject("checkpoint-discard", rank);
    const fs::path rest = partial(end.manifest.facts.step);
    if (folder_exists(rest)) remove_folder(rest);
  }
  json["seconds"] = seconds_since(end.began);
  outcome = text_of(json);
}

CheckpointWriter::CheckpointWriter(const World& world, const std::vector<StateTensor>& state,
                                   CheckpointWriterOptions options)
    : world_(world),
      slices_(cut_into_slices(sizes_of(state), std::clamp(options.writers, 1, world.size()))),
      shared_(std::make_shared<Shared>()) {
  world.agree([&] { check_state(state); });
  const fs::path checkpoints = checkpoints_folder(options.run);
  shared_->options = std::move(options);
  shared_->rank = world.rank();
  shared_->host = world.host();
  if (world.size() > 1) {
    shared_->place =
        "rank " + std::to_string(world.rank()) + " of " + std::to_string(world.size()) + ", host " + world.host();
  }
  shared_->life = world.on_root([&] {
    make_checkpoint_folder(checkpoints);
    sync_path(shared_->options.run);
    sweep(shared_->options.run);
    inject("checkpoint-swept", 0);
    return draw_life();
  });
  world.agree([&] {
    const auto rank = static_cast<std::size_t>(world.rank());
    const bool writes = rank < slices_.size();
    if (writes) {
      const fs::path scratch = checkpoints / (".partial-layout-" + shared_->life + "-" + std::to_string(rank));
      shared_->file = slices_[rank].file;
      shared_->image = std::make_unique<FileImage>(scratch, tensors_of(slices_[rank], state));
    }
    if (!writes && rank > 0) return;
    thread_ = std::make_unique<BackgroundThread>();
    thread_->start([] {});
    thread_->wait_until_idle();
  });
  if (world.rank() > 0) return;
  for (const Slice& slice : slices_) {
    for (const StateTensor& tensor : tensors_of(slice, state))
      tensors_.push_back({tensor.name, tensor.type, tensor.shape, slice.file, {}});
  }
}

CheckpointWriter::~CheckpointWriter() {
  shared_->given_up = true;
  thread_.reset();
  shared_->left_behind = true;
}

std::uint64_t CheckpointWriter::memory() const {
  return shared_->image ? shared_->image->bytes().size() : 0;
}

void CheckpointWriter::begin(const CheckpointFacts& facts, const std::vector<StateTensor>& state) {
  MSN_CHECK(!busy());
  began_ = std::chrono::steady_clock::now();
  facts_ = facts;
  const bool alone = slices_.size() == 1;  // Rank 0 need not hear of the others before it commits.
  phase_ = alone ? Phase::committing : Phase::writing;
  if (!shared_->image) return;
  const Slice& slice = slices_[static_cast<std::size_t>(world_.rank())];
  shared_->image->take(tensors_of(slice, state), shared_->options.parallel_for);
  inject("checkpoint-copied", world_.rank());
  if (alone) {
    thread_->start([shared = shared_, end = end_of_save()] {
      shared->write(end.manifest.facts.step);
      shared->end_save(end, {shared->part});
    });
  } else {
    thread_->start([shared = shared_, step = facts.step] { shared->write(step); });
  }
}

CheckpointWriter::EndOfSave CheckpointWriter::end_of_save() const {
  return {{facts_, tensors_, {}, {}}, slices_, began_};
}

bool CheckpointWriter::ready() const {
  const bool works = phase_ == Phase::writing || (phase_ == Phase::committing && world_.rank() == 0);
  return !works || !thread_ || thread_->idle();
}

std::optional<SaveResult> CheckpointWriter::advance(bool all_ready) {
  if (!busy() || !all_ready) return std::nullopt;
  MSN_CHECK(ready());
  if (phase_ == Phase::writing) {
    const std::vector<std::string> parts = world_.gather(shared_->part);
    inject("checkpoint-gathered", world_.rank());
    phase_ = Phase::committing;
    if (world_.rank() == 0) {
      thread_->start([shared = shared_, end = end_of_save(), parts] { shared->end_save(end, parts); });
    }
    return std::nullopt;
  }
  const Json json = Json::parse(world_.on_root([&] { return shared_->outcome; }));
  phase_ = Phase::idle;
  SaveResult result{facts_.step, json.at("seconds"), json.at("bytes"), std::nullopt};
  if (json.contains("error")) result.failure = error_of(json["error"]);
  return result;
}

std::optional<SaveResult> CheckpointWriter::finish() {
  std::optional<SaveResult> result;
  while (busy()) {
    if (!ready()) thread_->wait_until_idle();
    result = advance(true);
  }
  return result;
}

void write_checkpoint(const World& world, const fs::path& run, const CheckpointFacts& facts,
                      const std::vector<StateTensor>& state, int writers) {
  CheckpointWriter writer(world, state, {.run = run, .writers = writers});
  writer.begin(facts, state);
  const std::optional<SaveResult> result = writer.finish();
  if (result->failure) throw AgreedError(*result->failure);
}

}  // namespace msn
