// SPDX-License-Identifier: Apache-2.0
// class_tokens WEIGHTS INPUT.h5 OUTPUT.h5: what our network makes of `pixel_values` [n, 3, size, size] of the input, as
// `features` [n, width] in the output. For the tests in which other programs compute the same.
#include <ATen/ops/from_blob.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <vector>

#include "base/hdf5.hpp"
#include "comm/world.hpp"
#include "evaluate/encoder.hpp"

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: class_tokens WEIGHTS INPUT.h5 OUTPUT.h5\n");
    return 2;
  }
  const msn::h5::File input(argv[2], msn::h5::Mode::read);
  std::vector<float> pixels = input.read<float>("pixel_values");
  std::vector<std::int64_t> shape;
  for (const std::uint64_t extent : input.facts("pixel_values").shape)
    shape.push_back(static_cast<std::int64_t>(extent));
  const msn::Encoder encoder = msn::Encoder::from_weights(msn::World::alone(), argv[1]);
  const at::Tensor features =
      encoder.features(at::from_blob(pixels.data(), shape, at::kFloat)).to(at::kFloat).contiguous();
  msn::h5::File output(argv[3], msn::h5::Mode::create);
  output.write<float>("features", {features.const_data_ptr<float>(), static_cast<std::size_t>(features.numel())},
                      {static_cast<std::uint64_t>(features.size(0)), static_cast<std::uint64_t>(features.size(1))});
  output.close();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "class_tokens: %s\n", error.what());
  return 1;
}
