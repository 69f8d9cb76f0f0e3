// SPDX-License-Identifier: Apache-2.0
#include "model/fused.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "kernels/embedding.hpp"
#include "kernels/gelu.hpp"
#include "kernels/layer_norm.hpp"
#include "kernels/work_times.hpp"
#include "model/kernel_form.hpp"
#include "model/kernel_types.hpp"
#include "model/torch_fused.hpp"
#include "model/vit.hpp"

namespace msn {
namespace {

using kernels::TimedWork;
using kernels::Work;

/// Bytes of `passes` over a tensor.
double bytes(int passes, const at::Tensor& tensor) {
  return passes * static_cast<double>(tensor.nbytes());
}

}  // namespace

LayerNormed add_layer_norm(const Stream& stream, const Affine& layer) {
  const TimedWork work(Work::layer_norm, bytes(stream.branch.defined() ? 4 : 2, stream.x));
  if (kernel_form(stream.x) != KernelForm::rows) return torch_form::add_layer_norm(stream, layer);
  const std::int64_t rows = stream.x.size(0);
  LayerNormed result;
  result.sum = stream.branch.defined() ? stream.branch : stream.x;
  result.mean = at::empty({rows}, layer.weight.options());
  result.rstd = at::empty({rows}, layer.weight.options());
  result.normed = at::empty_like(stream.x);
  with_type(stream.x.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    kernels::add_layer_norm<T>(
        rows, {stream.x.size(1), elements<T>(stream.x), elements<T>(stream.branch), elements<A>(stream.branch_bias),
               elements<A>(stream.row_scale), elements<T>(result.sum), elements<A>(layer.weight),
               elements<A>(layer.bias), static_cast<A>(kLayerNormEps), elements<A>(result.mean),
               elements<A>(result.rstd), elements<T>(result.normed)});
  });
  return result;
}

at::Tensor layer_norm_again(const LayerNormed& saved, const Affine& layer) {
  const TimedWork work(Work::layer_norm, bytes(2, saved.sum));
  if (kernel_form(saved.sum) != KernelForm::rows) return torch_form::layer_norm_again(saved, layer);
  at::Tensor normed = at::empty_like(saved.sum);
  with_type(normed.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    kernels::layer_norm_again<T>(
        normed.size(0), {normed.size(1), elements<T>(saved.sum), elements<A>(saved.mean), elements<A>(saved.rstd),
                         elements<A>(layer.weight), elements<A>(layer.bias), elements<T>(normed)});
  });
  return normed;
}

StreamGradient layer_norm_backward(const at::Tensor& dnormed, const LayerNormed& saved, const Affine& layer,
                                   const at::Tensor& dskip, const at::Tensor& skip_row, const at::Tensor& row_scale,
                                   const at::Tensor& branch_bias_gradient) {
  const TimedWork work(Work::layer_norm,
                       bytes(3 + (row_scale.defined() ? 1 : 0), dnormed) + (dskip.defined() ? bytes(1, dskip) : 0));
  if (kernel_form(dnormed) != KernelForm::rows) {
    return torch_form::layer_norm_backward(dnormed, saved, layer, dskip, skip_row, row_scale, branch_bias_gradient);
  }
  StreamGradient result{dnormed, row_scale.defined() ? at::empty_like(dnormed) : dnormed};
  with_type(dnormed.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    kernels::layer_norm_backward<T>(
        dnormed.size(0),
        {dnormed.size(1), elements<T>(dnormed), elements<T>(saved.sum), elements<A>(saved.mean),
         elements<A>(saved.rstd), elements<A>(layer.weight), elements<T>(dskip), elements<std::int64_t>(skip_row),
         elements<T>(result.dx), elements<A>(row_scale), row_scale.defined() ? elements<T>(result.dbranch) : nullptr},
        elements<A>(layer.weight_gradient), elements<A>(layer.bias_gradient), elements<A>(branch_bias_gradient));
  });
  return result;
}

at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, bool in_place) {
  const TimedWork work(Work::gelu, bytes(2, x));
  if (kernel_form(x) != KernelForm::rows) return torch_form::bias_gelu(x, bias, in_place);
  at::Tensor activated = in_place ? x : at::empty_like(x);
  with_type(x.scalar_type(), [&]<class T>(T) {
    kernels::bias_gelu<T>(x.size(0), x.size(1), elements<T>(x), elements<kernels::Accumulate<T>>(bias),
                          elements<T>(activated));
  });
  return activated;
}

void bias_gelu_backward(const at::Tensor& dactivated, const at::Tensor& x, const at::Tensor& bias,
                        const at::Tensor& bias_gradient, bool activate) {
  const TimedWork work(Work::gelu, bytes(activate ? 4 : 3, x));
  if (kernel_form(x) != KernelForm::rows)
    return torch_form::bias_gelu_backward(dactivated, x, bias, bias_gradient, activate);
  with_type(x.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    kernels::bias_gelu_backward<T>(x.size(0), x.size(1), elements<T>(dactivated), elements<T>(x), elements<A>(bias),
                                   elements<T>(dactivated), elements<A>(bias_gradient),
                                   activate ? elements<T>(x) : nullptr);
  });
}

void embed(const at::Tensor& patches, const at::Tensor& table, const at::Tensor& out) {
  const TimedWork work(Work::embedding, bytes(2, out));
  if (kernel_form(out) != KernelForm::rows) return torch_form::embed(patches, table, out);
  with_type(out.scalar_type(), [&]<class T>(T) {
    kernels::embed<T>({out.size(0), out.size(1), out.size(2), elements<T>(patches),
                       elements<kernels::Accumulate<T>>(table), table.dim() == 3, elements<T>(out)});
  });
}

EmbedGradients embed_backward(const at::Tensor& dtokens) {
  const TimedWork work(Work::embedding, bytes(2, dtokens));
  if (kernel_form(dtokens) != KernelForm::rows) return torch_form::embed_backward(dtokens);
  const std::int64_t images = dtokens.size(0), tokens = dtokens.size(1), width = dtokens.size(2);
  EmbedGradients result{at::empty({images, tokens - 1, width}, dtokens.options()),
                        at::empty({tokens, width}, dtokens.options().dtype(accumulate_type(dtokens.scalar_type())))};
  with_type(dtokens.scalar_type(), [&]<class T>(T) {
    kernels::embed_backward<T>({images, tokens, width, elements<T>(dtokens), elements<T>(result.dpatches),
                                elements<kernels::Accumulate<T>>(result.dtable)});
  });
  return result;
}

}  // namespace msn
