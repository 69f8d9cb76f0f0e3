// SPDX-License-Identifier: Apache-2.0
#include "evaluate/knn.hpp"

#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

constexpr int kClasses = 10;

/// Compares votes, predictions and accuracy with the recorded ones of `group`, in `type`.
void compare(const std::string& group, const KnnOptions& options, at::ScalarType type, double tolerance) {
  const h5::File file(test::golden("eval.h5"), h5::Mode::read);
  auto train = file.read<double>("train");
  auto test = file.read<double>("test");
  const auto train_labels = file.read<std::int32_t>("train_label");
  const auto test_labels = file.read<std::int32_t>("test_label");
  const at::Tensor train_features = at::from_blob(train.data(), {600, 48}, at::kDouble).to(type);
  const at::Tensor test_features = at::from_blob(test.data(), {400, 48}, at::kDouble).to(type);
  const KnnVotes mine = knn(train_features, train_labels, test_features, kClasses, options);

  const auto predictions = file.read<std::int32_t>("knn/" + group + "/prediction");
  const auto votes = file.read<double>("knn/" + group + "/votes");
  EXPECT_EQ(mine.predictions, predictions) << group;
  int right = 0;
  for (std::size_t i = 0; i < 400; ++i)
    right += mine.predictions[i] == test_labels[i] ? 1 : 0;
  EXPECT_DOUBLE_EQ(right / 400.0, file.real_attribute("knn/" + group, "top1")) << group;
  const at::Tensor got = mine.votes.contiguous();
  for (std::size_t i = 0; i < votes.size(); ++i) {
    ASSERT_NEAR(got.const_data_ptr<double>()[i], votes[i], tolerance * (1 + std::abs(votes[i]))) << group << " " << i;
  }
}

TEST(Knn, VotesAsRecordedInBothPrecisions) {
  for (const int k : {5, 20}) {
    const std::string suffix = "_k" + std::to_string(k);
    compare("weighted" + suffix, {k, 0.07, Vote::weighted}, at::kDouble, 1e-12);
    // A similarity near 1 is off by some 1e-7, divided by the temperature.
    compare("weighted" + suffix, {k, 0.07, Vote::weighted}, at::kFloat, 1e-4);
    compare("majority" + suffix, {k, 0.07, Vote::majority}, at::kDouble, 0);
    compare("majority" + suffix, {k, 0.07, Vote::majority}, at::kFloat, 0);
  }
}

TEST(Knn, CutsKToTheNumberOfNeighbours) {
  std::vector<float> train{1, 0, 0, 1}, test{0.9f, 0.1f};
  const KnnVotes votes = knn(at::from_blob(train.data(), {2, 2}, at::kFloat), {1, 0},
                             at::from_blob(test.data(), {1, 2}, at::kFloat), 2, {20, 0.07, Vote::weighted});
  EXPECT_EQ(votes.predictions, (std::vector<std::int32_t>{1}));
}

}  // namespace
}  // namespace msn
