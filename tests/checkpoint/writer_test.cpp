// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/writer.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "base/files.hpp"
#include "base/hdf5.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/shared_run.hpp"
#include "checkpoint/state.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using test::facts_of_step;
using test::holds;
using test::names;
using test::on_rank_0;
using test::SharedRun;
using test::SmallState;
using test::world;
using Names = std::set<std::string>;

// Every rank's thread begins late, so that what happens after begin() happens before it writes. Read at the first save.
const int late = ::setenv("MSN_TEST_INJECT",
                          "checkpoint-begun:0:sleep-50,checkpoint-begun:1:sleep-50,checkpoint-begun:2:sleep-50", 1);

CheckpointWriter make_writer(const SharedRun& run, int writers) {
  return {world(), SmallState(0).tensors(), {.run = run.path(), .writers = writers}};
}

void begin(CheckpointWriter& writer, std::uint64_t step, std::uint64_t seed) {
  SmallState state(seed);
  writer.begin(facts_of_step(step), state.tensors());
}

/// All ranks see the same end of a save.
std::string text_of(const std::optional<SaveResult>& result) {
  if (!result) return "none";
  return std::to_string(result->step) + ", " + std::to_string(result->bytes) + " bytes, " +
         std::to_string(result->seconds) + " s: " + (result->failure ? result->failure->what() : "durable");
}

bool same_on_all(const std::optional<SaveResult>& result) {
  const std::vector<std::string> all = world().gather(text_of(result));
  return std::all_of(all.begin(), all.end(), [&](const std::string& text) { return text == all[0]; });
}

/// As a training loop does it: a look at every step.
std::optional<SaveResult> step_until_it_ends(CheckpointWriter& writer, int& steps) {
  std::optional<SaveResult> result;
  while (!result) {
    EXPECT_TRUE(writer.busy());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    result = writer.advance(world().all(writer.ready()));
    ++steps;
  }
  return result;
}

TEST(Writer, WritesBesideTheStepsAndAllRanksSeeItsEnd) {
  for (const int writers : {1, 2, 100}) {
    const SharedRun run;
    CheckpointWriter writer = make_writer(run, writers);
    EXPECT_EQ(names(run), Names());
    EXPECT_FALSE(writer.busy());
    EXPECT_FALSE(writer.advance(true));
    world().barrier();
    begin(writer, 20, 7);
    int steps = 0;
    const std::optional<SaveResult> result = step_until_it_ends(writer, steps);
    EXPECT_GE(steps, 3);  // The threads sleep longer than a step lasts.
    EXPECT_TRUE(same_on_all(result));
    EXPECT_FALSE(result->failure);
    EXPECT_FALSE(writer.busy());
    EXPECT_EQ(result->step, 20u);
    EXPECT_GE(result->seconds, 0.05);
    EXPECT_TRUE(holds(run.checkpoint(20), 7));
    EXPECT_EQ(names(run), (Names{"latest", "step-00000020"}));
    std::uint64_t bytes = 0;
    for (const auto& file : read_manifest(run.checkpoint(20)).files)
      bytes += file.size;
    EXPECT_EQ(result->bytes, bytes);
    EXPECT_EQ(world().sum(writer.memory()), bytes);
    EXPECT_EQ(writer.memory() > 0, world().rank() < writers);
  }
}

TEST(Writer, CopiesTheStateBeforeItMayChange) {
  const SharedRun run;
  CheckpointWriter writer = make_writer(run, 2);
  SmallState state(7);
  writer.begin(facts_of_step(20), state.tensors());
  EXPECT_EQ(writer.ready(), writer.memory() == 0 && world().rank() > 0);
  for (const auto& tensor : state.tensors())
    std::fill(tensor.bytes.begin(), tensor.bytes.end(), std::byte{0x5a});
  EXPECT_FALSE(writer.finish()->failure);
  EXPECT_TRUE(holds(run.checkpoint(20), 7));
}

TEST(Writer, WritesOneAfterTheOtherFromTheSameMemory) {
  const SharedRun run;
  CheckpointWriter writer = make_writer(run, 3);
  for (const std::uint64_t step : {10, 20, 30}) {
    begin(writer, step, step);
    EXPECT_THROW(begin(writer, step + 1, 1), Error);  // One at a time.
    EXPECT_EQ(writer.finish()->step, step);
    EXPECT_EQ(writer.finish(), std::nullopt);
  }
  for (const std::uint64_t step : {10, 20, 30})
    EXPECT_TRUE(holds(run.checkpoint(step), step));
}

TEST(Writer, CopiesInPiecesOnSeveralThreads) {
  const SharedRun run;
  const auto all_at_once = [](std::size_t n, const std::function<void(std::size_t)>& copy) {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < n; ++i)
      threads.emplace_back([&copy, i] { copy(i); });
  };
  SmallState state(7);
  CheckpointWriter writer(world(), state.tensors(), {.run = run.path(), .parallel_for = all_at_once});
  writer.begin(facts_of_step(20), state.tensors());
  EXPECT_FALSE(writer.finish()->failure);
  EXPECT_TRUE(holds(run.checkpoint(20), 7));
}

TEST(Writer, AFailureOnOneRankIsKnownToAllAndTheNextSaveWorks) {
  const SharedRun run;
  int commits = 0;
  CheckpointWriter writer(world(), SmallState(0).tensors(),
                          {.run = run.path(), .writers = 100, .after_commit = [&commits] { ++commits; }});
  begin(writer, 10, 3);
  EXPECT_FALSE(writer.finish()->failure);
  const int last = world().size() - 1;
  // The disk of the last rank is full: no file of this process may grow beyond a few bytes.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  if (world().rank() == last) {
    rlimit small = before;
    small.rlim_cur = 64;
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  begin(writer, 20, 7);
  const std::optional<SaveResult> result = writer.finish();
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_TRUE(same_on_all(result));
  EXPECT_EQ(result->bytes, 0u);
  const std::string message = result->failure ? result->failure->what() : "it did not fail";
  EXPECT_SAYS(message, "cannot write: File too large");
  EXPECT_SAYS(message, "step-00000020");
  EXPECT_SAYS(message, last > 0 ? "rank " + std::to_string(last) + " of " : "state-00000-of-00001.h5");
  EXPECT_EQ(names(run), (Names{"latest", "step-00000010"}));
  EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(10));
  world().barrier();
  begin(writer, 20, 7);
  EXPECT_FALSE(writer.finish()->failure);
  EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(20));
  EXPECT_EQ(commits, world().rank() == 0 ? 2 : 0);
}

TEST(Writer, AJobThatLostTheFolderPublishesNothing) {
  const SharedRun run;
  int asked = 0, lost_at = 0, commits = 0;
  CheckpointWriter writer(world(), SmallState(0).tensors(),
                          {.run = run.path(),
                           .may_publish =
                               [&] {
                                 if (++asked == lost_at) throw usage_error("another job has the run folder");
                               },
                           .after_commit = [&] { ++commits; }});
  const auto save = [&](std::uint64_t step, int when) {
    asked = 0;
    lost_at = when;
    begin(writer, step, step);
    const std::optional<SaveResult> result = writer.finish();
    EXPECT_TRUE(same_on_all(result));
    return result->failure;
  };
  EXPECT_FALSE(save(10, 0));
  EXPECT_EQ(asked, world().rank() == 0 ? 3 : 0);
  std::optional<Error> failure = save(20, 1);
  EXPECT_TRUE(failure && failure->code() == ExitCode::usage);
  EXPECT_EQ(names(run), (Names{"latest", "step-00000010"}));
  world().barrier();
  // The name is given; it is left to the other job, which may be reading it.
  failure = save(30, 2);
  EXPECT_TRUE(failure && failure->code() == ExitCode::usage);
  EXPECT_EQ(names(run), (Names{"latest", "step-00000010", "step-00000030"}));
  EXPECT_EQ(read_latest(run.path()), 10u);
  world().barrier();
  EXPECT_FALSE(save(40, 3));  // Durable; old ones are not deleted.
  EXPECT_EQ(read_latest(run.path()), 40u);
  EXPECT_EQ(commits, world().rank() == 0 ? 1 : 0);
}

TEST(Writer, GivesUpWhenItGoesAndTheNextLifeCleansUp) {
  const SharedRun run;
  {
    CheckpointWriter writer = make_writer(run, 1);
    begin(writer, 10, 3);
  }
  world().barrier();
  EXPECT_EQ(find_newest_checkpoint(run.path()), std::nullopt);
  world().barrier();
  CheckpointWriter writer = make_writer(run, 1);
  EXPECT_EQ(names(run), Names());
  world().barrier();
  begin(writer, 10, 4);
  EXPECT_FALSE(writer.finish()->failure);
  EXPECT_TRUE(holds(run.checkpoint(10), 4));
}

TEST(FileImage, IsTheFileThatTheHdf5LibraryWrites) {
  const test::TempDir folder;
  SmallState state(7);
  FileImage image(folder.path() / "scratch", state.tensors());
  image.take(state.tensors(), serial_for);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  const fs::path file = folder.path() / "plain.h5";
  h5::File plain(file, h5::Mode::create);
  std::vector<std::uint64_t> offsets;
  for (const auto& tensor : state.tensors()) {
    const hid_t type = tensor.type == ElementType::f32   ? h5::native_type<float>()
                       : tensor.type == ElementType::f64 ? h5::native_type<double>()
                                                         : h5::native_type<std::int64_t>();
    offsets.push_back(plain.create(tensor.name, type, {tensor.shape.begin(), tensor.shape.end()}));
  }
  plain.close();
  const FileHandle handle(file, O_RDWR);
  for (std::size_t i = 0; i < offsets.size(); ++i)
    handle.write_at(state.tensors()[i].bytes, offsets[i]);
  const std::string bytes = read_text(file);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), reinterpret_cast<const char*>(image.bytes().data()),
                         reinterpret_cast<const char*>(image.bytes().data() + image.bytes().size())));
  for (std::size_t i = 0; i < image.tensors(); ++i) {
    // In pieces that begin and end anywhere.
    std::vector<std::byte> copy;
    for (std::size_t at = 0; at < image.bytes().size(); at += 1000) {
      image.visit_tensors(at, std::min(at + 1000, image.bytes().size()), [&](std::size_t tensor, auto part) {
        if (tensor == i) copy.insert(copy.end(), part.begin(), part.end());
      });
    }
    const std::span<const std::byte> own = state.tensors()[i].bytes;
    EXPECT_TRUE(std::equal(copy.begin(), copy.end(), own.begin(), own.end())) << state.tensors()[i].name;
  }
}

TEST(Slices, HoldWholeTensorsInOrderAndAboutEqualBytes) {
  const std::vector<std::uint64_t> sizes{10, 0, 30, 20, 40, 5, 5, 10};
  for (int writers = 1; writers <= 10; ++writers) {
    const std::vector<Slice> slices = cut_into_slices(sizes, writers);
    EXPECT_LE(slices.size(), static_cast<std::size_t>(writers));
    std::size_t next = 0;
    for (const Slice& slice : slices) {
      EXPECT_EQ(slice.begin, next);
      EXPECT_GT(slice.end, slice.begin);
      std::uint64_t bytes = 0;
      for (; next < slice.end; ++next)
        bytes += sizes[next];
      EXPECT_EQ(slice.bytes, bytes);
      EXPECT_LE(slice.bytes, 120u / static_cast<unsigned>(writers) + 40);
    }
    EXPECT_EQ(next, sizes.size());
  }
  EXPECT_EQ(cut_into_slices(sizes, 2)[1].file, "state-00001-of-00002.h5");
}

TEST(BackgroundThread, IsLeftBehindWhenItsJobDoesNotEnd) {
  std::promise<void> go_on;
  std::promise<void> ended;
  {
    BackgroundThread thread(std::chrono::milliseconds(20));
    thread.start([go_on = go_on.get_future().share(), &ended] {
      go_on.wait();
      ended.set_value();
    });
    EXPECT_FALSE(thread.idle());
  }
  go_on.set_value();
  ended.get_future().wait();
}

}  // namespace
}  // namespace msn
