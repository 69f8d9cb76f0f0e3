// SPDX-License-Identifier: Apache-2.0
// Everything that may happen to the files of a run: each is refused or passed over with its reason, the newest good
// checkpoint is found, and what was damaged is set aside once and for all, never deleted.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/log.hpp"
#include "base/plain_hdf5.hpp"
#include "checkpoint/choose.hpp"
#include "checkpoint/state.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;
using test::facts_of_step;
using test::refusal;
using test::SmallState;

constexpr const char* kState = "state-00000-of-00001.h5";

/// A run with the checkpoints of steps 10 and 20.
class Damage : public testing::Test {
 protected:
  Damage() {
    write(10);
    write(20);
  }

  void write(std::uint64_t step) const {
    SmallState state(step);
    write_checkpoint(World::alone(), run(), facts_of_step(step), state.tensors(), 1);
  }
  const fs::path& run() const { return folder_.path(); }
  fs::path checkpoint(std::uint64_t step) const { return checkpoints_folder(run()) / step_name(step); }
  /// A file that will stand for the damaged one; outside of the run.
  fs::path elsewhere() const { return outside_ / "file"; }

  /// The names in the checkpoints folder.
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(checkpoints_folder(run())))
      found.insert(entry.path().filename());
    return found;
  }

  test::TempDir folder_, outside_;
};

#define EXPECT_SAYS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

void flip(const fs::path& file, std::size_t at, std::byte bits = std::byte{1}) {
  const FileHandle handle(file, O_RDWR);
  std::array<std::byte, 1> byte{};
  handle.read_at(byte, at);
  byte[0] ^= bits;
  handle.write_at(byte, at);
}

void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
  std::string text = read_text(file);
  ASSERT_NE(text.find(from), std::string::npos) << from;
  write_durably(file, text.replace(text.find(from), from.size(), to));
}

/// The same with the manifest's own hash made right again, as no accident does.
void forge(const fs::path& file, const std::string& from, const std::string& to) {
  replace_in(file, from, to);
  Manifest manifest = parse_manifest(
      [&] {
        std::string text = read_text(file);
        // Without surroundings and hash, as early versions wrote them.
        const auto begin = text.find("\"surroundings\""), end = text.find("},", begin) + 2;
        text.erase(begin, end - begin);
        const auto hash = text.find(",\n  \"hash\"", text.find("\"written\""));
        return text.erase(hash, text.find('}', hash) - hash);
      }(),
      file.string());
  write_durably(file, manifest_text(manifest));
}

struct Case {
  const char* name;
  std::function<void(const fs::path& checkpoint, const fs::path& elsewhere)> damage;
  std::string reason;
};

std::vector<Case> cases() {
  const auto manifest = [](const fs::path& checkpoint) { return checkpoint / "manifest.json"; };
  const auto state = [](const fs::path& checkpoint) { return checkpoint / kState; };
  std::vector<Case> all;
  for (const bool of_state : {false, true}) {
    const auto file = [=](const fs::path& c) { return of_state ? c / kState : c / "manifest.json"; };
    const std::string name = of_state ? kState : "manifest.json";
    all.push_back({"truncated by one byte",
                   [=](const fs::path& c, auto&) { fs::resize_file(file(c), fs::file_size(file(c)) - 1); },
                   of_state ? "bytes instead of" : "manifest.json"});
    all.push_back({"one byte more",
                   [=](const fs::path& c, auto&) { fs::resize_file(file(c), fs::file_size(file(c)) + 1); }, name});
    all.push_back({"empty", [=](const fs::path& c, auto&) { fs::resize_file(file(c), 0); }, name});
    all.push_back({"removed", [=](const fs::path& c, auto&) { fs::remove(file(c)); }, "is missing"});
    all.push_back({"a link",
                   [=](const fs::path& c, const fs::path& elsewhere) {
                     fs::rename(file(c), elsewhere);
                     fs::create_symlink(elsewhere, file(c));
                   },
                   "not a regular file"});
    all.push_back({"a folder",
                   [=](const fs::path& c, auto&) {
                     fs::remove(file(c));
                     fs::create_directory(file(c));
                   },
                   "not a regular file"});
  }
  const auto changed = [&](const char* name, const std::string& from, const std::string& to,
                           const std::string& reason) {
    all.push_back({name, [=](const fs::path& c, auto&) { replace_in(manifest(c), from, to); }, reason});
  };
  changed("a key twice", "\"step\": 20", "\"step\": 20, \"step\": 20", "a key stands twice");
  changed("another format of long ago", "\"format_version\": 1", "\"format_version\": 0", "no such format version");
  changed("a file elsewhere", "\"name\": \"state", "\"name\": \"../state", "not a plain name");
  changed("another seed", "\"seed\": 5", "\"seed\": 6", "not as it was written");
  changed("another configuration", "epochs = 2", "epochs = 3", "not as it was written");
  changed("other threads", "\"threads\": 1", "\"threads\": 2", "not as it was written");
  changed("no hash", "\"hash\": \"", "\"hesh\": \"", "manifest.json");
  changed("no JSON", "{", "", "not a checkpoint's manifest");
  all.push_back({"a wrong size", [=](const fs::path& c, auto&) { forge(manifest(c), "\"size\": 1", "\"size\": 2"); },
                 "bytes instead of"});
  all.push_back({"another step's",
                 [=](const fs::path& c, auto&) {
                   fs::remove_all(c);
                   fs::copy(c.parent_path() / step_name(10), c);
                 },
                 "the checkpoint is of step 10"});
  all.push_back({"another step's manifest",
                 [=](const fs::path& c, auto&) { forge(manifest(c), "\"step\": 20", "\"step\": 21"); },
                 "the checkpoint is of step 21"});
  all.push_back({"another file of the same size",
                 [=](const fs::path& c, auto&) {
                   fs::copy_file(c.parent_path() / step_name(10) / kState, state(c),
                                 fs::copy_options::overwrite_existing);
                 },
                 "the file differs from its manifest"});
  return all;
}

TEST_F(Damage, OfEveryKindIsPassedOverAndSetAsideOnce) {
  fs::create_directories(outside_ / "copy");
  fs::copy(run(), outside_ / "copy", fs::copy_options::recursive);
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name + (" (" + one.reason + ")"));
    fs::remove_all(run() / "checkpoints");
    fs::copy(outside_ / "copy" / "checkpoints", run() / "checkpoints", fs::copy_options::recursive);
    fs::remove_all(elsewhere());
    one.damage(checkpoint(20), elsewhere());
    EXPECT_SAYS(refusal([&] { find_checkpoint(run(), 20); }), one.reason);
    // Who only reads leaves it where it is.
    EXPECT_EQ(find_newest_checkpoint(run()), checkpoint(10));
    EXPECT_TRUE(fs::exists(checkpoint(20)));
    const Choice choice = choose_newest(run());
    ASSERT_EQ(choice.damaged.size(), 1u);
    EXPECT_EQ(choice.checkpoint->folder, checkpoint(10));
    set_aside(run(), choice);
    EXPECT_EQ(names(), (std::set<std::string>{"latest", "damaged-step-00000020", "step-00000010"}));
    EXPECT_EQ(read_text(checkpoints_folder(run()) / "latest"), "step-00000010\n");
    // Not tried again.
    const Choice again = choose_newest(run());
    EXPECT_TRUE(again.damaged.empty());
    EXPECT_EQ(again.checkpoint->step, 10u);
    // And never deleted: not by writing the step again, and not for want of a free name.
    write(20);
    fs::resize_file(checkpoint(20) / kState, 7);
    set_aside(run(), choose_newest(run()));
    write(20);
    apply_retention(run(), {.keep = 1});
    EXPECT_EQ(names(),
              (std::set<std::string>{"latest", "damaged-step-00000020", "damaged-step-00000020-2", "step-00000020"}));
  }
}

TEST_F(Damage, OfAnyByteIsFound) {
  const std::size_t size = fs::file_size(checkpoint(20) / kState);
  std::size_t in_tensors = 0;
  for (std::size_t at = 0; at < size; at += at < 2048 ? 1 : 13) {
    flip(checkpoint(20) / kState, at);
    EXPECT_SAYS(refusal([&] { verify_checkpoint(checkpoint(20)); }), "the file differs from its manifest") << at;
    // What people are told: which tensor, that none is, or that it cannot be told.
    const std::vector<std::string> lines = find_damage(checkpoint(20)).damage;
    ASSERT_GE(lines.size(), 2u) << at;
    for (const std::string& line : lines)
      EXPECT_TRUE(line.starts_with((checkpoint(20) / kState).string())) << line;
    in_tensors += lines[1].ends_with("the tensor's values are damaged") ? 1 : 0;
    flip(checkpoint(20) / kState, at);
  }
  EXPECT_GT(in_tensors, size / 13 / 3);
  const fs::path manifest = checkpoint(20) / "manifest.json";
  const std::string text = read_text(manifest);
  for (const std::byte bits : {std::byte{1}, std::byte{0x20}, std::byte{0x80}}) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(std::byte(damaged[at]) ^ bits);
      EXPECT_THROW(parse_manifest(damaged, "m"), Error) << "byte " << at << " of " << text.substr(at, 20);
    }
  }
  EXPECT_TRUE(find_damage(checkpoint(20)).damage.empty());
}

TEST_F(Damage, IsNamedByTensorAndAllOfItIs) {
  const SmallState state(20);
  const fs::path file = checkpoint(20) / kState;
  const h5::PlainFile index = h5::read_plain_file(FileHandle(file, O_RDONLY), h5::Reals::taken);
  ASSERT_EQ(index.datasets.size(), state.tensors().size());
  EXPECT_EQ(index.datasets.at("prototypes").kind, h5::ElementKind::real);
  EXPECT_EQ(index.datasets.at("prototypes").element_size, 8u);
  EXPECT_EQ(index.datasets.at("head.bn1.num_batches_tracked").kind, h5::ElementKind::signed_integer);
  EXPECT_SAYS(refusal([&] { h5::read_plain_file(FileHandle(file, O_RDONLY)); }), "neither little-endian integers");
  flip(file, index.datasets.at("prototypes").file_offset + 9);
  flip(file, index.datasets.at("online.blocks.0.attn.qkv.bias").file_offset);
  write_durably(checkpoint(20) / "notes.txt", "mine");
  const DamageReport report = find_damage(checkpoint(20));
  EXPECT_EQ(report.damage,
            (std::vector<std::string>{file.string() + ": the file differs from its manifest",
                                      file.string() + ":online.blocks.0.attn.qkv.bias: the tensor's values are damaged",
                                      file.string() + ":prototypes: the tensor's values are damaged"}));
  EXPECT_EQ(report.unknown, (std::vector<fs::path>{checkpoint(20) / "notes.txt"}));
}

TEST_F(Damage, OfLatestMattersToNoReader) {
  const fs::path latest = checkpoints_folder(run()) / "latest";
  for (const std::string text : {"step-00000099\n", "garbage", "", "../../x\n", "/etc/passwd", "step-20"}) {
    SCOPED_TRACE(text);
    write_durably(latest, text);
    EXPECT_EQ(find_newest_checkpoint(run()), checkpoint(20));
    std::string problem;
    const auto step = read_latest(run(), &problem);
    EXPECT_EQ(step.has_value(), text == "step-00000099\n");
    EXPECT_EQ(problem.empty(), step.has_value());
    apply_retention(run(), {.keep = 2});
    EXPECT_TRUE(fs::exists(checkpoint(10)));
  }
  write_durably(elsewhere(), "step-00000010\n");
  for (const bool dangling : {false, true}) {
    fs::remove(latest);
    fs::create_symlink(dangling ? outside_ / "nothing" : elsewhere(), latest);
    std::string problem;
    EXPECT_EQ(read_latest(run(), &problem), std::nullopt);
    EXPECT_SAYS(problem, "not a regular file");
    EXPECT_EQ(find_newest_checkpoint(run()), checkpoint(20));
    // The next checkpoint puts a file in its place and leaves what it led to.
    write(30 + (dangling ? 1 : 0));
    EXPECT_FALSE(fs::is_symlink(latest));
    EXPECT_EQ(read_text(elsewhere()), "step-00000010\n");
    fs::remove_all(checkpoint(30));
    fs::remove_all(checkpoint(31));
  }
}

TEST_F(Damage, LinksAndStrangersAreNoCheckpoints) {
  fs::rename(checkpoint(20), elsewhere());
  fs::create_directory_symlink(elsewhere(), checkpoint(20));
  write_durably(checkpoints_folder(run()) / "step-00000030", "a file");
  fs::create_directory(checkpoints_folder(run()) / "step-40");
  log::add_file(outside_ / "log");
  EXPECT_EQ(find_newest_checkpoint(run()), checkpoint(10));
  log::flush();
  const std::string log = read_text(outside_ / "log");
  EXPECT_SAYS(log, "passing over a link, where a checkpoint is a folder (" + checkpoint(20).string() + ")");
  EXPECT_SAYS(log, "passing over a file, where a checkpoint is a folder");
  EXPECT_SAYS(log, "step-40");
  EXPECT_SAYS(refusal([&] { find_checkpoint(run(), 20); }), "a link, where a checkpoint is a folder");
  EXPECT_TRUE(fs::exists(elsewhere() / "manifest.json"));
}

TEST_F(Damage, OfANewerVersionIsRefusedAndNothingIsSetAside) {
  write(30);
  fs::resize_file(checkpoint(30) / kState, 7);
  replace_in(checkpoint(20) / "manifest.json", "\"format_version\": 1", "\"format_version\": 2");
  EXPECT_SAYS(refusal([&] { set_aside(run(), choose_newest(run())); }), "written by a newer version of msn");
  EXPECT_SAYS(refusal([&] { find_checkpoint(run(), 20); }), "written by a newer version of msn");
  EXPECT_EQ(names(), (std::set<std::string>{"latest", "step-00000010", "step-00000020", "step-00000030"}));
  apply_retention(run(), {.keep = 1});
  EXPECT_TRUE(fs::exists(checkpoint(20)));
}

TEST_F(Damage, OfEveryCheckpointIsAnErrorAndRenamesNothing) {
  for (const std::uint64_t step : {10, 20})
    fs::remove(checkpoint(step) / "manifest.json");
  EXPECT_SAYS(refusal([&] { set_aside(run(), choose_newest(run())); }), "none of the run's 2 checkpoints is whole");
  EXPECT_EQ(names(), (std::set<std::string>{"latest", "step-00000010", "step-00000020"}));
  // What a person renamed, or an earlier life: the run does not begin anew beside it.
  fs::rename(checkpoint(10), checkpoints_folder(run()) / "damaged-step-00000010");
  fs::rename(checkpoint(20), checkpoints_folder(run()) / "abandoned-step-00000020");
  EXPECT_SAYS(refusal([&] { choose_newest(run()); }), "no checkpoint but what was set aside, such as abandoned-step");
}

TEST_F(Damage, IsNotWhatCannotBeReadNow) {
  // Root may read everything; another user may not.
  const bool root = ::geteuid() == 0;
  for (const fs::path& path : {run(), checkpoints_folder(run())})
    fs::permissions(path, fs::perms(0755));
  for (const std::uint64_t step : {10, 20}) {
    fs::permissions(checkpoint(step), fs::perms(0755));
    for (const auto& file : fs::directory_iterator(checkpoint(step)))
      fs::permissions(file, fs::perms(0644));
  }
  for (const fs::path& closed : {checkpoint(20), checkpoint(20) / kState, checkpoint(20) / "manifest.json"}) {
    SCOPED_TRACE(closed);
    const auto before = fs::status(closed).permissions();
    fs::permissions(closed, fs::perms::none);
    EXPECT_EQ(root ? ::seteuid(65534) : 0, 0);
    const Choice choice = choose_newest(run());
    const std::string message = refusal([&] { find_checkpoint(run(), 20); });
    EXPECT_EQ(root ? ::seteuid(0) : 0, 0);
    EXPECT_EQ(choice.checkpoint->step, 10u);
    EXPECT_TRUE(choice.damaged.empty());
    EXPECT_SAYS(message, "Permission denied");
    fs::permissions(closed, before);
  }
  EXPECT_EQ(choose_newest(run()).checkpoint->step, 20u);
}

TEST_F(Damage, OfAReplacedCheckpointSetsThatAside) {
  fs::rename(checkpoint(20), replaced_folder(run(), 20));
  fs::resize_file(replaced_folder(run(), 20) / kState, 7);
  set_aside(run(), choose_newest(run()));
  EXPECT_EQ(names(), (std::set<std::string>{"latest", "damaged-step-00000020", "step-00000010"}));
}

TEST_F(Damage, AnExplicitStepLeavesNewerOnesBehind) {
  write(30);
  fs::resize_file(checkpoint(30) / kState, 7);
  // Damaged itself: an error, and nothing is renamed.
  EXPECT_SAYS(refusal([&] { set_aside(run(), choose_step(run(), 30)); }), "bytes instead of");
  EXPECT_SAYS(refusal([&] { choose_step(run(), 15); }), "no checkpoint of step 15");
  EXPECT_EQ(names(), (std::set<std::string>{"latest", "step-00000010", "step-00000020", "step-00000030"}));
  const Choice choice = choose_step(run(), 10);
  EXPECT_EQ(names().size(), 4u) << "choosing alone renames nothing";
  set_aside(run(), choice);
  EXPECT_EQ(names(),
            (std::set<std::string>{"latest", "step-00000010", "abandoned-step-00000020", "abandoned-step-00000030"}));
  EXPECT_EQ(read_text(checkpoints_folder(run()) / "latest"), "step-00000010\n");
  EXPECT_EQ(choose_newest(run()).checkpoint->step, 10u);
  EXPECT_TRUE(find_damage(checkpoints_folder(run()) / "abandoned-step-00000020").damage.empty());
  set_aside(run(), choose_step(run(), 10));
}

}  // namespace
}  // namespace msn
