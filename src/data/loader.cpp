// SPDX-License-Identifier: Apache-2.0
#include "data/loader.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "data/decode.hpp"
#include "data/sampler.hpp"
#include "data/views.hpp"
#include "data/workers.hpp"

namespace msn {

namespace {

/// What a worker makes views with, in the same memory sample after sample.
struct Scratch {
  explicit Scratch(const ViewsConfig& views) : maker(views) {}
  Decoder decoder;
  Image decoded;
  TurnedImage image;
  ViewMaker maker;
};

/// A batch that workers fill sample by sample.
struct Slot {
  Batch batch;
  std::size_t started = 0;  ///< Samples handed to workers.
  std::size_t finished = 0;
  std::size_t failed = 0;  ///< Index of the first sample that failed, valid if error is set.
  std::exception_ptr error;
};

}  // namespace

class Loader::Impl {
 public:
  Impl(const DataSet& set, const ViewsConfig& views, std::uint64_t seed, int global_batch, int rank, int world_size,
       std::uint64_t first_step, int workers)
      : set_(set),
        views_(views),
        normaliser_(views),
        seed_(seed),
        global_batch_(global_batch),
        rank_(rank),
        world_size_(world_size),
        sampler_(set.count(), seed),
        next_step_(first_step) {
    share_of_step(first_step, set.count(), global_batch, rank, world_size);  // Throws where the numbers do not fit.
    const int count = workers > 0 ? workers : allowed_cores();
    for (int i = 0; i < count; ++i)
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }

  /// Asks all workers to end before the first of them is waited for.
  ~Impl() {
    for (std::jthread& thread : threads_)
      thread.request_stop();
  }

  Batch next() {
    const auto start = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] {
      return fatal_ || (!slots_.empty() && slots_.front()->finished == slots_.front()->batch.samples.size());
    });
    if (fatal_) std::rethrow_exception(fatal_);
    if (slots_.front()->error) std::rethrow_exception(slots_.front()->error);
    Batch batch = std::move(slots_.front()->batch);
    slots_.pop_front();
    lock.unlock();
    work_.notify_all();
    batch.wait_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return batch;
  }

  void recycle(Batch&& used) {
    const std::lock_guard guard(mutex_);
    if (spare_.size() < batches_ahead) spare_.push_back(std::move(used.views));
  }

 private:
  void work(const std::stop_token& stop) {
    // On Linux the priority belongs to the thread. The compute threads of the same cores come first.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10);
    std::unique_lock lock(mutex_);
    try {
      Scratch scratch(views_);
      while (work_.wait(lock, stop, [this] { return find_work() != nullptr; }) && !stop.stop_requested()) {
        make_one(*find_work(), scratch, lock);
      }
    } catch (...) {
      fatal_ = std::current_exception();  // No memory for a batch. The lock is held here.
      ready_.notify_all();
    }
  }

  /// Makes the next sample of a batch, without the lock meanwhile.
  void make_one(Slot& slot, Scratch& scratch, std::unique_lock<std::mutex>& lock) {
    const std::size_t index = slot.started++;
    lock.unlock();
    std::exception_ptr error;
    try {
      make_sample(slot.batch, index, scratch);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && (!slot.error || index < slot.failed)) {
      slot.error = error;
      slot.failed = index;
    }
    if (++slot.finished == slot.batch.samples.size()) ready_.notify_all();
  }

  /// The earliest batch with a sample that nobody has taken; begins a new one if there is room. Needs the lock.
  Slot* find_work() {
    for (const auto& slot : slots_) {
      if (slot->started < slot->batch.samples.size()) return slot.get();
    }
    if (slots_.size() >= batches_ahead) return nullptr;
    slots_.push_back(begin_batch());
    return slots_.back().get();
  }

  std::unique_ptr<Slot> begin_batch() {
    const StepShare share = share_of_step(next_step_++, set_.count(), global_batch_, rank_, world_size_);
    auto slot = std::make_unique<Slot>();
    Batch& batch = slot->batch;
    batch.epoch = share.epoch;
    batch.position = share.position;
    batch.samples = samples_of_step(sampler_, share);
    if (!spare_.empty()) {
      batch.views = std::move(spare_.back());
      spare_.pop_back();
    }
    const auto count = static_cast<std::size_t>(view_count(views_));
    batch.views.resize(count);
    for (std::size_t v = 0; v < count; ++v) {
      const int size = view_size(views_, static_cast<int>(v));
      batch.view_sizes.push_back(size);
      batch.views[v].resize(batch.samples.size() * values_of(size));
    }
    return slot;
  }

  static std::size_t values_of(int size) {
    return std::size_t{3} * static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  }

  /// Reads and decodes one sample and writes all its views. Workers write disjoint parts of the batch.
  void make_sample(Batch& batch, std::size_t index, Scratch& scratch) const {
    const std::uint64_t sample = batch.samples[index];
    const Image& image = scratch.decoded;
    decode_sample(sample, scratch);
    scratch.image.assign(image);
    for (std::size_t v = 0; v < batch.views.size(); ++v) {
      const int size = batch.view_sizes[v];
      const ViewKey key{seed_, batch.epoch, sample, static_cast<std::uint32_t>(v)};
      const ViewParameters parameters = draw_view(views_, image.width, image.height, key);
      const Planes& view = scratch.maker.make(scratch.image, parameters, size);
      normaliser_.write_planes(view, std::span(batch.views[v]).subspan(index * values_of(size), values_of(size)));
    }
  }

  void decode_sample(std::uint64_t sample, Scratch& scratch) const {
    try {
      scratch.decoder.decode(set_.read(sample), scratch.decoded);
    } catch (const Error& error) {
      throw Error(error.code(), error.problem(), set_.describe(sample),
                  error.remedy().empty() ? "pack the data set again, or copy its shards again" : error.remedy());
    }
  }

  const DataSet& set_;
  const ViewsConfig views_;
  const Normaliser normaliser_;
  const std::uint64_t seed_;
  const int global_batch_;
  const int rank_;
  const int world_size_;
  const Sampler sampler_;

  std::mutex mutex_;
  std::condition_variable_any work_;   ///< There may be a sample to make.
  std::condition_variable_any ready_;  ///< A batch is whole.
  std::exception_ptr fatal_;           ///< What ended a worker.
  std::uint64_t next_step_;
  std::deque<std::unique_ptr<Slot>> slots_;  ///< In step order.
  std::vector<std::vector<std::vector<float>>> spare_;
  std::vector<std::jthread> threads_;  ///< Last: ends before what it uses.
};

Loader::Loader(const DataSet& set, const ViewsConfig& views, std::uint64_t seed, int global_batch, int rank,
               int world_size, std::uint64_t first_step, int workers)
    : impl_(std::make_unique<Impl>(set, views, seed, global_batch, rank, world_size, first_step, workers)) {}

Loader::~Loader() = default;

Batch Loader::next() {
  return impl_->next();
}

void Loader::recycle(Batch&& used) {
  impl_->recycle(std::move(used));
}

}  // namespace msn
