// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_buckets.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <string>
#include <vector>

#include "comm/mpi_communicator.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

const std::vector<NamedShape> kTensors{
    {"first", {3}}, {"a", {40, 30}}, {"b", {7}}, {"c", {100, 100}}, {"last", {5, 5}}};
const std::vector<BucketSizes> kSizes{{1, 1 << 10}, {1 << 10, 1 << 10}, {1 << 12, 1 << 13}, {1 << 20, 1 << 30}};

void fill(const Parameters& parameters) {
  double first = 0;
  for (const Segment& segment : parameters.segments()) {
    const at::Tensor values = at::empty(segment.shape, at::kDouble);
    double* numbers = values.mutable_data_ptr<double>();
    for (std::int64_t i = 0; i < segment.elements; ++i)
      numbers[i] = first + 1.0 / (3 + world().rank()) + 0.37 * static_cast<double>(i % 11);
    parameters.gradient(segment.name).copy_(values);
    first += 1;
  }
}

TEST(MakeBuckets, CoverTheBufferFromItsEndInWholeTensors) {
  const Parameters parameters(kTensors, at::kFloat, Parameters::Gradients::with);
  for (const BucketSizes sizes : kSizes) {
    std::int64_t end = parameters.values().numel();
    const auto buckets = make_buckets(parameters, sizes);
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      EXPECT_EQ(buckets[i].end, end);
      EXPECT_LT(buckets[i].begin, end);
      EXPECT_TRUE(std::any_of(parameters.segments().begin(), parameters.segments().end(),
                              [&](const Segment& segment) { return segment.offset == buckets[i].begin; }));
      end = buckets[i].begin;
      // All but the last have reached their size.
      if (i + 1 < buckets.size()) {
        EXPECT_GE(4 * (buckets[i].end - end), i == 0 ? std::min(sizes.first, sizes.others) : sizes.others);
      }
    }
    EXPECT_EQ(end, 0);
  }
  EXPECT_EQ(make_buckets(parameters, {1, 1}).size(), kTensors.size());
  EXPECT_EQ(make_buckets(parameters, {1 << 30, 1 << 30}).size(), 1u);
}

void expect_one_sum(at::ScalarType type, ExchangePath path) {
  MpiCommunicator communicator(world(), {path, Background::automatic, {64, 1024}});
  const Parameters parameters(kTensors, type, Parameters::Gradients::with);
  fill(parameters);
  const at::Tensor expected = parameters.gradients().clone();
  communicator.sum(expected, "all at once");
  for (const BucketSizes sizes : kSizes) {
    GradientBuckets buckets(parameters, communicator, sizes);
    buckets.compare_over_ranks();
    for (int step = 0; step < 2; ++step) {
      parameters.gradients().zero_();
      fill(parameters);
      buckets.begin();
      if (step == 0) buckets.set_flag(2, world().rank() + 1);
      for (std::size_t i = kTensors.size(); i-- > 0;)
        buckets.ready_from(parameters.segments()[i].offset);
      buckets.finish();
      EXPECT_TRUE(parameters.gradients().equal(expected)) << sizes.others << " bytes by " << communicator.description();
      EXPECT_EQ(buckets.flag_sum(2), step == 0 ? world().size() * (world().size() + 1) / 2 : 0);
      EXPECT_EQ(buckets.flag_sum(0), 0);
      EXPECT_GE(buckets.exposed_seconds(), 0);
      EXPECT_EQ(buckets.seconds() > 0, world().size() > 1);
    }
  }
  communicator.shutdown();
}

TEST(GradientBuckets, GiveTheBitsOfOneSumInFloat32) {
  expect_one_sum(at::kFloat, ExchangePath::shared_memory);
  expect_one_sum(at::kFloat, ExchangePath::messages);
}

TEST(GradientBuckets, GiveTheBitsOfOneSumInFloat64) {
  expect_one_sum(at::kDouble, ExchangePath::shared_memory);
  expect_one_sum(at::kDouble, ExchangePath::messages);
}

/// One step's sums with buckets of `sizes`.
at::Tensor summed(const Parameters& parameters, const Communicator& communicator, BucketSizes sizes,
                  ReducePrecision precision) {
  GradientBuckets buckets(parameters, communicator, sizes, precision);
  buckets.compare_over_ranks();
  fill(parameters);
  buckets.begin();
  buckets.set_flag(1, at::full({1}, world().rank() + 1, at::kLong));
  buckets.ready_from(parameters.segment("b").offset);
  buckets.ready_from(0);
  buckets.finish();
  EXPECT_EQ(buckets.flag_sum(1), world().size() * (world().size() + 1) / 2);
  EXPECT_EQ(buckets.flag_sum_tensor(1).dim(), 0);
  EXPECT_EQ(buckets.flag_sum_tensor(0).item<double>(), 0);
  return parameters.gradients().clone();
}

TEST(GradientBuckets, InBfloat16AreOffByLittleAndEqualForAllSizesAndRanks) {
  for (const ExchangePath path : {ExchangePath::shared_memory, ExchangePath::messages}) {
    MpiCommunicator communicator(world(), {path, Background::automatic, {64, 1024}});
    const Parameters parameters(kTensors, at::kFloat, Parameters::Gradients::with);
    const at::Tensor exact = summed(parameters, communicator, kSizes[0], ReducePrecision::full);
    const at::Tensor rounded = summed(parameters, communicator, kSizes[0], ReducePrecision::bf16);
    if (world().size() == 1) {
      EXPECT_TRUE(rounded.equal(exact)) << "nothing travels, nothing is rounded";
    } else {
      EXPECT_TRUE(rounded.equal(rounded.to(at::kBFloat16).to(at::kFloat)));
      EXPECT_FALSE(rounded.equal(exact));
      fill(parameters);
      const at::Tensor sizes = parameters.gradients().abs();
      communicator.sum(sizes, "absolute values");
      EXPECT_TRUE(rounded.sub(exact).abs().le(sizes.mul(1.01 * 0x1p-7)).all().item<bool>());
    }
    for (const BucketSizes size : kSizes)
      EXPECT_TRUE(summed(parameters, communicator, size, ReducePrecision::bf16).equal(rounded)) << size.others;
    const at::Tensor all = communicator.gather(rounded, "every rank's");
    for (std::int64_t rank = 1; rank < all.size(0); ++rank)
      EXPECT_TRUE(all[rank].equal(all[0])) << rank;
    communicator.shutdown();
  }
}

TEST(GradientBuckets, AreSentAsSoonAsTheyAreComplete) {
  MpiCommunicator communicator(world());
  const Parameters parameters(kTensors, at::kFloat, Parameters::Gradients::with);
  GradientBuckets buckets(parameters, communicator, {1, 1 << 10});  // last; c; b and a; first.
  ASSERT_EQ(buckets.buckets().size(), 4u);
  const auto sent = [&, before = world().recorder().records().size()] {
    return world().recorder().records().size() - before;
  };
  buckets.begin();
  if (world().size() > 1) {
    buckets.ready_from(parameters.segment("last").offset);
    EXPECT_EQ(sent(), 1u);
    buckets.ready_from(parameters.segment("b").offset);
    EXPECT_EQ(sent(), 2u);
    EXPECT_EQ(world().recorder().records().back().what, "gradients 1");
    EXPECT_THROW(buckets.finish(), Error) << "not all is ready";
    EXPECT_THROW(buckets.set_flag(0, 1), Error) << "the flags are gone";
  }
  buckets.ready_from(0);
  buckets.finish();
  communicator.shutdown();
}

TEST(GradientBuckets, OfAnotherNetworkOnOneRankAreRefused) {
  if (world().size() == 1) return;
  MpiCommunicator communicator(world());
  std::vector<NamedShape> tensors = kTensors;
  if (world().rank() == 1) tensors[1].shape = {30, 40};
  const Parameters parameters(tensors, at::kFloat, Parameters::Gradients::with);
  const GradientBuckets buckets(parameters, communicator, {});
  try {
    buckets.compare_over_ranks();
    ADD_FAILURE() << "accepted";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_EQ(error.where(), "other than rank 0: 1");
  }
  communicator.shutdown();
}

}  // namespace
}  // namespace msn
