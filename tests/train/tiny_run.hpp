// SPDX-License-Identifier: Apache-2.0
// Whole runs in process: a folder that all ranks share, and a training that takes milliseconds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "data/pack.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn::test {

/// A folder that all ranks share. Rank 0 deletes it after all have left.
class SharedDir {
 public:
  SharedDir() {
    if (world().rank() == 0) own_.emplace();
    path_ = world().broadcast(own_ ? own_->path().string() : std::string());
  }
  ~SharedDir() { MPI_Barrier(world().comm()); }
  SharedDir(const SharedDir&) = delete;
  SharedDir& operator=(const SharedDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::optional<TempDir> own_;
  std::filesystem::path path_;
};

/// Rank 0 does something to files; all see it done.
inline void on_rank_0(const std::function<void()>& action) {
  world().on_root([&] {
    action();
    return std::string();
  });
}

/// Packs `images` small pictures as `folder`.
inline void pack_pictures(const std::filesystem::path& folder, int images) {
  on_rank_0([&] {
    PackOptions options;
    options.inputs = {"synthetic:shapes?images=" + std::to_string(images) + "&size=24&seed=1"};
    options.output = folder;
    options.workers = 2;
    pack(options);
  });
}

/// Everything that draws random numbers is on; rates and momenta are such that every step changes every tensor.
inline Config tiny_run(const std::filesystem::path& data, int global_batch) {
  Config config;
  config.data.path = data;
  config.data.workers = 1;
  config.views.random_size = 16;
  config.views.focal_size = 8;
  config.views.focal = 1;
  config.views.mask_ratio = 0.3;
  config.model.arch = "custom";
  config.model.width = 16;
  config.model.depth = 2;
  config.model.heads = 2;
  config.model.patch_size = 4;
  config.model.image_size = 16;
  config.model.head_hidden = 16;
  config.model.head_out = 8;
  config.model.prototypes = 8;
  config.model.drop_path = 0.3;
  config.optim.warmup_epochs = 1;
  config.optim.ema = {0.9, 1.0};
  config.train.global_batch = global_batch;
  config.train.epochs = 4;
  config.train.seed = 3;
  config.checkpoint.every_steps = 0;
  config.checkpoint.keep = 100;
  config.checkpoint.writers = 2;
  config.runtime.threads = 1;
  return config;
}

}  // namespace msn::test
