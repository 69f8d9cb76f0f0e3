// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/crc32c.hpp"
#include "base/error.hpp"
#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/random.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(Error, IsOneLineWithWhatWhereAndRemedy) {
  const Error error = data_error("bad\nshard", "a/b.h5", "pack it again");
  EXPECT_STREQ(error.what(), "bad\\nshard (a/b.h5): pack it again");
  EXPECT_EQ(error.code(), ExitCode::data);
  EXPECT_EQ(one_line("tab\tbell\a"), "tab bell\\x07");
}

TEST(Error, IsMadeOfAnyException) {
  const auto caught = [](auto thrown) {
    try {
      throw thrown;
    } catch (...) {
      return to_error(std::current_exception());
    }
  };
  EXPECT_STREQ(caught(data_error("bad", "here", "mend it")).what(), "bad (here): mend it");
  EXPECT_EQ(caught(std::runtime_error("odd")).problem(), "odd");
  EXPECT_EQ(caught(std::runtime_error("odd")).code(), ExitCode::internal);
  EXPECT_EQ(caught(7).code(), ExitCode::internal);
  EXPECT_EQ(to_error(nullptr).code(), ExitCode::internal);
}

// RFC 3720 appendix B.4.
TEST(Crc32c, MatchesTheStandardsVectors) {
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xff'))), 0x62a8ab43u);
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Hash, DoesNotDependOnHowTheBytesAreCut) {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  Hasher pieces;
  for (std::size_t i = 0; i < text.size(); i += 5)
    pieces.update(std::string_view(text).substr(i, 5));
  EXPECT_EQ(pieces.hex(), hash_hex(std::string_view(text)));
  EXPECT_EQ(hash_hex(std::string_view("")),
            "99aa06d3014798d86001c324468d497f");  // XXH3-128 of nothing, from its specification
}

TEST(Files, ReplaceDurablyAndLeaveNothingBeside) {
  const test::TempDir dir;
  write_durably(dir / "a", "one");
  write_durably(dir / "a", "two");
  EXPECT_EQ(read_text(dir / "a"), "two");
  EXPECT_FALSE(std::filesystem::exists(dir / "a.tmp"));
  EXPECT_EQ(hash_file(dir / "a"), hash_hex(std::string_view("two")));
}

TEST(Files, ErrorsNameTheFile) {
  const test::TempDir dir;
  try {
    read_text(dir / "absent");
    FAIL() << "read a file that is not there";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_NE(std::string(error.what()).find("absent"), std::string::npos);
  }
  std::ofstream(dir / "short") << "abc";
  std::array<std::byte, 4> buffer;
  EXPECT_THROW(FileHandle(dir / "short", 0).read_at(buffer, 0), Error);
  EXPECT_THROW(read_text(dir / "short", 2), Error);
}

// Known answers of the authors' Random123 distribution (kat_vectors, philox 4x32 10).
TEST(Philox, MatchesTheKnownAnswers) {
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, IsAPureFunctionOfItsKey) {
  const auto first = [](RandomStream stream) { return stream.next_u64(); };
  const std::uint64_t base = first(RandomStream(1, 2, 3, 4, Purpose::crop));
  EXPECT_EQ(base, first(RandomStream(1, 2, 3, 4, Purpose::crop)));
  std::set<std::uint64_t> all{base,
                              first(RandomStream(2, 2, 3, 4, Purpose::crop)),
                              first(RandomStream(1, 3, 3, 4, Purpose::crop)),
                              first(RandomStream(1, 2, 4, 4, Purpose::crop)),
                              first(RandomStream(1, 2, 3, 5, Purpose::crop)),
                              first(RandomStream(1, 2, 3, 4, Purpose::flip))};
  EXPECT_EQ(all.size(), 6u);
}

TEST(RandomStream, DrawsHaveTheirDistributions) {
  RandomStream stream(7, 0, 0, 0, Purpose::crop);
  constexpr int n = 200000;
  double sum = 0, square = 0, uniform = 0;
  std::vector<int> counts(7);
  for (int i = 0; i < n; ++i) {
    const double x = stream.normal();
    sum += x;
    square += x * x;
    uniform += stream.uniform();
    ++counts[stream.below(7)];
  }
  EXPECT_NEAR(sum / n, 0.0, 5 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1.0, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(uniform / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  for (const int count : counts)
    EXPECT_NEAR(count, n / 7.0, 5 * std::sqrt(n / 7.0));
}

TEST(RandomStream, PermutationHoldsEveryIndexOnce) {
  auto order = RandomStream(3, 1, 0, 0, Purpose::mask).permutation(196);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  std::vector<std::uint32_t> expected(196);
  std::iota(expected.begin(), expected.end(), 0u);
  EXPECT_EQ(order, expected);
}

}  // namespace
}  // namespace msn
