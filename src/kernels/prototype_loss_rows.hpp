// SPDX-License-Identifier: Apache-2.0
// What prototype_loss.cpp asks of every instruction set, for rows [begin, end). Sums over columns are added to `part`,
// those over rows are one number a row.
#pragma once

#include <cstdint>

#include "kernels/prototype_loss.hpp"

namespace msn::kernels {

template <class T>
struct UnitRows {
  std::int64_t width;
  const T* x;
  T* unit;
  T* inverse;
};

template <class T>
struct UnitRowsBackward {
  std::int64_t width;
  const T* unit;
  const T* inverse;
  T* gradient;
};

template <class T>
struct SharpenedPredictions {
  std::int64_t prototypes;
  Prediction how;
  double sharpen;
  T* cosines;
  double* totals;  ///< [rows]
};

template <class T>
struct AnchorPredictions {
  std::int64_t prototypes;
  Prediction how;
  const T* cosines;
  RowSoftmax<T>* softmax;
  double* entropies;  ///< [rows]
};

template <class T>
struct AnchorGradients {
  std::int64_t prototypes;
  Prediction how;
  AnchorLoss<T> loss;
  const RowSoftmax<T>* softmax;
  T* cosines;
  double* cross_entropies;  ///< [rows]
};

template <class T>
struct RowExtremes {
  std::int64_t width;
  const T* x;
  std::int64_t* indices;
  Extremes* extremes;  ///< [rows]
};

template <class T>
struct BalanceRows {
  std::int64_t width;
  const T* factors;
  T* x;
};

MSN_DECLARE_FORMS(
    template <class T> void normalise_rows(const UnitRows<T>& a, std::int64_t begin, std::int64_t end);
    template <class T> void normalise_rows_backward(const UnitRowsBackward<T>& a, std::int64_t begin, std::int64_t end);
    template <class T>
    void sharpened_predictions(const SharpenedPredictions<T>& a, std::int64_t begin, std::int64_t end);
    /// `scratch` [prototypes] is room for a row.
    template <class T>
    void anchor_predictions(const AnchorPredictions<T>& a, std::int64_t begin, std::int64_t end, T* scratch, T* part);
    /// `scratch` [2, prototypes] is room for two rows.
    template <class T>
    void anchor_gradients(const AnchorGradients<T>& a, std::int64_t begin, std::int64_t end, T* scratch);
    template <class T> void row_extremes(const RowExtremes<T>& a, std::int64_t begin, std::int64_t end);
    template <class T> void column_sums(std::int64_t width, const T* x, std::int64_t begin, std::int64_t end, T* part);
    template <class T> void balance_rows(const BalanceRows<T>& a, std::int64_t begin, std::int64_t end, T* part);)

}  // namespace msn::kernels
