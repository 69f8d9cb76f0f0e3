// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Compiles a function for AVX2 too and chooses when the program starts. Both forms give the same bits: contraction is
/// off. Sanitizers cannot run the choosing code, so their builds have the plain form.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MSN_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define MSN_CLONES
#endif
