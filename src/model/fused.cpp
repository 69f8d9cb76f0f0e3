// SPDX-License-Identifier: Apache-2.0
#include "model/fused.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "kernels/device/embedding.hpp"
#include "kernels/device/gelu.hpp"
#include "kernels/device/layer_norm.hpp"
#include "kernels/embedding.hpp"
#include "kernels/gelu.hpp"
#include "kernels/layer_norm.hpp"
#include "kernels/work_times.hpp"
#include "model/device_queue.hpp"
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

/// Memory of a kernel of Kokkos, until its queue is past it: LibTorch gives it to nobody else before that.
at::Tensor scratch(std::int64_t values, const at::Tensor& beside) {
  return at::empty({values}, beside.options().dtype(accumulate_type(beside.scalar_type())));
}

}  // namespace

LayerNormed add_layer_norm(const Stream& stream, const Affine& layer) {
  const TimedWork work(Work::layer_norm, bytes(stream.branch.defined() ? 4 : 2, stream.x));
  const KernelForm form = kernel_form(stream.x);
  if (form == KernelForm::torch) return torch_form::add_layer_norm(stream, layer);
  const std::int64_t rows = stream.x.size(0);
  LayerNormed result;
  result.sum = stream.branch.defined() ? stream.branch : stream.x;
  result.mean = at::empty({rows}, layer.weight.options());
  result.rstd = at::empty({rows}, layer.weight.options());
  result.normed = at::empty_like(stream.x);
  with_type(stream.x.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    const kernels::AddLayerNorm<T> arguments{stream.x.size(1),
                                             elements<T>(stream.x),
                                             elements<T>(stream.branch),
                                             elements<A>(stream.branch_bias),
                                             elements<A>(stream.row_scale),
                                             elements<T>(result.sum),
                                             elements<A>(layer.weight),
                                             elements<A>(layer.bias),
                                             static_cast<A>(kLayerNormEps),
                                             elements<A>(result.mean),
                                             elements<A>(result.rstd),
                                             elements<T>(result.normed)};
    if (form == KernelForm::kokkos) return kernels::device::add_layer_norm<T>(device_queue(stream.x), rows, arguments);
    kernels::add_layer_norm<T>(rows, arguments);
  });
  return result;
}

at::Tensor layer_norm_again(const LayerNormed& saved, const Affine& layer) {
  const TimedWork work(Work::layer_norm, bytes(2, saved.sum));
  const KernelForm form = kernel_form(saved.sum);
  if (form == KernelForm::torch) return torch_form::layer_norm_again(saved, layer);
  at::Tensor normed = at::empty_like(saved.sum);
  with_type(normed.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    const kernels::LayerNormAgain<T> arguments{
        normed.size(1),          elements<T>(saved.sum),    elements<A>(saved.mean),
        elements<A>(saved.rstd), elements<A>(layer.weight), elements<A>(layer.bias),
        elements<T>(normed)};
    if (form == KernelForm::kokkos) {
      return kernels::device::layer_norm_again<T>(device_queue(normed), normed.size(0), arguments);
    }
    kernels::layer_norm_again<T>(normed.size(0), arguments);
  });
  return normed;
}

StreamGradient layer_norm_backward(const at::Tensor& dnormed, const LayerNormed& saved, const Affine& layer,
                                   const at::Tensor& dskip, const at::Tensor& skip_row, const at::Tensor& row_scale,
                                   const at::Tensor& branch_bias_gradient) {
  const TimedWork work(Work::layer_norm,
                       bytes(3 + (row_scale.defined() ? 1 : 0), dnormed) + (dskip.defined() ? bytes(1, dskip) : 0));
  const KernelForm form = kernel_form(dnormed);
  if (form == KernelForm::torch) {
    return torch_form::layer_norm_backward(dnormed, saved, layer, dskip, skip_row, row_scale, branch_bias_gradient);
  }
  StreamGradient result{dnormed, row_scale.defined() ? at::empty_like(dnormed) : dnormed};
  with_type(dnormed.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    const std::int64_t rows = dnormed.size(0), width = dnormed.size(1);
    const kernels::LayerNormBackward<T> arguments{width,
                                                  elements<T>(dnormed),
                                                  elements<T>(saved.sum),
                                                  elements<A>(saved.mean),
                                                  elements<A>(saved.rstd),
                                                  elements<A>(layer.weight),
                                                  elements<T>(dskip),
                                                  elements<std::int64_t>(skip_row),
                                                  elements<T>(result.dx),
                                                  elements<A>(row_scale),
                                                  row_scale.defined() ? elements<T>(result.dbranch) : nullptr};
    A* const dweight = elements<A>(layer.weight_gradient);
    A* const dbias = elements<A>(layer.bias_gradient);
    A* const dbranch_bias = elements<A>(branch_bias_gradient);
    if (form == KernelForm::kokkos) {
      const at::Tensor sums = scratch(kernels::device::layer_norm_scratch(rows, width), dnormed);
      return kernels::device::layer_norm_backward<T>(device_queue(dnormed), rows, arguments, dweight, dbias,
                                                     dbranch_bias, elements<A>(sums));
    }
    kernels::layer_norm_backward<T>(rows, arguments, dweight, dbias, dbranch_bias);
  });
  return result;
}

at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, bool in_place) {
  const TimedWork work(Work::gelu, bytes(2, x));
  const KernelForm form = kernel_form(x);
  if (form == KernelForm::torch) return torch_form::bias_gelu(x, bias, in_place);
  at::Tensor activated = in_place ? x : at::empty_like(x);
  with_type(x.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    if (form == KernelForm::kokkos) {
      return kernels::device::bias_gelu<T>(device_queue(x), x.size(0), x.size(1), elements<T>(x), elements<A>(bias),
                                           elements<T>(activated));
    }
    kernels::bias_gelu<T>(x.size(0), x.size(1), elements<T>(x), elements<A>(bias), elements<T>(activated));
  });
  return activated;
}

void bias_gelu_backward(const at::Tensor& dactivated, const at::Tensor& x, const at::Tensor& bias,
                        const at::Tensor& bias_gradient, bool activate) {
  const TimedWork work(Work::gelu, bytes(activate ? 4 : 3, x));
  const KernelForm form = kernel_form(x);
  if (form == KernelForm::torch) return torch_form::bias_gelu_backward(dactivated, x, bias, bias_gradient, activate);
  with_type(x.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    const std::int64_t rows = x.size(0), width = x.size(1);
    T* const gradient = elements<T>(dactivated);
    T* const activated = activate ? elements<T>(x) : nullptr;
    if (form == KernelForm::kokkos) {
      const at::Tensor sums = scratch(kernels::device::gelu_scratch(rows, width), x);
      return kernels::device::bias_gelu_backward<T>(device_queue(x), rows, width, gradient, elements<T>(x),
                                                    elements<A>(bias), gradient, elements<A>(bias_gradient), activated,
                                                    elements<A>(sums));
    }
    kernels::bias_gelu_backward<T>(rows, width, gradient, elements<T>(x), elements<A>(bias), gradient,
                                   elements<A>(bias_gradient), activated);
  });
}

void embed(const at::Tensor& patches, const at::Tensor& table, const at::Tensor& out) {
  const TimedWork work(Work::embedding, bytes(2, out));
  const KernelForm form = kernel_form(out);
  if (form == KernelForm::torch) return torch_form::embed(patches, table, out);
  with_type(out.scalar_type(), [&]<class T>(T) {
    const kernels::Embed<T> arguments{
        out.size(0),      out.size(1),     out.size(2), elements<T>(patches), elements<kernels::Accumulate<T>>(table),
        table.dim() == 3, elements<T>(out)};
    if (form == KernelForm::kokkos) return kernels::device::embed<T>(device_queue(out), arguments);
    kernels::embed<T>(arguments);
  });
}

EmbedGradients embed_backward(const at::Tensor& dtokens) {
  const TimedWork work(Work::embedding, bytes(2, dtokens));
  const KernelForm form = kernel_form(dtokens);
  if (form == KernelForm::torch) return torch_form::embed_backward(dtokens);
  const std::int64_t images = dtokens.size(0), tokens = dtokens.size(1), width = dtokens.size(2);
  EmbedGradients result{at::empty({images, tokens - 1, width}, dtokens.options()),
                        at::empty({tokens, width}, dtokens.options().dtype(accumulate_type(dtokens.scalar_type())))};
  with_type(dtokens.scalar_type(), [&]<class T>(T) {
    using A = kernels::Accumulate<T>;
    const kernels::EmbedBackward<T> arguments{
        images, tokens, width, elements<T>(dtokens), elements<T>(result.dpatches), elements<A>(result.dtable)};
    if (form == KernelForm::kokkos) {
      const at::Tensor sums = scratch(kernels::device::embed_scratch(images, tokens, width), dtokens);
      return kernels::device::embed_backward<T>(device_queue(dtokens), arguments, elements<A>(sums));
    }
    kernels::embed_backward<T>(arguments);
  });
  return result;
}

}  // namespace msn
