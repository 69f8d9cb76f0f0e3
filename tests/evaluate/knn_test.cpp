// SPDX-License-Identifier: Apache-2.0
#include "evaluate/knn.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/hdf5.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

constexpr int kClasses = 10;

/// The recorded data of tests/golden/eval.h5 in one type.
struct Recorded {
  explicit Recorded(at::ScalarType type)
      : file(test::golden("eval.h5"), h5::Mode::read),
        train(file.read<double>("train")),
        test(file.read<double>("test")),
        train_labels(file.read<std::int32_t>("train_label")),
        test_labels(file.read<std::int32_t>("test_label")),
        reference(knn_reference(at::from_blob(train.data(), {600, 48}, at::kDouble).to(type), train_labels, kClasses)),
        test_features(at::from_blob(test.data(), {400, 48}, at::kDouble).to(type)) {}

  h5::File file;
  std::vector<double> train, test;
  std::vector<std::int32_t> train_labels, test_labels;
  KnnReference reference;
  at::Tensor test_features;
};

void expect_votes(const Recorded& recorded, const std::string& group, const at::Tensor& got, double tolerance) {
  const auto votes = recorded.file.read<double>("knn/" + group + "/votes");
  for (std::size_t i = 0; i < votes.size(); ++i) {
    ASSERT_NEAR(got.const_data_ptr<double>()[i], votes[i], tolerance * (1 + std::abs(votes[i]))) << group << " " << i;
  }
}

// Both k in one pass, on the ranks of this test.
void expect_recorded(at::ScalarType type, Vote vote, const std::string& name, double tolerance) {
  const Recorded recorded(type);
  const KnnOptions options{{5, 20}, 0.07, vote};
  const std::vector<at::Tensor> votes = knn_votes(recorded.reference, recorded.test_features, options);
  const std::vector<Predictions> judged =
      knn(test::world(), recorded.reference, recorded.test_features, recorded.test_labels, options, 1);
  for (std::size_t i = 0; i < options.k.size(); ++i) {
    const std::string group = name + "_k" + std::to_string(options.k[i]);
    expect_votes(recorded, group, votes[i], tolerance);
    EXPECT_EQ(judged[i].classes, recorded.file.read<std::int32_t>("knn/" + group + "/prediction")) << group;
    EXPECT_DOUBLE_EQ(accuracy(judged[i]), recorded.file.real_attribute("knn/" + group, "top1")) << group;
    EXPECT_DOUBLE_EQ(accuracy(judged[i], 5), recorded.file.real_attribute("knn/" + group, "top5")) << group;
  }
}

TEST(Knn, GivesTheRecordedVotesAndPredictions) {
  expect_recorded(at::kDouble, Vote::weighted, "weighted", 1e-12);
  // A similarity near 1 is off by some 1e-7, divided by the temperature.
  expect_recorded(at::kFloat, Vote::weighted, "weighted", 1e-4);
  expect_recorded(at::kDouble, Vote::majority, "majority", 0);
  expect_recorded(at::kFloat, Vote::majority, "majority", 0);
}

TEST(Knn, RefusesMoreNeighboursThanRows) {
  check_neighbours(20, {{5, 20}, 0.07, Vote::weighted});
  try {
    check_neighbours(19, {{5, 20}, 0.07, Vote::weighted});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_NE(std::string(error.what()).find("19 training images, fewer than 20"), std::string::npos) << error.what();
  }
}

TEST(Knn, TakesRowsOfZerosForFarFromAll) {
  std::vector<float> train{1, 0, 0, 1, 0, 0}, test{0, 0};
  const KnnReference reference =
      knn_reference(at::from_blob(train.data(), {3, 2}, at::kFloat), std::vector<std::int32_t>{1, 0, 0}, 2);
  const at::Tensor votes =
      knn_votes(reference, at::from_blob(test.data(), {1, 2}, at::kFloat), {{3}, 0.07, Vote::weighted})[0];
  EXPECT_DOUBLE_EQ(votes[0][0].item<double>(), 2);
  EXPECT_DOUBLE_EQ(votes[0][1].item<double>(), 1);
}

}  // namespace
}  // namespace msn
