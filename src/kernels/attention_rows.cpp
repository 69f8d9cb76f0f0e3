// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention_rows.hpp"

#include "kernels/row_math.hpp"
#include "kernels/vector_products.hpp"

extern "C" {
double log(double) noexcept;
}

namespace msn::kernels::MSN_ISA {
namespace {

constexpr std::int64_t kCacheLine = 64;

/// Added to the scores of columns beyond the last key: their exponentials vanish in every sum.
constexpr double kNoKey = -1e30;

/// Scores that a block of query rows may have, so that they stay in the second-level cache beside keys and values.
constexpr std::int64_t kBlockScores = 48 * 1024;

std::int64_t round_up(std::int64_t n, std::int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

/// Lengths padded to whole vectors, and the query rows that are worked on together.
template <class A>
struct Sizes {
  std::int64_t width, columns, block;

  explicit Sizes(const AttentionShape& shape)
      : width(round_up(shape.head_width, kLanes<A>)), columns(round_up(shape.keys, kLanes<A>)), block(48) {
    while (block > 24 && block * columns > kBlockScores)
      block -= 12;
    if (block > shape.queries) block = shape.queries;
  }
};

/// Pieces of one range of memory, each beginning on a cache line. With null it only counts.
class Scratch {
 public:
  explicit Scratch(void* memory) : memory_(static_cast<char*>(memory)) {}
  template <class A>
  A* take(std::int64_t count) {
    char* piece = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += round_up(count * static_cast<std::int64_t>(sizeof(A)), kScratchAlignment);
    return reinterpret_cast<A*>(piece);
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  char* memory_;
  std::int64_t bytes_ = 0;
};

template <class A>
struct ForwardScratch {
  A *keys, *keys_t, *values, *queries, *scores, *mixed, *no_key, *greatest, *sums;

  ForwardScratch(const Sizes<A>& sizes, Scratch& scratch)
      : keys(scratch.take<A>(kLanes<A> * sizes.width)),
        keys_t(scratch.take<A>(sizes.width * sizes.columns)),
        values(scratch.take<A>(sizes.columns * sizes.width)),
        queries(scratch.take<A>(sizes.block * sizes.width)),
        scores(scratch.take<A>(sizes.block * sizes.columns)),
        mixed(scratch.take<A>(sizes.block * sizes.width)),
        no_key(scratch.take<A>(sizes.columns)),
        greatest(scratch.take<A>(sizes.block)),
        sums(scratch.take<A>(sizes.block)) {}
};

template <class A>
struct BackwardScratch {
  A *keys, *keys_t, *values_t, *queries, *douts, *scores, *dscores, *dqueries, *dkeys, *dvalues, *no_key;

  BackwardScratch(const Sizes<A>& sizes, Scratch& scratch)
      : keys(scratch.take<A>(sizes.columns * sizes.width)),
        keys_t(scratch.take<A>(sizes.width * sizes.columns)),
        values_t(scratch.take<A>(sizes.width * sizes.columns)),
        queries(scratch.take<A>(sizes.block * sizes.width)),
        douts(scratch.take<A>(sizes.block * sizes.width)),
        scores(scratch.take<A>(sizes.block * sizes.columns)),
        dscores(scratch.take<A>(sizes.block * sizes.columns)),
        dqueries(scratch.take<A>(sizes.block * sizes.width)),
        dkeys(scratch.take<A>(sizes.columns * sizes.width)),
        dvalues(scratch.take<A>(sizes.columns * sizes.width)),
        no_key(scratch.take<A>(sizes.columns)) {}
};

/// The vector of the row that begins at element j.
template <class A>
MSN_INLINE const Vector<A>& vector_at(const A* row, std::int64_t j) {
  return *reinterpret_cast<const Vector<A>*>(row + j);
}

template <class T, class A>
MSN_INLINE void gather_rows(std::int64_t rows, std::int64_t width, RowsOf<const T> from, const A* bias, A factor, A* to,
                            std::int64_t to_row) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* in = from.data + row * from.stride;
    A* out = to + row * to_row;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i)
      out[i] = bias == nullptr ? load(in[i]) : (load(in[i]) + bias[i]) * factor;
    for (std::int64_t i = width; i < to_row; ++i)
      out[i] = 0;
  }
}

/// to = (from + bias) factor, or `from` if bias is null; columns beyond `width` are zero.
template <class T, class A>
void gather(std::int64_t rows, std::int64_t width, RowsOf<const T> from, const A* bias, A factor, A* to,
            std::int64_t to_row) {
  if (width == 64 && bias != nullptr) {
    gather_rows<T, A>(rows, 64, from, bias, factor, to, 64);
  } else if (width == 64) {
    gather_rows<T, A>(rows, 64, from, nullptr, factor, to, 64);
  } else if (bias != nullptr) {
    gather_rows<T, A>(rows, width, from, bias, factor, to, to_row);
  } else {
    gather_rows<T, A>(rows, width, from, nullptr, factor, to, to_row);
  }
}

template <class T, class A>
MSN_INLINE void scatter_rows(std::int64_t rows, std::int64_t width, const A* from, std::int64_t from_row, A factor,
                             RowsOf<T> to) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const A* in = from + row * from_row;
    T* out = to.data + row * to.stride;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i)
      store(out[i], in[i] * factor);
  }
}

/// to = from factor; adds its sum over the rows to `sums`.
template <class T, class A>
void scatter(std::int64_t rows, std::int64_t width, const A* from, std::int64_t from_row, A factor, RowsOf<T> to,
             A* sums) {
  if (width == 64) {
    scatter_rows<T, A>(rows, 64, from, 64, factor, to);
  } else {
    scatter_rows<T, A>(rows, width, from, from_row, factor, to);
  }
  for (std::int64_t i = 0; i < width; i += kLanes<A>) {
    Vector<A> sum = {};
    for (std::int64_t row = 0; row < rows; ++row)
      sum += vector_at(from, row * from_row + i);
    for (std::int64_t lane = 0; lane < kLanes<A> && i + lane < width; ++lane)
      sums[i + lane] += sum[lane] * factor;
  }
}

/// Panels of columns one after the other (multiply_panels() reads them): where column j, the first of a vector, begins.
template <class Element, class A>
Right<Element> panel_at(Element* panels, const Sizes<A>& sizes, std::int64_t j) {
  const std::int64_t panel = j / kPanelColumns<A> * kPanelColumns<A>;
  const std::int64_t left = sizes.columns - panel;
  return {panels + panel * sizes.width + (j - panel), left < kPanelColumns<A> ? left : kPanelColumns<A>};
}

/// Gathers the rows of k or v and transposes them into panels. `rows_kept`, if given, is [columns, width] and gets the
/// rows, padded by zeros; else `staging` [a vector's lanes, width] is used.
template <class T, class A>
void gather_transposed(const AttentionShape& shape, const Sizes<A>& sizes, RowsOf<const T> from, const A* bias,
                       A* staging, A* rows_kept, A* panels) {
  constexpr std::int64_t n = kLanes<A>;
  for (std::int64_t row = 0; row < shape.keys; row += n) {
    A* rows = rows_kept == nullptr ? staging : rows_kept + row * sizes.width;
    const std::int64_t count = shape.keys - row < n ? shape.keys - row : n;
    gather<T, A>(count, shape.head_width, {from.data + row * from.stride, from.stride}, bias, 1, rows, sizes.width);
    for (std::int64_t i = count * sizes.width; i < n * sizes.width; ++i)
      rows[i] = 0;
    const Right<A> to = panel_at(panels, sizes, row);
    for (std::int64_t column = 0; column < sizes.width; column += n)
      transpose_square<A>({rows + column, sizes.width}, {to.data + column * to.row, to.row});
  }
}

/// c [rows, columns] = a [rows, head width] b, b being the panels of gather_transposed().
template <class A>
void multiply_panels(const AttentionShape& shape, const Sizes<A>& sizes, std::int64_t rows, const A* a, const A* panels,
                     A* c) {
  for (std::int64_t j = 0; j < sizes.columns; j += kPanelColumns<A>) {
    const Right<const A> b = panel_at(panels, sizes, j);
    multiply_panel<A>(rows, b.row, {a, sizes.width, 1}, b, shape.head_width, {c + j, sizes.columns}, false);
  }
}

template <class A>
A scale_of(const AttentionShape& shape) {
  return 1 / square_root(static_cast<A>(shape.head_width));
}

/// The rows of a pair in a matrix with `rows` rows an image.
template <class T>
RowsOf<T> rows_of(RowsOf<T> all, const AttentionShape& shape, std::int64_t pair, std::int64_t rows) {
  return {all.data + pair / shape.heads * rows * all.stride + pair % shape.heads * shape.head_width, all.stride};
}

template <class T>
RowsOf<T> from_row(RowsOf<T> rows, std::int64_t row) {
  return {rows.data + row * rows.stride, rows.stride};
}

/// Memory that is soon read or written, in pieces of 256 bytes far from each other, which no processor foresees: the
/// rows of up to four matrices of queries and of keys. Asked for row by row during a softmax, which leaves memory in
/// peace.
template <class T>
struct Ahead {
  RowsOf<const T> queries[4], keys[4];  ///< Null where there is none.
  std::int64_t keys_a_query, bytes;

  [[gnu::always_inline]] static inline void fetch_row(RowsOf<const T> rows, std::int64_t row, std::int64_t bytes) {
    if (rows.data == nullptr) return;
    const char* from = reinterpret_cast<const char*>(rows.data + row * rows.stride);
    for (std::int64_t at = 0; at < bytes; at += kCacheLine)
      __builtin_prefetch(from + at, 0, 2);
  }
  // Inline: GCC takes a call of a function that only prefetches for one without effect.
  [[gnu::always_inline]] void fetch(std::int64_t query) const {
    for (const RowsOf<const T>& rows : queries)
      fetch_row(rows, query, bytes);
    for (std::int64_t key = query * keys_a_query; key < (query + 1) * keys_a_query; ++key)
      for (const RowsOf<const T>& rows : keys)
        fetch_row(rows, key, bytes);
  }
};

template <class T>
RowsOf<const T> read_only(RowsOf<T> rows) {
  return {rows.data, rows.stride};
}

template <class A>
void fill_no_key(const AttentionShape& shape, const Sizes<A>& sizes, A* no_key) {
  for (std::int64_t j = 0; j < sizes.columns; ++j)
    no_key[j] = j < shape.keys ? A{0} : static_cast<A>(kNoKey);
}

template <class A>
MSN_INLINE A greatest_of(const A* scores, const A* no_key, std::int64_t columns) {
  using V = Vector<A>;
  V greatest = vector_at(scores, 0) + vector_at(no_key, 0);
  for (std::int64_t j = kLanes<A>; j < columns; j += kLanes<A>) {
    const V value = vector_at(scores, j) + vector_at(no_key, j);
    greatest = greatest < value ? value : greatest;
  }
  return greatest_of_lanes<A>(greatest);
}

/// Replaces scores by their exponentials over that of the greatest; what is not a number stays so, and so does its sum.
template <class T, class A>
void exponentials(std::int64_t rows, std::int64_t columns, A* scores, const A* no_key, A* greatest, A* sums,
                  const Ahead<T>& ahead, std::int64_t query) {
  for (std::int64_t row = 0; row < rows; ++row) {
    ahead.fetch(query + row);
    A* score = scores + row * columns;
    const A top = greatest_of<A>(score, no_key, columns);
#pragma omp simd
    for (std::int64_t j = 0; j < columns; ++j)
      score[j] = exponential(score[j] + no_key[j] - top);
    Vector<A> sum = vector_at(score, 0);
    for (std::int64_t j = kLanes<A>; j < columns; j += kLanes<A>)
      sum += vector_at(score, j);
    greatest[row] = top;
    sums[row] = sum_of_lanes<A>(sum);
  }
}

/// Replaces scores by probabilities p, and the gradients dp of the probabilities by those of the scores, p (dp - the
/// mean of dp weighted by p).
template <class T, class A>
void softmax_backward(std::int64_t rows, std::int64_t columns, A* scores, A* dscores, const A* no_key,
                      const A* log_sums, const Ahead<T>& ahead, std::int64_t query) {
  for (std::int64_t row = 0; row < rows; ++row) {
    ahead.fetch(query + row);
    A* score = scores + row * columns;
    A* dscore = dscores + row * columns;
    const A log_sum = log_sums[row];
#pragma omp simd
    for (std::int64_t j = 0; j < columns; ++j)
      score[j] = exponential(score[j] + no_key[j] - log_sum);
    Vector<A> sum = {}, total = {};
    for (std::int64_t j = 0; j < columns; j += kLanes<A>) {
      sum += vector_at(score, j) * vector_at(dscore, j);
      total += vector_at(score, j);
    }
    // The total is 1 to the rounding of log_sum. With it the gradients of a row's scores sum to 0 nevertheless, so that
    // what all keys have in common, their bias, leaves nothing in dq.
    const A mean = sum_of_lanes<A>(sum) / sum_of_lanes<A>(total);
#pragma omp simd
    for (std::int64_t j = 0; j < columns; ++j)
      dscore[j] = score[j] * (dscore[j] - mean);
  }
}

template <class T, class A>
void forward_pair(const Attention<T>& a, const Sizes<A>& sizes, const ForwardScratch<A>& s, std::int64_t pair,
                  std::int64_t next) {
  const AttentionShape& shape = a.shape;
  const std::int64_t column = pair % shape.heads * shape.head_width;
  gather_transposed<T, A>(shape, sizes, rows_of(a.k, shape, pair, shape.keys), a.k_bias + column, s.keys, nullptr,
                          s.keys_t);
  gather<T, A>(shape.keys, shape.head_width, rows_of(a.v, shape, pair, shape.keys), a.v_bias + column, 1, s.values,
               sizes.width);
  const RowsOf<const T> q = rows_of(a.q, shape, pair, shape.queries);
  const RowsOf<T> out = rows_of(a.out, shape, pair, shape.queries);
  const Ahead<T> ahead{{rows_of(a.q, shape, next, shape.queries), read_only(out)},
                       {rows_of(a.k, shape, next, shape.keys), rows_of(a.v, shape, next, shape.keys)},
                       shape.keys / shape.queries,
                       shape.head_width * static_cast<std::int64_t>(sizeof(T))};
  for (std::int64_t row = 0; row < shape.queries; row += sizes.block) {
    const std::int64_t rows = shape.queries - row < sizes.block ? shape.queries - row : sizes.block;
    gather<T, A>(rows, shape.head_width, from_row(q, row), a.q_bias + column, scale_of<A>(shape), s.queries,
                 sizes.width);
    multiply_panels<A>(shape, sizes, rows, s.queries, s.keys_t, s.scores);
    exponentials<T, A>(rows, sizes.columns, s.scores, s.no_key, s.greatest, s.sums, ahead, row);
    multiply<A>(rows, sizes.width, {s.scores, sizes.columns, 1}, {s.values, sizes.width}, shape.keys,
                {s.mixed, sizes.width}, false);
    for (std::int64_t i = 0; i < rows; ++i) {
      const A factor = 1 / s.sums[i];
      const A* mixed = s.mixed + i * sizes.width;
      T* to = out.data + (row + i) * out.stride;
#pragma omp simd
      for (std::int64_t j = 0; j < shape.head_width; ++j)
        store(to[j], mixed[j] * factor);
    }
    if (a.log_sums != nullptr) {
      for (std::int64_t i = 0; i < rows; ++i)
        a.log_sums[pair * shape.queries + row + i] = s.greatest[i] + static_cast<A>(log(s.sums[i]));
    }
  }
}

template <class T, class A>
void backward_pair(const AttentionBackward<T>& a, const Sizes<A>& sizes, const BackwardScratch<A>& s, std::int64_t pair,
                   std::int64_t next) {
  const AttentionShape& shape = a.shape;
  const std::int64_t width = shape.head_width, columns = sizes.columns;
  const std::int64_t column = pair % shape.heads * width;
  A* dq_sums = a.sums + pair / shape.heads * 3 * shape.heads * width + column;
  A* dk_sums = dq_sums + shape.heads * width;
  A* dv_sums = dk_sums + shape.heads * width;
  gather_transposed<T, A>(shape, sizes, rows_of(a.k, shape, pair, shape.keys), a.k_bias + column, nullptr, s.keys,
                          s.keys_t);
  // The rows of v are needed transposed only; dvalues is free until the first block of queries is through.
  gather_transposed<T, A>(shape, sizes, rows_of(a.v, shape, pair, shape.keys), a.v_bias + column, s.dvalues, nullptr,
                          s.values_t);
  const RowsOf<const T> q = rows_of(a.q, shape, pair, shape.queries);
  const RowsOf<const T> dout = rows_of(a.dout, shape, pair, shape.queries);
  const RowsOf<T> dq = rows_of(a.dq, shape, pair, shape.queries);
  const RowsOf<T> dk = rows_of(a.dk, shape, pair, shape.keys), dv = rows_of(a.dv, shape, pair, shape.keys);
  const Ahead<T> ahead{
      {rows_of(a.q, shape, next, shape.queries), rows_of(a.dout, shape, next, shape.queries), read_only(dq)},
      {rows_of(a.k, shape, next, shape.keys), rows_of(a.v, shape, next, shape.keys), read_only(dk), read_only(dv)},
      shape.keys / shape.queries,
      width * static_cast<std::int64_t>(sizeof(T))};
  const A scale = scale_of<A>(shape);
  for (std::int64_t row = 0; row < shape.queries; row += sizes.block) {
    const std::int64_t rows = shape.queries - row < sizes.block ? shape.queries - row : sizes.block;
    gather<T, A>(rows, width, from_row(q, row), a.q_bias + column, scale, s.queries, sizes.width);
    gather<T, A>(rows, width, from_row(dout, row), nullptr, 1, s.douts, sizes.width);
    multiply_panels<A>(shape, sizes, rows, s.queries, s.keys_t, s.scores);
    multiply_panels<A>(shape, sizes, rows, s.douts, s.values_t, s.dscores);
    softmax_backward<T, A>(rows, columns, s.scores, s.dscores, s.no_key, a.log_sums + pair * shape.queries + row, ahead,
                           row);
    multiply<A>(shape.keys, sizes.width, {s.scores, 1, columns}, {s.douts, sizes.width}, rows, {s.dvalues, sizes.width},
                row > 0);
    multiply<A>(shape.keys, sizes.width, {s.dscores, 1, columns}, {s.queries, sizes.width}, rows,
                {s.dkeys, sizes.width}, row > 0);
    multiply<A>(rows, sizes.width, {s.dscores, columns, 1}, {s.keys, sizes.width}, shape.keys,
                {s.dqueries, sizes.width}, false);
    scatter<T, A>(rows, width, s.dqueries, sizes.width, scale, from_row(dq, row), dq_sums);
  }
  scatter<T, A>(shape.keys, width, s.dkeys, sizes.width, 1, dk, dk_sums);
  scatter<T, A>(shape.keys, width, s.dvalues, sizes.width, 1, dv, dv_sums);
}

}  // namespace

template <class T>
std::int64_t attention_scratch(const AttentionShape& shape) {
  Scratch scratch(nullptr);
  ForwardScratch<Accumulate<T>>(Sizes<Accumulate<T>>(shape), scratch);
  return scratch.bytes();
}

template <class T>
void attention(const Attention<T>& a, std::int64_t begin, std::int64_t end, void* memory) {
  using A = Accumulate<T>;
  const Sizes<A> sizes(a.shape);
  Scratch scratch(memory);
  const ForwardScratch<A> pieces(sizes, scratch);
  fill_no_key(a.shape, sizes, pieces.no_key);
  for (std::int64_t pair = begin; pair < end; ++pair)
    forward_pair<T, A>(a, sizes, pieces, pair, pair + 1 < end ? pair + 1 : pair);
}

template <class T>
std::int64_t attention_backward_scratch(const AttentionShape& shape) {
  Scratch scratch(nullptr);
  BackwardScratch<Accumulate<T>>(Sizes<Accumulate<T>>(shape), scratch);
  return scratch.bytes();
}

template <class T>
void attention_backward(const AttentionBackward<T>& a, std::int64_t begin, std::int64_t end, void* memory) {
  using A = Accumulate<T>;
  const Sizes<A> sizes(a.shape);
  Scratch scratch(memory);
  const BackwardScratch<A> pieces(sizes, scratch);
  fill_no_key(a.shape, sizes, pieces.no_key);
  for (std::int64_t pair = begin; pair < end; ++pair)
    backward_pair<T, A>(a, sizes, pieces, pair, pair + 1 < end ? pair + 1 : pair);
}

#define MSN_INSTANTIATE(T)                                                            \
  template std::int64_t attention_scratch<T>(const AttentionShape&);                  \
  template void attention<T>(const Attention<T>&, std::int64_t, std::int64_t, void*); \
  template std::int64_t attention_backward_scratch<T>(const AttentionShape&);         \
  template void attention_backward<T>(const AttentionBackward<T>&, std::int64_t, std::int64_t, void*);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels::MSN_ISA
