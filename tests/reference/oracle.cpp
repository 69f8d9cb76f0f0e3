// SPDX-License-Identifier: Apache-2.0
#include "reference/oracle.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace msn::reference {
namespace {

at::Tensor linear(const at::Tensor& x, const Tensors& weights, const std::string& name) {
  return at::matmul(x, weights.at(name + ".weight").t()) + weights.at(name + ".bias");
}

at::Tensor gelu(const at::Tensor& x) {
  return x * (at::erf(x / std::sqrt(2.0)) + 1) / 2;
}

/// (x - mean) / sqrt(variance + eps) over `dimension`, scaled and shifted.
at::Tensor norm(const at::Tensor& x, std::int64_t dimension, double eps, const Tensors& weights,
                const std::string& name) {
  const at::Tensor centred = x - x.mean(dimension, true);
  const at::Tensor variance = (centred * centred).mean(dimension, true);
  return centred / at::sqrt(variance + eps) * weights.at(name + ".weight") + weights.at(name + ".bias");
}
at::Tensor layer_norm(const at::Tensor& x, const Tensors& weights, const std::string& name) {
  return norm(x, -1, 1e-6, weights, name);
}
at::Tensor batch_norm(const at::Tensor& x, const Tensors& weights, const std::string& name) {
  return norm(x, 0, 1e-5, weights, name);
}

/// Position vectors of a grid x grid image, [1, grid², width].
at::Tensor positions(const Tensors& weights, std::int64_t grid) {
  const at::Tensor table = weights.at("pos_embed").narrow(1, 1, weights.at("pos_embed").size(1) - 1);
  const std::int64_t side = std::lround(std::sqrt(static_cast<double>(table.size(1))));
  if (side == grid) return table;
  const at::Tensor image = table.reshape({1, side, side, -1}).permute({0, 3, 1, 2});
  return at::upsample_bicubic2d(image, {grid, grid}, /*align_corners=*/false).flatten(2).transpose(1, 2);
}

/// x [images, tokens, width]
at::Tensor attention(const at::Tensor& x, std::int64_t heads, const Tensors& weights, const std::string& name) {
  const std::int64_t images = x.size(0), tokens = x.size(1), width = x.size(2);
  // [3, images, heads, tokens, width of a head]
  const at::Tensor qkv =
      linear(x, weights, name + ".qkv").reshape({images, tokens, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});
  const double scale = 1 / std::sqrt(static_cast<double>(width / heads));
  const at::Tensor probabilities = at::softmax(at::matmul(qkv[0], qkv[1].transpose(2, 3)) * scale, -1);
  const at::Tensor mixed = at::matmul(probabilities, qkv[2]).transpose(1, 2).reshape({images, tokens, width});
  return linear(mixed, weights, name + ".proj");
}

/// Class tokens [images, width] of images [images, 3, size, size]. `branches` [depth, 2, images] may be undefined.
at::Tensor trunk(const Problem& problem, const Tensors& weights, const at::Tensor& images, const at::Tensor& keep,
                 const at::Tensor& branches) {
  const at::Tensor& kernel = weights.at("patch_embed.proj.weight");
  const at::Tensor map =
      at::conv2d(images, kernel, weights.at("patch_embed.proj.bias"), {kernel.size(2), kernel.size(3)});
  at::Tensor patches = map.flatten(2).transpose(1, 2) + positions(weights, map.size(2));
  const std::int64_t n = images.size(0);
  const std::int64_t width = patches.size(2);
  if (keep.defined()) {
    const at::Tensor rows = keep.dim() == 1 ? keep.unsqueeze(0).expand({n, -1}) : keep;
    patches = at::gather(patches, 1, rows.unsqueeze(2).expand({-1, -1, width}));
  }
  const at::Tensor cls = weights.at("cls_token") + weights.at("pos_embed").narrow(1, 0, 1);
  at::Tensor x = at::cat({cls.expand({n, 1, width}), patches}, 1);
  for (std::int64_t i = 0; i < problem.depth; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    const auto factor = [&](int branch) {
      return branches.defined() ? branches[i][branch].reshape({n, 1, 1}) : at::full({1}, 1.0, at::kDouble);
    };
    x = x + factor(0) * attention(layer_norm(x, weights, name + ".norm1"), problem.heads, weights, name + ".attn");
    const at::Tensor hidden = gelu(linear(layer_norm(x, weights, name + ".norm2"), weights, name + ".mlp.fc1"));
    x = x + factor(1) * linear(hidden, weights, name + ".mlp.fc2");
  }
  return layer_norm(x, weights, "norm").select(1, 0);
}

/// One group: every row takes part in the batch norms' statistics.
at::Tensor head(const at::Tensor& x, const Tensors& weights) {
  const at::Tensor first = gelu(batch_norm(linear(x, weights, "fc.fc1"), weights, "fc.bn1"));
  const at::Tensor second = gelu(batch_norm(linear(first, weights, "fc.fc2"), weights, "fc.bn2"));
  return linear(second, weights, "fc.fc3");
}

/// Predictions [rows, K] from embeddings [rows, out].
at::Tensor predict(const Problem& problem, const at::Tensor& embeddings, const at::Tensor& prototypes) {
  const auto unit = [](const at::Tensor& x) { return x / at::sqrt((x * x).sum(1, true)); };
  const at::Tensor cosines = at::matmul(unit(embeddings), unit(prototypes).t());
  const double s = problem.label_smoothing;
  return at::softmax(cosines / problem.temperature, 1) * (1 - s) + s / static_cast<double>(prototypes.size(0));
}

/// Sinkhorn-Knopp on the transport plan [K, N] (Cuturi, arXiv 1306.0895): prototypes to equal mass, then samples.
at::Tensor balance(const at::Tensor& targets, int iterations) {
  const auto samples = static_cast<double>(targets.size(0));
  const auto prototypes = static_cast<double>(targets.size(1));
  at::Tensor plan = targets.t() / targets.sum();
  for (int i = 0; i < iterations; ++i) {
    plan = plan / plan.sum(1, true) / prototypes;
    plan = plan / plan.sum(0, true) / samples;
  }
  return (plan * samples).t();
}

at::Tensor make_targets(const Problem& problem, const at::Tensor& h, const at::Tensor& prototypes) {
  const at::Tensor powers = predict(problem, h, prototypes).pow(1 / problem.sharpen);
  const at::Tensor sharpened = powers / powers.sum(1, true);
  return problem.sinkhorn > 0 ? balance(sharpened, problem.sinkhorn) : sharpened;
}

/// The embeddings of the views [begin, end), which make one group.
at::Tensor embed(const Problem& problem, const Tensors& weights, std::size_t begin, std::size_t end,
                 const at::Tensor& keep, const at::Tensor& branches) {
  const auto first = problem.views.begin();
  const std::vector<at::Tensor> views(first + static_cast<std::ptrdiff_t>(begin),
                                      first + static_cast<std::ptrdiff_t>(end));
  return head(trunk(problem, weights, at::cat(views), keep, branches), weights);
}

}  // namespace

Solution solve(const Problem& problem) {
  Solution solution;
  {
    const at::NoGradGuard no_gradient;
    solution.h = embed(problem, problem.target, 0, 1, {}, {});
    solution.targets = make_targets(problem, solution.h, problem.online.at("prototypes"));
  }

  const at::AutoGradMode with_gradient(true);
  Tensors weights;
  for (const auto& [name, value] : problem.online)
    weights[name] = value.detach().clone().requires_grad_();
  const auto first_focal = static_cast<std::size_t>(1 + problem.random);
  std::vector<at::Tensor> embeddings;
  if (problem.random > 0)
    embeddings.push_back(embed(problem, weights, 1, first_focal, problem.keep, problem.random_branches));
  if (first_focal < problem.views.size())
    embeddings.push_back(embed(problem, weights, first_focal, problem.views.size(), {}, problem.focal_branches));
  const at::Tensor z = at::cat(embeddings);

  const at::Tensor& prototypes = weights.at("prototypes");
  const at::Tensor p = predict(problem, z, prototypes);
  const at::Tensor targets = solution.targets.repeat({static_cast<std::int64_t>(problem.views.size()) - 1, 1});
  const at::Tensor cross_entropy = -(targets * p.log()).sum(1).mean();
  const at::Tensor mean = p.mean(0);
  const auto k = static_cast<double>(prototypes.size(0));
  const at::Tensor prior = problem.prior.defined() ? problem.prior : at::full({prototypes.size(0)}, 1 / k, at::kDouble);
  const at::Tensor regulariser = (mean * (mean / prior).log()).sum();
  const at::Tensor entropy = -(p * p.log()).sum(1).mean();
  const at::Tensor loss = cross_entropy + regulariser * problem.me_max + entropy * problem.entropy;
  loss.backward();

  solution.loss = loss.item<double>();
  solution.cross_entropy = cross_entropy.item<double>();
  solution.me_max = regulariser.item<double>();
  solution.entropy = entropy.item<double>();
  solution.z = z.detach();
  for (const auto& [name, tensor] : weights) {
    const at::Tensor gradient = tensor.grad().defined() ? tensor.grad() : at::zeros_like(tensor);
    solution.gradients[name] = (gradient * problem.ranks).detach();
  }
  return solution;
}

}  // namespace msn::reference
