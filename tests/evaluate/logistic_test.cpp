// SPDX-License-Identifier: Apache-2.0
#include "evaluate/logistic.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "comm/mpi_communicator.hpp"
#include "evaluate/score.hpp"
#include "support/made_up.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

constexpr int kClasses = 10;

at::Tensor read(const h5::File& file, const std::string& name, at::IntArrayRef shape) {
  auto values = file.read<double>(name);
  return at::from_blob(values.data(), shape, at::kDouble).clone();
}

/// This rank's rows; on two ranks of unequal number.
struct Share {
  at::Tensor rows;
  std::vector<std::int32_t> labels;
};
Share share_of(const at::Tensor& rows, const std::vector<std::int32_t>& labels) {
  const World& world = test::world();
  const std::int64_t n = rows.size(0);
  const std::int64_t cut = world.size() == 1 ? n : n / 3;
  const std::int64_t begin = world.rank() == 0 ? 0 : cut;
  const std::int64_t end = world.rank() == 0 ? cut : n;
  return {rows.narrow(0, begin, end - begin), {labels.begin() + begin, labels.begin() + end}};
}

TEST(Logistic, PreprocessesRowsAsRecorded) {
  const h5::File file(test::golden("eval.h5"), h5::Mode::read);
  for (const auto& [set, rows] : {std::pair{"train", 600}, std::pair{"test", 400}}) {
    const at::Tensor got = centre_and_normalise_rows(read(file, set, {rows, 48}).to(at::kFloat));
    const at::Tensor want = read(file, std::string("logistic/") + set, {rows, 48});
    EXPECT_LE((got - want).abs().max().item<double>(), 1e-14) << set;
  }
}

TEST(Logistic, MakesZerosOfConstantRows) {
  const at::Tensor rows = at::zeros({4, 7}, at::kFloat);
  rows[1].fill_(0.1);
  rows[2].fill_(-3e20);
  rows[3][2].fill_(1e-30);
  const at::Tensor got = centre_and_normalise_rows(rows);
  EXPECT_EQ(got.narrow(0, 0, 3).abs().max().item<double>(), 0);
  EXPECT_NEAR(got[3].norm().item<double>(), 1, 1e-15);
}

// The optimum that Newton's method with the whole Hessian, scipy and scikit-learn agree on.
TEST(Logistic, FindsTheRecordedOptima) {
  MpiCommunicator communicator(test::world());
  const h5::File file(test::golden("eval.h5"), h5::Mode::read);
  const at::Tensor train = read(file, "logistic/train", {600, 48}), test = read(file, "logistic/test", {400, 48});
  const Share mine = share_of(train, file.read<std::int32_t>("train_label"));
  const auto test_labels = file.read<std::int32_t>("test_label");
  for (const std::string given : {"30", "1", "0.075", "0.0025"}) {
    const std::string group = "logistic/lambda_" + given;
    LogisticOptions options;
    options.lambda = std::stod(given) / 600;
    const LogisticFit fit = fit_logistic(communicator, mine.rows, mine.labels, kClasses, options);
    EXPECT_TRUE(fit.converged) << given;
    EXPECT_LE(fit.gap, 1e-9) << given;
    const double optimum = file.real_attribute(group, "objective");
    EXPECT_NEAR(fit.objective, optimum, 1e-8 * optimum) << given;
    // The bound is none if it is not one.
    EXPECT_LE(fit.objective - optimum, fit.gap * optimum + 1e-14) << given;
    const at::Tensor scores = at::mm(test, fit.weight.t());
    EXPECT_EQ(judge(scores, test_labels).classes, file.read<std::int32_t>(group + "/test_prediction")) << given;
    EXPECT_LE(test::relative_error(fit.weight, read(file, group + "/weight", {kClasses, 48})), 2e-3) << given;
  }
  communicator.shutdown();
}

TEST(Logistic, ComesAsCloseAsIsAsked) {
  MpiCommunicator communicator(test::world());
  const h5::File file(test::golden("eval.h5"), h5::Mode::read);
  const Share mine = share_of(read(file, "logistic/train", {600, 48}), file.read<std::int32_t>("train_label"));
  LogisticOptions options;
  options.lambda = 1.0 / 600;
  options.tolerance = 1e-14;
  const LogisticFit fit = fit_logistic(communicator, mine.rows, mine.labels, kClasses, options);
  EXPECT_TRUE(fit.converged);
  EXPECT_LE(test::relative_error(fit.weight, read(file, "logistic/lambda_1/weight", {kClasses, 48})), 1e-6);
  communicator.shutdown();
}

TEST(Logistic, SaysWhenItHasNotConverged) {
  MpiCommunicator communicator(test::world());
  const h5::File file(test::golden("eval.h5"), h5::Mode::read);
  const Share mine = share_of(read(file, "logistic/train", {600, 48}), file.read<std::int32_t>("train_label"));
  LogisticOptions options;
  options.lambda = 0.0025 / 600;
  options.max_newton_steps = 2;
  std::vector<LogisticProgress> told;
  options.on_step = [&](const LogisticProgress& progress) { told.push_back(progress); };
  const LogisticFit fit = fit_logistic(communicator, mine.rows, mine.labels, kClasses, options);
  EXPECT_FALSE(fit.converged);
  EXPECT_EQ(fit.newton_steps, 2);
  EXPECT_GT(fit.gap, options.tolerance);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_NEAR(told.front().objective, std::log(10.0), 1e-14);
  EXPECT_EQ(told.back().objective, fit.objective);
  // What rounding does not let it reach it does not claim, nor try for ever.
  options.max_newton_steps = 200;
  options.tolerance = 1e-40;
  options.on_step = {};
  const LogisticFit impossible = fit_logistic(communicator, mine.rows, mine.labels, kClasses, options);
  EXPECT_FALSE(impossible.converged);
  EXPECT_LT(impossible.newton_steps, 200);
  communicator.shutdown();
}

// Few images of many dimensions, which a small lambda lets be told apart fully; a rank without rows; two classes.
TEST(Logistic, FitsFewRowsThatAreEasilyToldApart) {
  MpiCommunicator communicator(test::world());
  const at::Tensor all = centre_and_normalise_rows(test::made_up({10, 64}, at::kDouble, 5));
  const std::vector<std::int32_t> labels{0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
  const bool mine = communicator.rank() == 0;
  LogisticOptions options;
  options.lambda = 1e-6;
  const LogisticFit fit =
      fit_logistic(communicator, mine ? all : all.narrow(0, 0, 0),
                   mine ? std::span<const std::int32_t>(labels) : std::span<const std::int32_t>(), 2, options);
  EXPECT_TRUE(fit.converged);
  EXPECT_LT(fit.objective, 0.01);
  EXPECT_EQ(judge(at::mm(all, fit.weight.t()), labels).classes, labels);
  // With no intercept two classes are mirror images.
  EXPECT_LE((fit.weight[0] + fit.weight[1]).abs().max().item<double>(), 1e-6 * fit.weight.abs().max().item<double>());
  communicator.shutdown();
}

}  // namespace
}  // namespace msn
