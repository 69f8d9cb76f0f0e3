// SPDX-License-Identifier: Apache-2.0
// What the MSN loss does to the rows of embeddings [rows, width] and of cosines [rows, prototypes] between its matrix
// products. T is float or double. What is summed over rows is summed in double precision over fixed blocks: its bits do
// not depend on the number of threads.
#pragma once

#include <cstdint>

#include "kernels/instruction_set.hpp"

namespace msn::kernels {

/// unit = x / |x| of every row, inverse [rows] = 1 / |x|; |x| is taken to be at least 1e-12.
template <class T>
void normalise_rows(std::int64_t rows, std::int64_t width, const T* x, T* unit, T* inverse,
                    InstructionSet set = instruction_set());

/// `gradient` [rows, width], of the unit rows, becomes that of x.
template <class T>
void normalise_rows_backward(std::int64_t rows, std::int64_t width, const T* unit, const T* inverse, T* gradient,
                             InstructionSet set = instruction_set());

/// How cosines with the prototypes become a prediction: (1 - smoothing) softmax(cosines / temperature) + smoothing / K.
struct Prediction {
  double temperature = 1;
  double smoothing = 0;
};

/// Every row of cosines [rows, prototypes] becomes its prediction to the power of 1 / sharpen, over its sum. Returns
/// the sum of all.
template <class T>
double sharpened_predictions(std::int64_t rows, std::int64_t prototypes, const Prediction& how, double sharpen,
                             T* cosines, InstructionSet set = instruction_set());

/// A row's softmax, without its elements.
template <class T>
struct RowSoftmax {
  T peak;   ///< The largest cosine.
  T total;  ///< Σ exp((cosine - peak) / temperature)
};

/// Writes the predictions' sum over the rows to `sums` [prototypes] and what anchor_gradients() wants to `softmax`
/// [rows]. Returns the sum of the rows' entropies.
template <class T>
double anchor_predictions(std::int64_t rows, std::int64_t prototypes, const Prediction& how, const T* cosines,
                          RowSoftmax<T>* softmax, double* sums, InstructionSet set = instruction_set());

/// The loss of a prediction p with target t, whose gradient is asked for: -Σ t log p + Σ slopes p - entropy Σ p log p.
template <class T>
struct AnchorLoss {
  const T* targets;  ///< [samples, prototypes]; row r of the anchors has target r mod samples.
  std::int64_t samples;
  const T* slopes;  ///< [prototypes]
  double entropy;
  double scale;  ///< Of the gradient.
};

/// The cosines become the gradient with respect to them, times loss.scale. Returns the sum of -Σ t log p.
template <class T>
double anchor_gradients(std::int64_t rows, std::int64_t prototypes, const Prediction& how, const AnchorLoss<T>& loss,
                        const RowSoftmax<T>* softmax, T* cosines, InstructionSet set = instruction_set());

/// Sums over the rows of their largest and of their smallest element.
struct Extremes {
  double largest = 0;
  double smallest = 0;
};

/// Writes where each row's largest element stands, the first of equals, to `indices` [rows].
template <class T>
Extremes row_extremes(std::int64_t rows, std::int64_t width, const T* x, std::int64_t* indices,
                      InstructionSet set = instruction_set());

/// sums [width] = Σ x over the rows.
template <class T>
void column_sums(std::int64_t rows, std::int64_t width, const T* x, double* sums,
                 InstructionSet set = instruction_set());

/// Multiplies columns by `factors` [width], then makes every row's sum 1; sums [width] = Σ x over the rows.
template <class T>
void balance_rows(std::int64_t rows, std::int64_t width, const T* factors, T* x, double* sums,
                  InstructionSet set = instruction_set());

}  // namespace msn::kernels
