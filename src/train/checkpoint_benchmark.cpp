// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_benchmark.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/quantile.hpp"
#include "base/random.hpp"
#include "base/seconds_since.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/writer.hpp"
#include "train/replicas.hpp"
#include "train/setup.hpp"
#include "train/state.hpp"
#include "train/threads.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;  // What dd is given in the documentation.

/// A folder of the benchmark's own. Rank 0 removes it, and what was made above it.
class OwnFolder {
 public:
  OwnFolder(const World& world, const fs::path& parent) {
    path_ = world.on_root([&] {
      was_there_ = fs::exists(parent);
      std::error_code failed;
      fs::create_directories(parent, failed);
      std::string name = (parent / ".bench-checkpoint-XXXXXX").string();
      if (failed || ::mkdtemp(name.data()) == nullptr) {
        throw system_error("cannot make a folder to write in", parent.string(), failed ? failed.value() : errno,
                           "give a --run in a folder that you may write to");
      }
      own_ = true;
      return name;
    });
  }
  ~OwnFolder() {
    std::error_code ignored;
    if (!own_) return;
    fs::remove_all(path_, ignored);
    if (!was_there_) fs::remove(path_.parent_path(), ignored);
  }
  OwnFolder(const OwnFolder&) = delete;
  OwnFolder& operator=(const OwnFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  bool own_ = false;
  bool was_there_ = true;
};

using Clock = std::chrono::steady_clock;

/// Seconds of the slowest rank. An error of any rank is thrown on all.
double seconds_of(const World& world, const std::function<void()>& work) {
  world.barrier();
  const Clock::time_point began = Clock::now();
  world.agree(work);
  return seconds_since(began);
}

std::vector<std::byte> random_piece() {
  std::vector<std::byte> piece(kPiece);
  RandomStream stream(1, "bench checkpoint", Purpose::generator);
  for (std::byte& byte : piece)
    byte = static_cast<std::byte>(stream.next_u32() & 0xff);
  return piece;
}

void write_plainly(const fs::path& path, std::span<const std::byte> piece, std::uint64_t bytes) {
  const FileHandle file(path, O_WRONLY | O_CREAT | O_TRUNC);
  for (std::uint64_t at = 0; at < bytes; at += piece.size())
    file.write_at(piece.first(std::min<std::uint64_t>(piece.size(), bytes - at)), at);
  file.sync();
}

void read_plainly(const fs::path& path, std::span<std::byte> piece) {
  const FileHandle file(path, O_RDONLY);
  const std::uint64_t bytes = file.size();
  for (std::uint64_t at = 0; at < bytes; at += piece.size())
    file.read_at(piece.first(std::min<std::uint64_t>(piece.size(), bytes - at)), at);
}

struct Writing {
  std::vector<double> held, copy, write, plain, ratio;
};

class Benchmark {
 public:
  Benchmark(const World& world, const Config& config, const fs::path& folder)
      : world_(world),
        folder_(folder),
        state_(vit_shape(config.model), config.model.prototypes, scalar_type(config.train.precision)),
        writer_(world, state_tensors(state_),
                {.run = folder, .writers = config.checkpoint.writers, .parallel_for = for_each_on_compute_threads}),
        piece_(random_piece()) {
    state_.initialise(config.train.seed);
    facts_.global_batch = static_cast<std::uint64_t>(config.train.global_batch);
    facts_.world_size = world.size();
    facts_.config_toml = to_toml(config);
  }

  int writers() const { return static_cast<int>(world_.sum(writer_.memory() > 0 ? 1 : 0)); }
  std::uint64_t bytes() const { return world_.sum(writer_.memory()); }

  void write(Writing& times) {
    const fs::path plain = folder_ / ("plain-" + std::to_string(world_.rank()));
    times.plain.push_back(seconds_of(world_, [&] {
      if (writer_.memory() > 0) write_plainly(plain, piece_, writer_.memory());
    }));
    ::unlink(plain.c_str());
    ++facts_.step;
    const Clock::time_point began = Clock::now();
    check_replicas(world_, state_);
    const double compared = seconds_since(began);
    const double copied = seconds_of(world_, [&] { writer_.begin(facts_, state_tensors(state_)); });
    const std::optional<SaveResult> result = writer_.finish();
    if (result->failure) throw AgreedError(*result->failure);
    times.held.push_back(compared + copied);
    times.copy.push_back(copied);
    times.write.push_back(result->seconds - copied);
    times.ratio.push_back(times.plain.back() / times.write.back());
    world_.on_root([&] {  // One checkpoint at a time.
      if (facts_.step > 1) fs::remove_all(checkpoint(facts_.step - 1));
      return std::string();
    });
  }

  ReadingTimes read(int repeats, const std::function<void()>& before) {
    std::vector<double> plain, load, verify;
    const fs::path folder = checkpoint(facts_.step);
    for (int i = 0; i < repeats; ++i) {
      before();
      plain.push_back(seconds_of(world_, [&] {
        for (const fs::path& file : files())
          read_plainly(file, piece_);
      }));
      before();
      load.push_back(seconds_of(world_, [&] { read_checkpoint(folder, state_tensors(state_)); }));
      before();
      verify.push_back(seconds_of(world_, [&] { verify_checkpoint(folder); }));
    }
    return {median(plain), median(load), median(verify)};
  }

  /// Asks the kernel to forget the files. It does so with what is on the disk and nobody has mapped.
  void forget() const {
    for (const fs::path& file : files())
      ::posix_fadvise(FileHandle(file, O_RDONLY).get(), 0, 0, POSIX_FADV_DONTNEED);
    world_.barrier();
  }

 private:
  fs::path checkpoint(std::uint64_t step) const { return checkpoints_folder(folder_) / step_name(step); }

  std::vector<fs::path> files() const {
    std::vector<fs::path> files;
    for (const ManifestFile& file : read_manifest(checkpoint(facts_.step)).files)
      files.push_back(checkpoint(facts_.step) / file.name);
    return files;
  }

  const World& world_;
  const fs::path folder_;
  TrainState state_;
  CheckpointWriter writer_;
  CheckpointFacts facts_;
  std::vector<std::byte> piece_;
};

}  // namespace

CheckpointBenchmark benchmark_checkpoint(const World& world, const Config& config, const fs::path& folder,
                                         int repeats) {
  set_up_threads(world, config.runtime.threads);
  const OwnFolder own(world, folder);
  Benchmark benchmark(world, config, own.path());
  Writing writing;
  for (int i = 0; i < repeats; ++i)
    benchmark.write(writing);
  CheckpointBenchmark result;
  result.writers = benchmark.writers();
  result.bytes = benchmark.bytes();
  result.held = median(writing.held);
  result.copy = median(writing.copy);
  result.write = median(writing.write);
  result.plain_write = median(writing.plain);
  result.ratio = median(writing.ratio);
  result.from_disk = benchmark.read(repeats, [&] { benchmark.forget(); });
  result.from_memory = benchmark.read(repeats, [] {});
  world.barrier();  // Nobody reads when rank 0 removes the files.
  return result;
}

}  // namespace msn
