// SPDX-License-Identifier: Apache-2.0
#include "base/progress.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <cstdlib>
#include <thread>

namespace msn {
namespace {

TEST(Progress, SaysHowFarHowFastAndHowLong) {
  const ProgressState state{"packing", "images", 25800, 60000, 20, "3 bad"};
  EXPECT_EQ(progress_text(state), "packing 25,800 of 60,000 images, 1,290 a second, 27 s left, 3 bad");
  EXPECT_EQ(progress_text({"packing", "images", 0, 999, 0, ""}), "packing 0 of 999 images");
  EXPECT_EQ(progress_text({"packing", "images", 999, 999, 1, ""}), "packing 999 of 999 images, 999 a second");
  EXPECT_EQ(progress_text({"packing", "images", 1, 1281, 1, ""}),
            "packing 1 of 1,281 images, 1.0 a second, 22 min left");
  EXPECT_EQ(progress_text({"packing", "images", 1, 12001, 1, ""}),
            "packing 1 of 12,001 images, 1.0 a second, 3 h 20 min left");
}

TEST(Progress, SaysHowLongEachTakesThatTakesLong) {
  EXPECT_EQ(progress_text({"probing", "epochs", 3, 50, 5, ""}), "probing 3 of 50 epochs, 0.6 a second, 79 s left");
  EXPECT_EQ(progress_text({"probing", "epochs", 2, 10, 50, ""}), "probing 2 of 10 epochs, 25 s each, 4 min left");
}

TEST(Progress, TheBarFitsTheTerminal) {
  const ProgressState state{"packing", "images", 50, 100, 1, ""};
  const std::string text = progress_text(state);
  EXPECT_EQ(progress_bar(state, 200), "[####################....................] " + text);
  EXPECT_EQ(progress_bar(state, static_cast<int>(text.size()) + 3 + 10 + 1), "[#####.....] " + text);
  EXPECT_EQ(progress_bar(state, static_cast<int>(text.size()) + 3 + 10), text);
  EXPECT_EQ(progress_bar(state, 11), "packing 50");
  EXPECT_EQ(progress_bar({"packing", "images", 0, 0, 0, ""}, 80).substr(0, 3), "[..");
}

/// A terminal without anybody before it.
class Terminal {
 public:
  Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_EQ(::grantpt(master_), 0);
    EXPECT_EQ(::unlockpt(master_), 0);
    slave_ = ::open(::ptsname(master_), O_RDWR | O_NOCTTY);
    const winsize size{24, 100, 0, 0};
    EXPECT_EQ(::ioctl(slave_, TIOCSWINSZ, &size), 0);
  }
  ~Terminal() {
    ::close(slave_);
    ::close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  int descriptor() const { return slave_; }
  std::string shown() const {
    char text[4096];
    const ssize_t size = ::read(master_, text, sizeof text);
    return {text, static_cast<std::size_t>(std::max<ssize_t>(0, size))};
  }

 private:
  int master_;
  int slave_ = -1;
};

TEST(Progress, RewritesOneLineOfATerminalAndClearsIt) {
  ::setenv("TERM", "xterm", 1);
  const Terminal terminal;
  {
    Progress progress("packing", "images", terminal.descriptor());
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.update(10, 20, "1 bad");
    const std::string shown = terminal.shown();
    EXPECT_TRUE(shown.starts_with("\r[")) << shown;
    EXPECT_NE(shown.find("packing 10 of 20 images"), std::string::npos) << shown;
    EXPECT_TRUE(shown.ends_with("1 bad\x1b[K")) << shown;
    EXPECT_EQ(shown.find('\n'), std::string::npos);
  }
  EXPECT_EQ(terminal.shown(), "\r\x1b[K");
}

TEST(Progress, WritesNoControlCharactersElsewhere) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  {
    Progress progress("packing", "images", ends[1]);
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.update(10, 20);
  }
  ::close(ends[1]);
  char text[16];
  EXPECT_EQ(::read(ends[0], text, sizeof text), 0);  // The log has its lines, later.
  ::close(ends[0]);
}

}  // namespace
}  // namespace msn
