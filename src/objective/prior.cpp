// SPDX-License-Identifier: Apache-2.0
#include "objective/prior.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"

namespace msn {
namespace {

Error refused(const std::string& problem, const std::filesystem::path& file, std::int64_t prototypes) {
  return config_error(problem, file.string(),
                      "loss.prior is \"uniform\", \"power_law\" or a file of " + std::to_string(prototypes) +
                          " weights above 0, one a prototype");
}

std::string read_weights_text(const std::filesystem::path& file, std::int64_t prototypes) {
  try {
    return read_text(file);
  } catch (const Error& error) {
    throw refused(error.problem(), file, prototypes);
  }
}

std::vector<double> read_weights(const std::filesystem::path& file, std::int64_t prototypes) {
  const std::string text = read_weights_text(file, prototypes);
  std::vector<double> weights;
  constexpr std::string_view space = " \t\r\n";
  for (std::size_t at = text.find_first_not_of(space); at != std::string::npos;
       at = text.find_first_not_of(space, at)) {
    const std::size_t end = std::min(text.find_first_of(space, at), text.size());
    const std::string_view word = std::string_view(text).substr(at, end - at);
    double weight = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), weight);
    if (error != std::errc{} || stop != word.data() + word.size() || !std::isfinite(weight) || weight <= 0) {
      throw refused("weight " + std::to_string(weights.size() + 1) + " of the prior, \"" +
                        std::string(word.substr(0, 40)) + "\", is no number above 0",
                    file, prototypes);
    }
    weights.push_back(weight);
    at = end;
  }
  if (static_cast<std::int64_t>(weights.size()) != prototypes) {
    throw refused("the prior has " + std::to_string(weights.size()) + " weights for " + std::to_string(prototypes) +
                      " prototypes",
                  file, prototypes);
  }
  return weights;
}

}  // namespace

at::Tensor log_prior(const LossConfig& loss, std::int64_t prototypes) {
  at::Tensor log_weights;
  if (loss.prior == "uniform") {
    log_weights = at::zeros({prototypes}, at::kDouble);
  } else if (loss.prior == "power_law") {
    log_weights = at::arange(1, prototypes + 1, at::kDouble).log_().mul_(-loss.prior_exponent);
  } else {
    log_weights = at::tensor(read_weights(loss.prior, prototypes), at::kDouble).log_();
  }
  return log_weights - log_weights.logsumexp(0);
}

}  // namespace msn
