// SPDX-License-Identifier: Apache-2.0
#include "model/position_embedding.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <string>

#include "base/hdf5.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(PositionResampling, MatchesTheOfficialInterpolation) {
  const h5::File file(test::golden("interp.h5"), h5::Mode::read);
  int grids = 0;
  for (const std::string& name : file.list("/")) {
    const auto facts = file.facts(name + "/output_f64");
    const auto from = static_cast<std::int64_t>(std::stoi(name.substr(0, name.find('_'))));
    const auto to = static_cast<std::int64_t>(std::stoi(name.substr(name.find('_') + 1)));
    auto input = file.read<double>(name + "/input");
    auto f64 = file.read<double>(name + "/output_f64");
    auto f32 = file.read<float>(name + "/output_f32");
    const at::Tensor matrix = position_resampling(from, to);
    const at::Tensor table = at::from_blob(input.data(), {1 + from * from, 8}, at::kDouble).narrow(0, 1, from * from);
    const at::Tensor want = at::from_blob(f64.data(), {1 + to * to, 8}, at::kDouble).narrow(0, 1, to * to);
    EXPECT_EQ(facts.shape[1], static_cast<std::uint64_t>(1 + to * to));
    EXPECT_LT((at::mm(matrix, table) - want).abs().max().item<double>(), 1e-12) << name;
    // The official float32 run computes the source coordinates (up to 56) in float32 too.
    const at::Tensor want32 = at::from_blob(f32.data(), {1 + to * to, 8}, at::kFloat).narrow(0, 1, to * to);
    const at::Tensor got32 = at::mm(matrix.to(at::kFloat), table.to(at::kFloat));
    EXPECT_LT((got32 - want32).abs().max().item<double>(), 2e-5) << name;
    EXPECT_LT((got32.to(at::kDouble) - want).abs().max().item<double>(), 1e-6) << name;
    ++grids;
  }
  EXPECT_EQ(grids, 5);
}

}  // namespace
}  // namespace msn
