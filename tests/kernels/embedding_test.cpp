// SPDX-License-Identifier: Apache-2.0
#include "kernels/embedding.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/kernels.hpp"

namespace msn {
namespace {

constexpr std::int64_t kImages = 3, kTokens = 5, kWidth = 19;

template <class T>
void compare(kernels::InstructionSet set, bool per_image, double relative) {
  using A = kernels::Accumulate<T>;
  const auto patches = test::stored<T>(test::uniform(kImages * (kTokens - 1) * kWidth, -1, 1, 1));
  const auto table = test::stored<A>(test::uniform((per_image ? kImages : 1) * kTokens * kWidth, -1, 1, 2));
  std::vector<T> out(kImages * kTokens * kWidth), dpatches(patches.size());
  kernels::embed<T>({kImages, kTokens, kWidth, patches.data(), table.data(), per_image, out.data()}, set);
  std::vector<A> dtable(kTokens * kWidth, 7);
  kernels::embed_backward<T>({kImages, kTokens, kWidth, out.data(), dpatches.data(), dtable.data()}, set);
  std::vector<double> sums(dtable.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t column = i % kWidth, token = i / kWidth % kTokens, image = i / kWidth / kTokens;
    const std::size_t patch = (image * (kTokens - 1) + token - 1) * kWidth + column;
    const double from_table = table[(per_image ? image * kTokens * kWidth : 0) + token * kWidth + column];
    const double want = from_table + (token == 0 ? 0 : test::value(patches[patch]));
    EXPECT_NEAR(test::value(out[i]), want, relative);
    if (token > 0) {
      EXPECT_EQ(test::value(dpatches[patch]), test::value(out[i]));
    }
    sums[token * kWidth + column] += test::value(out[i]);
  }
  for (std::size_t i = 0; i < sums.size(); ++i)
    EXPECT_NEAR(dtable[i], sums[i], 1e-6) << i;
}

TEST(Embedding, PutsTheClassTokenFirstAndSumsItsGradients) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    for (const bool per_image : {false, true}) {
      compare<float>(set, per_image, 2e-7);
      compare<double>(set, per_image, 1e-15);
      compare<kernels::Bf16>(set, per_image, 1.0 / 128);
    }
  }
}

}  // namespace
}  // namespace msn
