// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace msn {

/// RankMe (Garrido et al., arXiv 2210.02885, equations 2 and 3) of embeddings [rows, width]: exp of the entropy of
/// their singular values over the values' sum. The mean is not taken out. From 1, where all rows are multiples of one,
/// to the smaller of rows and width; NaN where all are zero or one is not finite. On the calling thread alone, in
/// double precision, from the eigenvalues of the smaller Gram matrix.
double smooth_rank(std::span<const float> embeddings, std::size_t width);

}  // namespace msn
