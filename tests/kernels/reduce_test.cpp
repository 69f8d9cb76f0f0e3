// SPDX-License-Identifier: Apache-2.0
#include "kernels/reduce.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/hdf5.hpp"
#include "base/random.hpp"
#include "support/kernels.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(ClipFactor, MatchesClipGradNorm) {
  const h5::File file(test::golden("optim.h5"), h5::Mode::read);
  for (const std::string& name : file.list("clip")) {
    const std::string group = "clip/" + name;
    double square = 0;
    for (int i = 0; i < 3; ++i) {
      const auto gradient = file.read<float>(group + "/gradient_" + std::to_string(i));
      square += kernels::sum_of_squares<float>(gradient);
    }
    const double norm = std::sqrt(square);
    EXPECT_NEAR(norm, file.real_attribute(group, "norm_float64"), 1e-12 * norm) << name;
    const double factor = kernels::clip_factor(norm, file.real_attribute(group, "max_norm"));
    EXPECT_NEAR(factor, file.real_attribute(group, "factor_float64"), 1e-12) << name;
    for (int i = 0; i < 3; ++i) {
      const auto gradient = file.read<float>(group + "/gradient_" + std::to_string(i));
      const auto clipped = file.read<float>(group + "/clipped_" + std::to_string(i));
      // The reference rounds the norm to float32 first: one unit in the last place.
      for (std::size_t k = 0; k < gradient.size(); ++k)
        EXPECT_FLOAT_EQ(gradient[k] * static_cast<float>(factor), clipped[k]) << name;
    }
  }
  EXPECT_EQ(kernels::clip_factor(100, 0), 1.0);
}

TEST(SumOfSquares, HasTheSameBitsForAnyNumberOfThreads) {
  std::vector<float> values(100003);
  RandomStream stream(1, "values", Purpose::init);
  for (float& value : values)
    value = static_cast<float>(stream.normal());
  omp_set_num_threads(1);
  const double one = kernels::sum_of_squares<float>(values);
  omp_set_num_threads(3);
  const double three = kernels::sum_of_squares<float>(values);
  omp_set_num_threads(1);
  EXPECT_EQ(one, three);
  EXPECT_NEAR(one, 100003.0, 5 * std::sqrt(2.0 * 100003.0));
  values[70000] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(kernels::sum_of_squares<float>(values)));
  EXPECT_EQ(kernels::sum_of_squares<float>({}), 0.0);
}

template <class T>
void compare(std::int64_t count, kernels::InstructionSet set) {
  const auto values = test::stored<T>(test::uniform(count, -2, 3, 7));
  double sum = 0;
  for (const T value : values)
    sum += double{value} * value;
  EXPECT_NEAR(kernels::sum_of_squares<T>(values, set), sum, 1e-13 * sum) << count;
}

TEST(SumOfSquares, EveryInstructionSetSumsAllAndSeesWhatIsNotFinite) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    for (const std::int64_t count : {1, 31, 33, 16384, 16385, 50003}) {
      compare<float>(count, set);
      compare<double>(count, set);
    }
    for (const std::size_t place : {std::size_t{0}, std::size_t{40}, std::size_t{16416}}) {  // The last one in a rest.
      std::vector<float> values(16417, 1e30F);
      EXPECT_TRUE(std::isfinite(kernels::sum_of_squares<float>(values, set)));
      values[place] = -std::numeric_limits<float>::infinity();
      EXPECT_TRUE(std::isinf(kernels::sum_of_squares<float>(values, set)));
      values[place] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(kernels::sum_of_squares<float>(values, set)));
    }
  }
}

}  // namespace
}  // namespace msn
