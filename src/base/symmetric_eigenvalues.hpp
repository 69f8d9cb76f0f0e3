// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace msn {

/// The eigenvalues of a symmetric matrix [n, n], row by row, in ascending order: Householder's reduction to tridiagonal
/// form, then implicit QL with Wilkinson's shifts (Golub and Van Loan, Matrix Computations, 8.3). Errors are some units
/// of rounding of the largest eigenvalue. On the calling thread alone, without a BLAS, so that it may run beside one:
/// 4 n^3 operations. Throws internal_error if the iteration does not converge, as with what is not finite.
std::vector<double> symmetric_eigenvalues(std::vector<double> matrix, std::size_t n);

}  // namespace msn
