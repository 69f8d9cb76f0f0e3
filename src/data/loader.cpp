// SPDX-License-Identifier: Apache-2.0
#include "data/loader.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/seconds_since.hpp"
#include "data/read_plan.hpp"
#include "data/sample_reader.hpp"
#include "data/views.hpp"
#include "data/workers.hpp"

namespace msn {

namespace {

/// An image whose views are being made. Its owner decodes it, then any worker takes views.
struct Job {
  std::size_t index = 0;  ///< In the batch.
  TurnedImage image;
  std::atomic<int> next_view{0};
  int users = 0;  ///< Workers at it. The last to leave, when no view is left to take, has made it whole.
};

/// A batch in the making.
struct Slot {
  StepShare share;
  Batch batch;
  std::vector<Draw> draws;
  std::vector<Extent> extents;  ///< Of size 0: from the cache.
  ReadPlan reads;
  ByteBuffer buffer;
  std::vector<std::span<const std::byte>> bytes;  ///< Encoded images; empty where the read went wrong.
  std::vector<std::size_t> ready;                 ///< Images whose bytes are here, in the order of coming.
  std::vector<std::unique_ptr<Job>> jobs;
  bool planned = false;
  std::size_t runs_taken = 0;
  std::size_t images_taken = 0;  ///< Of `ready`.
  std::size_t finished = 0;      ///< Images.
  std::size_t failed = 0;        ///< Index of the first image that failed, valid if error is set.
  std::exception_ptr error;

  bool whole() const { return planned && finished == batch.samples.size(); }
};

enum class Work { plan, read, image, views };

struct Task {
  Work work = Work::plan;
  Slot* slot = nullptr;
  std::size_t index = 0;  ///< Of the run to read or the image to make.
  Job* job = nullptr;     ///< Whose views to make.
};

/// One of `spare` with its memory, or a new one.
template <class T>
std::unique_ptr<T> take_spare(std::vector<std::unique_ptr<T>>& spare) {
  if (spare.empty()) return std::make_unique<T>();
  std::unique_ptr<T> one = std::move(spare.back());
  spare.pop_back();
  return one;
}

/// What a worker makes images and views with, in the same memory one after the other.
struct Scratch {
  // The sets differ in mean and standard deviation only.
  explicit Scratch(const TrainingData& data)
      : reader(data), maker(data.sets.front().views), planner(data.sets.front().views) {}
  SampleReader reader;
  ViewMaker maker;                         ///< Of views that workers make.
  ViewPlanner planner;                     ///< Of views that a device makes.
  std::vector<ViewParameters> parameters;  ///< Of all views of an image.
};

}  // namespace

class Loader::Impl {
 public:
  Impl(const TrainingData& data, const BatchOptions& options, int workers)
      : data_(data),
        views_(view_count(data.sets.front().views)),
        options_(options),
        visible_(data.sets.front().views, options.patch_size, data.mixture.seed(), options.global_batch),
        next_step_(options.first_step) {
    for (const TrainingSet& set : data.sets)
      normalisers_.emplace_back(set.views);
    for (int view = 0; view < views_; ++view)
      all_patches_.push_back(visible_.is_masked(view) ? std::vector<std::int64_t>() : visible_.of(view, 0, 0, 0));
    share_of(options.first_step);  // Throws where the numbers do not fit.
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
    ready_.wait(lock, [this] { return fatal_ || (!slots_.empty() && slots_.front()->whole()); });
    if (fatal_) std::rethrow_exception(fatal_);
    if (slots_.front()->error) std::rethrow_exception(slots_.front()->error);
    Batch batch = std::move(slots_.front()->batch);
    spare_slots_.push_back(std::move(slots_.front()));
    slots_.pop_front();
    lock.unlock();
    work_.notify_all();
    std::stable_sort(batch.bad.begin(), batch.bad.end(),
                     [](const BadSample& a, const BadSample& b) { return a.place < b.place; });
    batch.wait_seconds = seconds_since(start);
    return batch;
  }

  void recycle(Batch&& used) {
    const std::lock_guard guard(mutex_);
    if (spare_batches_.size() < batches_ahead) spare_batches_.push_back(std::move(used));
  }

 private:
  void work(const std::stop_token& stop) {
    // On Linux the priority belongs to the thread. The compute threads of the same cores come first.
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10);
    std::unique_lock lock(mutex_);
    try {
      Scratch scratch(data_);
      std::optional<Task> task;
      while (work_.wait(lock, stop, [&] { return (task = take()).has_value(); }) && !stop.stop_requested()) {
        switch (task->work) {
          case Work::plan:
            plan(*task->slot, lock);
            break;
          case Work::read:
            read(*task->slot, task->slot->reads.runs[task->index], lock);
            break;
          case Work::image:
            if (options_.views == ViewsMade::by_workers) {
              make_image(*task->slot, task->index, scratch, stop, lock);
            } else {
              plan_image(*task->slot, task->index, scratch, lock);
            }
            break;
          case Work::views:
            make_views(*task->slot, *task->job, scratch.maker, stop, lock);
            break;
        }
      }
    } catch (...) {
      // No memory, say. Whoever waits must hear of it; the lock may be open or held here.
      if (!lock.owns_lock()) lock.lock();
      fatal_ = std::current_exception();
      ready_.notify_all();
    }
  }

  /// The earliest work that nobody has taken. Needs the lock.
  std::optional<Task> take() {
    for (const auto& slot : slots_) {
      if (slot->images_taken < slot->ready.size()) {
        return Task{Work::image, slot.get(), slot->ready[slot->images_taken++], nullptr};
      }
      if (slot->runs_taken < slot->reads.runs.size()) return Task{Work::read, slot.get(), slot->runs_taken++, nullptr};
      for (const auto& job : slot->jobs) {
        if (job->next_view < views_) {
          ++job->users;
          return Task{Work::views, slot.get(), 0, job.get()};
        }
      }
    }
    if (slots_.size() >= batches_ahead) return std::nullopt;
    return Task{Work::plan, begin_batch(), 0, nullptr};
  }

  StepShare share_of(std::uint64_t step) const {
    return share_of_step(step, data_.mixture.epoch_images(), options_.global_batch, options_.rank, options_.world_size);
  }

  /// A slot for the next step, with the memory of an earlier one if there is any. Needs the lock.
  Slot* begin_batch() {
    std::unique_ptr<Slot> slot = take_spare(spare_slots_);
    slot->batch = Batch(options_.memory);
    if (!spare_batches_.empty()) {
      slot->batch = std::move(spare_batches_.back());
      spare_batches_.pop_back();
    }
    slot->batch.samples.clear();
    slot->batch.bad.clear();
    slot->reads.runs.clear();
    slot->ready.clear();
    slot->planned = false;
    slot->runs_taken = slot->images_taken = slot->finished = 0;
    slot->share = share_of(next_step_++);
    slots_.push_back(std::move(slot));
    return slots_.back().get();
  }

  /// Finds which images a batch has and where they lie, plans its reads and has the system begin with them.
  void plan(Slot& slot, std::unique_lock<std::mutex>& lock) {
    ReadPlan reads;
    std::swap(reads, slot.reads);  // Nobody may see its runs before all is ready.
    slot.ready.reserve(static_cast<std::size_t>(slot.share.count));
    lock.unlock();
    std::exception_ptr error;
    try {
      Batch& batch = slot.batch;
      batch.epoch = slot.share.epoch;
      batch.position = slot.share.position;
      draw_samples(slot);
      plan_reads(slot.extents, reads);
      slot.buffer.resize(reads.bytes);
      for (const ReadRun& run : reads.runs)
        data_.sets[run.set].store->will_need(run.shard, run.offset, run.size);
      shape_batch(data_.sets.front().views, visible_, options_.views, batch);  // Sizes are the same for all sets.
    } catch (...) {
      error = std::current_exception();
      reads.runs.clear();
    }
    lock.lock();
    std::swap(reads, slot.reads);
    slot.planned = true;
    if (error) {
      slot.error = error;
      slot.finished = slot.batch.samples.size();
      ready_.notify_all();
    } else {
      for (std::size_t i = 0; i < slot.extents.size(); ++i) {
        if (slot.extents[i].size == 0) slot.ready.push_back(i);
      }
    }
    work_.notify_all();
  }

  /// Which images the batch has, and of each its bytes if they are in the cache, else where they lie.
  void draw_samples(Slot& slot) const {
    slot.draws.clear();
    slot.extents.clear();
    slot.bytes.clear();
    for (int i = 0; i < slot.share.count; ++i) {
      const Draw draw = data_.mixture.at(slot.share.epoch, slot.share.position + static_cast<std::uint64_t>(i));
      Extent extent = locate(data_, draw);
      slot.bytes.push_back(cached(data_, draw, extent.size));
      if (!slot.bytes.back().empty()) extent.size = 0;
      slot.draws.push_back(draw);
      slot.extents.push_back(extent);
      slot.batch.samples.push_back(draw.key);
    }
  }

  void read(Slot& slot, const ReadRun& run, std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    bool good = true;
    try {
      data_.sets[run.set].store->read(run.shard, run.offset, slot.buffer.bytes().subspan(run.place, run.size));
    } catch (const Error&) {
      good = false;  // Its images are then read one by one, which tells the bad one from its neighbours.
    }
    lock.lock();
    for (std::size_t i = run.first; i < run.first + run.count; ++i) {
      const std::size_t image = slot.reads.order[i];
      if (good) slot.bytes[image] = slot.buffer.bytes().subspan(slot.reads.place[image], slot.extents[image].size);
      slot.ready.push_back(image);
    }
    work_.notify_all();
  }

  void make_image(Slot& slot, std::size_t index, Scratch& scratch, const std::stop_token& stop,
                  std::unique_lock<std::mutex>& lock) {
    std::unique_ptr<Job> job = take_spare(spare_jobs_);
    lock.unlock();
    job->index = index;
    job->next_view = 0;
    job->users = 1;
    std::vector<BadSample> bad;
    std::exception_ptr error;
    try {
      job->image.assign(scratch.reader.read(slot.draws[index], index, slot.bytes[index], bad));
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    std::move(bad.begin(), bad.end(), std::back_inserter(slot.batch.bad));
    if (error) {
      fail(slot, index, error);
      job->next_view = views_;
    }
    slot.jobs.push_back(std::move(job));
    work_.notify_all();
    make_views(slot, *slot.jobs.back(), scratch.maker, stop, lock);
  }

  /// Decodes an image, whose views a device makes, into the batch, and plans them.
  void plan_image(Slot& slot, std::size_t index, Scratch& scratch, std::unique_lock<std::mutex>& lock) {
    Batch& batch = slot.batch;
    const Draw& draw = slot.draws[index];
    lock.unlock();
    std::vector<BadSample> bad;
    std::exception_ptr error;
    const PlannedImage* planned = nullptr;
    try {
      const Image& image = scratch.reader.read(draw, index, slot.bytes[index], bad);
      scratch.parameters.clear();
      for (int view = 0; view < views_; ++view)
        scratch.parameters.push_back(parameters_of(batch, draw, view, image.width, image.height));
      planned = &scratch.planner.plan(image, scratch.parameters, static_cast<std::uint32_t>(draw.set));
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    std::move(bad.begin(), bad.end(), std::back_inserter(batch.bad));
    if (error) {
      fail(slot, index, error);
    } else {
      const PlannedPlace place = reserve(batch.plan, *planned);
      lock.unlock();
      write(batch.plan, place, *planned, index, batch.samples.size());
      lock.lock();
    }
    finish(slot);
  }

  ViewParameters parameters_of(const Batch& batch, const Draw& draw, int view, int width, int height) const {
    return draw_view(data_.sets[draw.set].views, width, height,
                     {data_.mixture.seed(), batch.epoch, draw.key, static_cast<std::uint32_t>(view)});
  }

  /// Makes views of an image as long as there are any that nobody has taken. Workers write disjoint parts of the batch.
  void make_views(Slot& slot, Job& job, ViewMaker& maker, const std::stop_token& stop,
                  std::unique_lock<std::mutex>& lock) {
    Batch& batch = slot.batch;
    lock.unlock();
    std::exception_ptr error;
    try {
      int view = 0;
      while (!stop.stop_requested() && (view = job.next_view++) < views_) {
        const Draw& draw = slot.draws[job.index];
        const ViewsConfig& views = data_.sets[draw.set].views;
        const ViewParameters parameters = parameters_of(batch, draw, view, job.image.width(), job.image.height());
        std::span<const std::int64_t> kept = kept_of(batch, view, job.index);
        if (kept.empty()) kept = all_patches_[static_cast<std::size_t>(view)];
        normalisers_[draw.set].write_patch_rows(maker.make(job.image, parameters, view_size(views, view)),
                                                options_.patch_size, kept, rows_of(batch, view, job.index));
      }
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) fail(slot, job.index, error);
    if (--job.users > 0) return;
    const auto place =
        std::find_if(slot.jobs.begin(), slot.jobs.end(), [&](const auto& other) { return other.get() == &job; });
    spare_jobs_.push_back(std::move(*place));
    slot.jobs.erase(place);
    finish(slot);
  }

  /// One image more is done with. Needs the lock.
  void finish(Slot& slot) {
    if (++slot.finished == slot.batch.samples.size()) ready_.notify_all();
  }

  /// Needs the lock.
  static void fail(Slot& slot, std::size_t index, const std::exception_ptr& error) {
    if (slot.error && slot.failed <= index) return;
    slot.error = error;
    slot.failed = index;
  }

  const TrainingData& data_;
  const int views_;                      ///< Of each sample.
  std::vector<Normaliser> normalisers_;  ///< One a set.
  const BatchOptions options_;
  const VisiblePatches visible_;
  std::vector<std::vector<std::int64_t>> all_patches_;  ///< Of each view that is not masked, rising.

  std::mutex mutex_;
  std::condition_variable_any work_;   ///< There may be something to do.
  std::condition_variable_any ready_;  ///< A batch is whole.
  std::exception_ptr fatal_;           ///< What ended a worker.
  std::uint64_t next_step_;
  std::deque<std::unique_ptr<Slot>> slots_;  ///< In step order.
  std::vector<std::unique_ptr<Slot>> spare_slots_;
  std::vector<std::unique_ptr<Job>> spare_jobs_;
  std::vector<Batch> spare_batches_;
  std::vector<std::jthread> threads_;  ///< Last: ends before what it uses.
};

Loader::Loader(const TrainingData& data, const BatchOptions& options, int workers)
    : impl_(std::make_unique<Impl>(data, options, workers)) {}

Loader::~Loader() = default;

Batch Loader::next() {
  return impl_->next();
}

void Loader::recycle(Batch&& used) {
  impl_->recycle(std::move(used));
}

}  // namespace msn
