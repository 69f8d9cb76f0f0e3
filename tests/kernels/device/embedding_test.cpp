// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/embedding.hpp"

#include "kernels/device/compare.hpp"
#include "kernels/device/device_memory.hpp"

namespace msn {
namespace {

using kernels::Accumulate;
using kernels::Bf16;
using test::DeviceArray;
using test::Tolerance;

struct Shape {
  std::int64_t images, tokens, width;
};

template <class T>
void check_forward(const Shape& s, bool table_per_image) {
  using A = Accumulate<T>;
  const auto patches = test::stored<T>(test::uniform(s.images * (s.tokens - 1) * s.width, -1, 1, 1));
  const auto table = test::stored<A>(test::uniform((table_per_image ? s.images : 1) * s.tokens * s.width, -1, 1, 2));
  const DeviceArray<T> in(patches), out(s.images * s.tokens * s.width);
  const DeviceArray<A> added(table);
  kernels::device::embed<T>(nullptr,
                            {s.images, s.tokens, s.width, in.data(), added.data(), table_per_image, out.data()});
  const std::vector<T> got = out.host();

  std::vector<double> want;
  for (std::int64_t image = 0; image < s.images; ++image) {
    for (std::int64_t token = 0; token < s.tokens; ++token) {
      for (std::int64_t i = 0; i < s.width; ++i) {
        const std::int64_t row = table_per_image ? image * s.tokens + token : token;
        const double patch =
            token == 0
                ? 0
                : test::value(patches[static_cast<std::size_t>((image * (s.tokens - 1) + token - 1) * s.width + i)]);
        want.push_back(table[static_cast<std::size_t>(row * s.width + i)] + patch);
      }
    }
  }
  test::expect_near(got, want, Tolerance<T>::stored, Tolerance<T>::computed, "out");
  std::vector<T> host(got.size());
  kernels::embed<T>({s.images, s.tokens, s.width, patches.data(), table.data(), table_per_image, host.data()});
  EXPECT_TRUE(test::same_bits(got, host));
}

template <class T>
void check_backward(const Shape& s) {
  using A = Accumulate<T>;
  const auto dout = test::stored<T>(test::uniform(s.images * s.tokens * s.width, -1, 1, 3));
  const DeviceArray<T> gradients(dout), dpatches(s.images * (s.tokens - 1) * s.width);
  const DeviceArray<A> dtable(std::vector<A>(static_cast<std::size_t>(s.tokens * s.width), A(7)));
  const DeviceArray<A> scratch(kernels::device::embed_scratch(s.images, s.tokens, s.width));
  const auto run = [&] {
    kernels::device::embed_backward<T>(
        nullptr, {s.images, s.tokens, s.width, gradients.data(), dpatches.data(), dtable.data()}, scratch.data());
  };
  run();
  const std::vector<A> sums = dtable.host();
  std::vector<double> want(sums.size());
  for (std::size_t at = 0; at < dout.size(); ++at)
    want[at % want.size()] += test::value(dout[at]);
  test::expect_near(sums, want, 0, static_cast<double>(s.images) * Tolerance<T>::computed, "dtable");
  std::vector<T> host(static_cast<std::size_t>(s.images * (s.tokens - 1) * s.width));
  std::vector<A> host_sums(sums.size());
  kernels::embed_backward<T>({s.images, s.tokens, s.width, dout.data(), host.data(), host_sums.data()});
  EXPECT_TRUE(test::same_bits(dpatches.host(), host));
  test::expect_near(sums, test::numbers(host_sums), 0, static_cast<double>(s.images) * Tolerance<T>::computed, "host");
  run();
  EXPECT_TRUE(test::same_bits(dtable.host(), sums));
}

template <class T>
void check_all() {
  for (const Shape& shape : {Shape{3, 5, 37}, Shape{1, 1, 8}, Shape{1, 2, 1}, Shape{70, 17, 24}}) {
    SCOPED_TRACE(std::to_string(shape.images) + " images, " + std::to_string(shape.tokens) + " tokens, width " +
                 std::to_string(shape.width));
    check_forward<T>(shape, false);
    check_forward<T>(shape, true);
    check_backward<T>(shape);
  }
}
TEST(DeviceEmbedding, InFloat32) {
  check_all<float>();
}
TEST(DeviceEmbedding, InFloat64) {
  check_all<double>();
}
TEST(DeviceEmbedding, InBfloat16) {
  check_all<Bf16>();
}

TEST(DeviceEmbedding, OfNoImagesHasAGradientOfZeros) {
  const DeviceArray<float> empty(std::int64_t{0}), dtable(std::vector<float>(12, 7.0F));
  kernels::device::embed_backward<float>(nullptr, {0, 3, 4, empty.data(), empty.data(), dtable.data()}, empty.data());
  EXPECT_EQ(dtable.host(), std::vector<float>(12, 0.0F));
}

}  // namespace
}  // namespace msn
