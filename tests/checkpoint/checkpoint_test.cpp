// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checkpoint.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/hdf5.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/state.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using test::facts_of_step;
using test::SmallState;
using test::world;

/// A run folder that all ranks share. Rank 0 deletes it after all have left.
class SharedRun {
 public:
  SharedRun() {
    if (world().rank() == 0) own_.emplace();
    path_ = world().broadcast(own_ ? own_->path().string() : std::string());
  }
  ~SharedRun() { MPI_Barrier(world().comm()); }
  SharedRun(const SharedRun&) = delete;
  SharedRun& operator=(const SharedRun&) = delete;
  const fs::path& path() const { return path_; }
  fs::path checkpoint(std::uint64_t step) const { return checkpoints_folder(path_) / step_name(step); }

 private:
  std::optional<test::TempDir> own_;
  fs::path path_;
};

/// The names in the checkpoints folder.
std::set<std::string> names(const SharedRun& run) {
  std::set<std::string> found;
  for (const auto& entry : fs::directory_iterator(checkpoints_folder(run.path())))
    found.insert(entry.path().filename());
  return found;
}

void write(const SharedRun& run, std::uint64_t step, std::uint64_t seed, int writers = 1) {
  SmallState state(seed);
  write_checkpoint(world(), run.path(), facts_of_step(step), state.tensors(), writers);
}

bool holds(const fs::path& checkpoint, std::uint64_t seed) {
  SmallState state(0);
  read_checkpoint(checkpoint, state.tensors());
  return state == SmallState(seed);
}

/// Rank 0 does something to the files; all see it done.
void on_rank_0(const std::function<void()>& action) {
  world().on_root([&] {
    action();
    return std::string();
  });
}

/// The message of the data error that `action` throws.
std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data) << error.what();
    return error.what();
  }
  return "nothing was thrown";
}

#define EXPECT_SAYS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

void flip_byte(const fs::path& file, std::size_t at) {
  const FileHandle handle(file, O_RDWR);
  std::array<std::byte, 1> byte{};
  handle.read_at(byte, at);
  byte[0] ^= std::byte{1};
  handle.write_at(byte, at);
}

std::vector<fs::path> files_of(const fs::path& checkpoint) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(checkpoint))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Checkpoint, ComesBackForEveryNumberOfWriters) {
  for (const int writers : {1, 2, 3, 100}) {
    const SharedRun run;
    write(run, 20, 7, writers);
    EXPECT_TRUE(holds(run.checkpoint(20), 7));
    const Manifest manifest = read_manifest(run.checkpoint(20));
    EXPECT_EQ(manifest.facts, facts_of_step(20));
    EXPECT_EQ(manifest.files.size(), static_cast<std::size_t>(std::min(writers, world().size())));
    EXPECT_EQ(names(run), (std::set<std::string>{"latest", "step-00000020"}));
    EXPECT_EQ(read_text(checkpoints_folder(run.path()) / "latest"), "step-00000020\n");
    EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(20));
  }
}

TEST(Checkpoint, IsPlainHdf5WithOneDatasetATensor) {
  const SharedRun run;
  write(run, 1, 7);
  const h5::File file(run.checkpoint(1) / "state-00000-of-00001.h5", h5::Mode::read);
  const SmallState state(7);
  EXPECT_EQ(file.list("/").size(), state.tensors().size());
  EXPECT_EQ(file.facts("online.blocks.0.attn.qkv.weight").shape, (std::vector<std::uint64_t>{72, 24}));
  const auto prototypes = file.read<double>("prototypes");
  const auto& expected = state.tensors()[4].bytes;
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), std::as_bytes(std::span(prototypes)).begin()));
}

TEST(Checkpoint, EqualStateGivesEqualFiles) {
  const SharedRun one, two;
  write(one, 20, 7, 2);
  write(two, 20, 7, 2);
  const Manifest first = read_manifest(one.checkpoint(20)), second = read_manifest(two.checkpoint(20));
  EXPECT_TRUE(first.same_state(second));
  for (const auto& file : first.files) {
    EXPECT_EQ(hash_file(one.checkpoint(20) / file.name), hash_file(two.checkpoint(20) / file.name));
  }
}

TEST(Checkpoint, ReadsOnlyWhatIsAskedFor) {
  const SharedRun run;
  write(run, 20, 7);
  SmallState state(0);
  read_checkpoint(run.checkpoint(20), {state.tensors()[4]});
  const SmallState full(7);
  EXPECT_TRUE(
      std::equal(state.tensors()[4].bytes.begin(), state.tensors()[4].bytes.end(), full.tensors()[4].bytes.begin()));
  EXPECT_EQ(state.tensors()[0].bytes[0], std::byte{0});
}

TEST(Checkpoint, RefusesAStateThatDoesNotFit) {
  const SharedRun run;
  write(run, 20, 7);
  SmallState state(0);
  auto wanted = state.tensors()[1];
  wanted.shape = {24, 72};
  EXPECT_SAYS(refusal([&] { read_checkpoint(run.checkpoint(20), {wanted}); }),
              "the checkpoint has float32[72, 24] where the model has float32[24, 72]");
  wanted = state.tensors()[4];
  wanted.type = ElementType::i64;
  EXPECT_SAYS(refusal([&] { read_checkpoint(run.checkpoint(20), {wanted}); }), "float64[33, 7]");
  wanted.name = "absent";
  EXPECT_SAYS(refusal([&] { read_checkpoint(run.checkpoint(20), {wanted}); }), "the checkpoint has no such tensor");
}

TEST(Checkpoint, RefusesToWriteNamesThatAreNotPlain) {
  const SharedRun run;
  for (const char* name : {"../escape", "online.cls_token", "", "a/b"}) {  // The second is there already.
    SmallState state(7);
    state.tensors()[3].name = name;
    EXPECT_THROW(write_checkpoint(world(), run.path(), facts_of_step(1), state.tensors(), 1), AgreedError);
    EXPECT_FALSE(fs::exists(checkpoints_folder(run.path())));
  }
}

TEST(Checkpoint, AFlippedByteInAnyFileIsFoundAndPassedOver) {
  const SharedRun run;
  write(run, 10, 3, 2);
  write(run, 20, 7, 2);
  for (const auto& file : files_of(run.checkpoint(20))) {
    const std::size_t size = FileHandle(file, O_RDONLY).size();
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      if (file.filename() == "manifest.json" && at != 0) continue;  // A changed text may say the same, or another step.
      world().barrier();
      on_rank_0([&] { flip_byte(file, at); });
      EXPECT_SAYS(refusal([&] { verify_checkpoint(run.checkpoint(20)); }), file.filename().string());
      EXPECT_SAYS(refusal([&] { holds(run.checkpoint(20), 7); }), file.filename().string());
      EXPECT_SAYS(refusal([&] { find_checkpoint(run.path(), 20); }), file.filename().string());
      EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(10));
      world().barrier();
      on_rank_0([&] { flip_byte(file, at); });
    }
  }
  EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(20));
}

TEST(Checkpoint, TruncatedMissingAndLinkedFilesAreFound) {
  const SharedRun run;
  write(run, 10, 3, 2);
  write(run, 20, 7, 2);
  for (const auto& file : files_of(run.checkpoint(20))) {
    const auto damage = [&](const std::string& how, const std::function<void()>& action) {
      const fs::path kept = run.path() / "kept";
      world().barrier();
      on_rank_0([&] {
        fs::copy_file(file, kept, fs::copy_options::overwrite_existing);
        action();
      });
      EXPECT_SAYS(refusal([&] { holds(run.checkpoint(20), 7); }), file.filename().string()) << how;
      EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(10)) << how;
      world().barrier();
      on_rank_0([&] {
        fs::remove(file);
        fs::copy_file(kept, file);
      });
    };
    damage("truncated", [&] { fs::resize_file(file, fs::file_size(file) - 3); });
    damage("empty", [&] { fs::resize_file(file, 0); });
    damage("missing", [&] { fs::remove(file); });
    damage("a link", [&] {
      fs::remove(file);
      fs::create_symlink(run.path() / "kept", file);
    });
  }
  EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(20));
}

TEST(Checkpoint, NoneWholeIsAnErrorAndNoneAtAllIsNot) {
  const SharedRun run;
  EXPECT_EQ(find_newest_checkpoint(run.path()), std::nullopt);
  write(run, 20, 7);
  on_rank_0([&] { fs::remove(run.checkpoint(20) / "manifest.json"); });
  EXPECT_SAYS(refusal([&] { find_newest_checkpoint(run.path()); }), "none of the run's 1 checkpoints is whole");
  EXPECT_SAYS(refusal([&] { find_checkpoint(run.path(), 30); }), "no checkpoint of step 30");
}

TEST(Checkpoint, ANewerFormatIsNotPassedOver) {
  const SharedRun run;
  write(run, 10, 3);
  write(run, 20, 7);
  on_rank_0([&] {
    std::string text = read_text(run.checkpoint(20) / "manifest.json");
    text.replace(text.find("\"format_version\": 1"), 19, "\"format_version\": 9");
    write_durably(run.checkpoint(20) / "manifest.json", text);
  });
  EXPECT_SAYS(refusal([&] { find_newest_checkpoint(run.path()); }), "written by a newer version");
}

TEST(Checkpoint, LatestIsNotTrusted) {
  const SharedRun run;
  write(run, 10, 3);
  write(run, 20, 7);
  for (const char* text : {"step-00000099\n", "../../elsewhere", "", "garbage\n"}) {
    world().barrier();
    on_rank_0([&] { write_durably(checkpoints_folder(run.path()) / "latest", text); });
    EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(20)) << text;
  }
}

TEST(Checkpoint, UnknownFilesAreIgnored) {
  const SharedRun run;
  write(run, 20, 7);
  on_rank_0([&] {
    write_durably(run.checkpoint(20) / "notes.txt", "mine");
    write_durably(checkpoints_folder(run.path()) / "step-x", "mine");
    fs::create_directory_symlink(run.checkpoint(20), checkpoints_folder(run.path()) / "step-00000099");
  });
  EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(20));
  EXPECT_TRUE(holds(run.checkpoint(20), 7));
}

TEST(Checkpoint, TheSameStepAgainStaysIfEqualAndIsReplacedIfNot) {
  const SharedRun run;
  write(run, 20, 7);
  const auto first = hash_file(run.checkpoint(20) / "manifest.json");
  on_rank_0([&] { write_durably(run.checkpoint(20) / "notes.txt", "mine"); });
  write(run, 20, 7);
  EXPECT_TRUE(fs::exists(run.checkpoint(20) / "notes.txt"));
  EXPECT_EQ(hash_file(run.checkpoint(20) / "manifest.json"), first);
  world().barrier();
  write(run, 20, 8);
  EXPECT_TRUE(holds(run.checkpoint(20), 8));
  EXPECT_EQ(names(run), (std::set<std::string>{"latest", "step-00000020"}));
  world().barrier();
  on_rank_0([&] { flip_byte(run.checkpoint(20) / "state-00000-of-00001.h5", 3000); });
  write(run, 20, 8);
  EXPECT_TRUE(holds(run.checkpoint(20), 8));
}

TEST(Checkpoint, LeftoversOfDeadRunsGoAndReplacedOnesComeBack) {
  const SharedRun run;
  write(run, 10, 3);
  on_rank_0([&] {
    fs::create_directories(partial_folder(run.path(), 15) / "state");
    fs::create_directories(deleted_folder(run.path(), 5));
    fs::rename(run.checkpoint(10), replaced_folder(run.path(), 10));
  });
  EXPECT_EQ(find_newest_checkpoint(run.path()), replaced_folder(run.path(), 10));
  world().barrier();
  write(run, 20, 7);
  EXPECT_EQ(names(run), (std::set<std::string>{"latest", "step-00000010", "step-00000020"}));
  EXPECT_TRUE(holds(run.checkpoint(10), 3));
}

TEST(Checkpoint, AWriteThatFailsOnOneRankLeavesEverythingAsItWas) {
  const SharedRun run;
  write(run, 10, 3);
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
  const std::string message = refusal([&] { write(run, 20, 7, 100); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_SAYS(message, last > 0 ? "rank " + std::to_string(last) + " of " : "state-00000-of-00001.h5");
  EXPECT_EQ(world().gather(message), std::vector<std::string>(static_cast<std::size_t>(world().size()), message));
  EXPECT_EQ(names(run), (std::set<std::string>{"latest", "step-00000010"}));
  EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(10));
  world().barrier();
  write(run, 20, 7);
  EXPECT_EQ(find_newest_checkpoint(run.path()), run.checkpoint(20));
}

TEST(Checkpoint, AFolderThatCannotBeWrittenIsADataErrorOnAllRanks) {
  const SharedRun run;
  on_rank_0([&] { fs::permissions(run.path(), fs::perms(0555)); });
  // Root may write anywhere; another user may not.
  const bool root = ::geteuid() == 0;
  EXPECT_EQ(root ? ::seteuid(65534) : 0, 0);
  const std::string message = refusal([&] { write(run, 20, 7); });
  EXPECT_EQ(root ? ::seteuid(0) : 0, 0);
  EXPECT_SAYS(message, "cannot make the folder: Permission denied");
  world().barrier();
  on_rank_0([&] {
    fs::permissions(run.path(), fs::perms(0755));
    write_durably(run.path() / "checkpoints", "a file in the way");
  });
  EXPECT_SAYS(refusal([&] { write(run, 20, 7); }), "Not a directory");
}

}  // namespace
}  // namespace msn
