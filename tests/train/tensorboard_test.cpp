// SPDX-License-Identifier: Apache-2.0
#include "train/tensorboard.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <vector>

#include "base/crc32c.hpp"
#include "base/files.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

/// What the tests read of an Event.
struct ReadEvent {
  double time = 0;
  std::uint64_t step = 0;
  std::string version;
  std::optional<std::uint64_t> session;
  std::vector<std::pair<std::string, float>> scalars;
};

/// Reads protobuf fields; any that is of no kind used here fails the test.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}
  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    number = tag >> 3;
    integer = 0;
    bytes = {};
    switch (tag & 7) {
      case 0:
        integer = varint();
        break;
      case 1:
        bytes = take(8);
        break;
      case 2:
        bytes = take(varint());
        break;
      case 5:
        bytes = take(4);
        break;
      default:
        ADD_FAILURE() << "wire type " << (tag & 7);
        return false;
    }
    return true;
  }
  template <class T>
  T fixed() const {
    T value;
    EXPECT_EQ(bytes.size(), sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

  std::uint64_t number = 0, integer = 0;
  std::string_view bytes;

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  std::string_view take(std::uint64_t size) {
    EXPECT_LE(size, rest_.size());
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
};

std::pair<std::string, float> read_value(std::string_view bytes) {
  std::pair<std::string, float> value;
  for (Fields f(bytes); f.next();) {
    if (f.number == 1) value.first = f.bytes;
    if (f.number == 2) value.second = f.fixed<float>();
  }
  return value;
}

ReadEvent read_event(std::string_view bytes) {
  ReadEvent event;
  for (Fields f(bytes); f.next();) {
    if (f.number == 1) event.time = f.fixed<double>();
    if (f.number == 2) event.step = f.integer;
    if (f.number == 3) event.version = f.bytes;
    if (f.number == 7) {
      for (Fields session(f.bytes); session.next();)
        event.session = session.integer;
    }
    if (f.number != 5) continue;
    for (Fields summary(f.bytes); summary.next();)
      event.scalars.push_back(read_value(summary.bytes));
  }
  return event;
}

/// Of a whole file; every checksum is looked at.
std::vector<ReadEvent> read_events(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  std::vector<ReadEvent> events;
  for (std::size_t at = 0; at < text.size();) {
    std::uint64_t size = 0;
    EXPECT_LE(at + sizeof size, text.size());
    std::memcpy(&size, text.data() + at, sizeof size);
    const std::string_view bytes = std::string_view(text).substr(at + 12, size);
    EXPECT_EQ(text.substr(at, size + 16), tfrecord(bytes));
    events.push_back(read_event(bytes));
    at += size + 16;
  }
  return events;
}

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// As TensorFlow writes it: the length and its masked CRC-32C, the bytes and theirs.
TEST(TfRecord, HasTheBytesOfTensorFlow) {
  const std::string want(
      "\x03\0\0\0\0\0\0\0\xb0\x99\x49\x0e"
      "abc"
      "\x6e\x57\xf1\x21",
      19);
  EXPECT_EQ(tfrecord("abc"), want);
}

TEST(TensorBoardFile, HoldsWhatWasWritten) {
  const test::TempDir dir;
  TensorBoardFile file(dir / "tensorboard", 40, 1764402099.25);
  const std::string name = file.path().filename();
  EXPECT_TRUE(name.starts_with("events.out.tfevents.1764402099.")) << name;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  file.write(41, 1764402100.5, std::vector<EventScalar>{{"loss/loss", 5.1}, {"collapse/feature_rank", 12}});
  file.write(200, 1764402101, std::vector<EventScalar>{{"loss/loss", nan}});

  const std::vector<ReadEvent> events = read_events(file.path());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_EQ(events[0].time, 1764402099.25);
  EXPECT_EQ(events[1].session, 1u);  // START: TensorBoard leaves out what earlier files have from this step on.
  EXPECT_EQ(events[1].step, 41u);
  EXPECT_EQ(events[2].step, 41u);
  EXPECT_EQ(events[2].time, 1764402100.5);
  const std::vector<std::pair<std::string, float>> want{{"loss/loss", 5.1f}, {"collapse/feature_rank", 12.0f}};
  EXPECT_EQ(events[2].scalars, want);
  EXPECT_EQ(events[3].step, 200u);
  ASSERT_EQ(events[3].scalars.size(), 1u);
  EXPECT_TRUE(std::isnan(events[3].scalars[0].second));
}

TEST(TensorBoardFile, ALaterLifeHasALaterNameWhateverTheClockSays) {
  const test::TempDir dir;
  const std::filesystem::path folder = dir / "tensorboard";
  std::vector<std::filesystem::path> made;
  for (const double now : {1764402099.0, 1764402099.9, 1764400000.0, 1764409999.0})
    made.push_back(TensorBoardFile(folder, 0, now).path());
  EXPECT_EQ(files_in(folder), made);
  EXPECT_TRUE(made[2].filename().string().starts_with("events.out.tfevents.1764402101.")) << made[2];
  struct stat status {};
  ASSERT_EQ(::stat(folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0750u);
}

TEST(TensorBoardFile, DoesNotEndARunThatItCannotTellOf) {
  const test::TempDir dir;
  std::ofstream(dir / "tensorboard") << "a file";
  TensorBoardFile file(dir / "tensorboard", 0, 1764402099);
  file.write(1, 1764402099, std::vector<EventScalar>{{"loss/loss", 1}});
  TensorBoardFile nowhere(dir / "none/tensorboard", 0, 1764402099);
  nowhere.write(1, 1764402099, std::vector<EventScalar>{{"loss/loss", 1}});
  EXPECT_FALSE(std::filesystem::exists(dir / "none"));
}

}  // namespace
}  // namespace msn
