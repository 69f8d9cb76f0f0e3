// SPDX-License-Identifier: Apache-2.0
#include "objective/prior.hpp"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <string>

#include "base/error.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

std::vector<double> prior_of(const LossConfig& loss, std::int64_t prototypes) {
  const at::Tensor q = log_prior(loss, prototypes).exp();
  return {q.const_data_ptr<double>(), q.const_data_ptr<double>() + q.numel()};
}

TEST(Prior, UniformIsTheDefault) {
  for (const double q : prior_of({}, 5))
    EXPECT_DOUBLE_EQ(q, 0.2);
}

TEST(Prior, PowerLawFallsWithThePrototypesNumber) {
  LossConfig loss;
  loss.prior = "power_law";
  loss.prior_exponent = 1;
  const auto q = prior_of(loss, 4);  // Weights 1, 1/2, 1/3, 1/4: a sum of 25/12.
  const double expected[] = {0.48, 0.24, 0.16, 0.12};
  for (std::size_t k = 0; k < 4; ++k)
    EXPECT_NEAR(q[k], expected[k], 1e-15);
  loss.prior_exponent = 0.25;
  EXPECT_NEAR(prior_of(loss, 16)[0] / prior_of(loss, 16)[15], 2.0, 1e-14);
}

TEST(Prior, TakesTheWeightsOfAFile) {
  const test::TempDir dir;
  LossConfig loss;
  loss.prior = dir / "weights.txt";
  std::ofstream(loss.prior) << " 1\t2\r\n5e0\n";
  const auto q = prior_of(loss, 3);
  EXPECT_NEAR(q[0], 0.125, 1e-15);
  EXPECT_NEAR(q[1], 0.25, 1e-15);
  EXPECT_NEAR(q[2], 0.625, 1e-15);
}

TEST(Prior, RefusesAFileThatDoesNotFit) {
  const test::TempDir dir;
  LossConfig loss;
  loss.prior = dir / "weights.txt";
  const auto failure = [&](const std::string& text) {
    std::ofstream(loss.prior) << text;
    try {
      log_prior(loss, 3);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config) << text;
      return std::string(error.what());
    }
    ADD_FAILURE() << "accepted: " << text;
    return std::string();
  };
  EXPECT_NE(failure("1 2").find("2 weights for 3 prototypes"), std::string::npos);
  EXPECT_NE(failure("1 2 3 4").find("4 weights for 3 prototypes"), std::string::npos);
  EXPECT_NE(failure("").find("0 weights"), std::string::npos);
  EXPECT_NE(failure("1 -2 3").find("weight 2 of the prior, \"-2\""), std::string::npos);
  for (const char* bad : {"1 0 3", "1 nan 3", "1 inf 3", "1 2x 3", "1, 2, 3"})
    EXPECT_NE(failure(bad).find("no number above 0"), std::string::npos);

  loss.prior = dir / "absent.txt";
  EXPECT_THROW(log_prior(loss, 3), Error);
}

}  // namespace
}  // namespace msn
