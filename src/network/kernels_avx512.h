// The inner loops: one vector is the 16 channels of a pixel. Tiles of outputs stay in registers from bias to
// activation. The number of pixels and of channel blocks in a tile are template arguments, so that the
// compiler unrolls; tables pick the instance for a tile at a border.

#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the undefined sources in its own intrinsics for mistakes.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <utility>

#include "program.h"

#define DYNOFA_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#define DYNOFA_INLINE DYNOFA_AVX512 static inline __attribute__((always_inline))
#define DYNOFA_UNROLL _Pragma("GCC unroll 64")

namespace dynofa {

using Vector = __m512;

constexpr int kMaxPixels = 14;
constexpr int kMaxBlocks = 4;
constexpr int kMaxKernel = 7;

DYNOFA_INLINE Vector hard_swish(Vector x) {
  const Vector zero = _mm512_setzero_ps(), three = _mm512_set1_ps(3.f), six = _mm512_set1_ps(6.f);
  const Vector gate = _mm512_min_ps(_mm512_max_ps(_mm512_add_ps(x, three), zero), six);
  return _mm512_mul_ps(_mm512_mul_ps(x, gate), _mm512_set1_ps(1.f / 6.f));
}

// All sums of a tile, so that there is one branch for them together.
template <int N>
DYNOFA_INLINE void activate(Vector* sums, int64_t activation) {
  if (activation == kRelu)
    DYNOFA_UNROLL for (int i = 0; i < N; ++i) sums[i] = _mm512_max_ps(sums[i], _mm512_setzero_ps());
  else if (activation == kHardSwish)
    DYNOFA_UNROLL for (int i = 0; i < N; ++i) sums[i] = hard_swish(sums[i]);
}

// --- 1x1 convolutions, and the first layer as one over its 27 inputs

struct Product {
  // Inputs come in `runs` runs of `run` consecutive floats (the last of `last`), `input_step` floats apart.
  int64_t runs, run, last, input_step;
  int64_t weight_step, output_step;  // floats from one block of output channels to the next
  int64_t activation;
  // What is needed soon is brought into the second cache meanwhile: so many lines with each run.
  int64_t lines;
};

constexpr int64_t kLineBytes = 64;

// Output pixels [0, PIXELS) of BLOCKS blocks: activation(bias + sum of input * weight) + residual.
template <int PIXELS, int BLOCKS, int PIXEL_STEP>
DYNOFA_AVX512 void product(const Product& p, const float* input, const float* weight, const float* bias,
                           float* output, const float* residual, const char* soon) {
  Vector sum[BLOCKS][PIXELS];
  DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b) {
    const Vector start = _mm512_load_ps(bias + b * kLanes);
    DYNOFA_UNROLL for (int x = 0; x < PIXELS; ++x) sum[b][x] = start;
  }
  for (int64_t run = 0; run < p.runs; ++run, input += p.input_step) {
    const int64_t n = run + 1 < p.runs ? p.run : p.last;
    for (int64_t i = 0; i < p.lines; ++i, soon += kLineBytes) _mm_prefetch(soon, _MM_HINT_T1);
    // The inputs of the run after the next one; after the last, of the tile beside.
    const bool beside = run + 2 >= p.runs;
    const float* ahead = input + (beside ? std::min<int64_t>(2 - p.runs, 0) * p.input_step + PIXELS * kLanes
                                         : 2 * p.input_step);
    const float* in = input;
    for (int64_t k = 0; k < n; ++k, ++in, weight += kLanes, ahead += kLanes) {
      if (PIXEL_STEP == kLanes) _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T0);
      Vector w[BLOCKS];
      DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b) w[b] = _mm512_load_ps(weight + b * p.weight_step);
      DYNOFA_UNROLL for (int x = 0; x < PIXELS; ++x) {
        const Vector value = _mm512_set1_ps(in[PIXEL_STEP * x]);
        DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b) sum[b][x] = _mm512_fmadd_ps(value, w[b], sum[b][x]);
      }
    }
  }
  activate<BLOCKS * PIXELS>(&sum[0][0], p.activation);
  if (residual != nullptr)
    DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b)
      DYNOFA_UNROLL for (int x = 0; x < PIXELS; ++x)
        sum[b][x] = _mm512_add_ps(sum[b][x], _mm512_load_ps(residual + b * p.output_step + x * kLanes));
  DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b)
    DYNOFA_UNROLL for (int x = 0; x < PIXELS; ++x)
      _mm512_store_ps(output + b * p.output_step + x * kLanes, sum[b][x]);
}

using ProductKernel = void (*)(const Product&, const float*, const float*, const float*, float*, const float*,
                               const char*);

// --- depthwise convolutions

// ROWS x PIXELS outputs of one block of channels. `rows[i]` is the input row that the first output row meets
// at kernel row i; kernel rows [first, last) of the first output row are taken (rows beyond the border may be
// left out; in between they must point to zeros). The outputs are added to `sums` unless it is null.
struct Window {
  const float* const* rows;
  int64_t offset;  // floats from the rows' begin to the tile's first input pixel
  int64_t first, last;
  int64_t output_step;  // floats from one output row to the next
  int64_t activation;
};

template <int KERNEL, int STRIDE, int ROWS, int PIXELS>
DYNOFA_AVX512 void depthwise(const Window& window, const float* weight, const float* bias, float* output,
                             float* sums) {
  Vector sum[ROWS][PIXELS];
  const Vector start = _mm512_load_ps(bias);
  DYNOFA_UNROLL for (int r = 0; r < ROWS; ++r)
    DYNOFA_UNROLL for (int x = 0; x < PIXELS; ++x) sum[r][x] = start;
  weight += window.first * KERNEL * kLanes;
  for (int64_t ky = window.first; ky < window.last; ++ky, weight += KERNEL * kLanes) {
    const float* in[ROWS];
    DYNOFA_UNROLL for (int r = 0; r < ROWS; ++r) in[r] = window.rows[ky + r * STRIDE] + window.offset;
    DYNOFA_UNROLL for (int kx = 0; kx < KERNEL; ++kx) {
      const Vector w = _mm512_load_ps(weight + kx * kLanes);
      DYNOFA_UNROLL for (int r = 0; r < ROWS; ++r)
        DYNOFA_UNROLL for (int x = 0; x < PIXELS; ++x)
          sum[r][x] = _mm512_fmadd_ps(_mm512_load_ps(in[r] + (x * STRIDE + kx) * kLanes), w, sum[r][x]);
    }
  }
  activate<ROWS * PIXELS>(&sum[0][0], window.activation);
  DYNOFA_UNROLL for (int r = 0; r < ROWS; ++r)
    DYNOFA_UNROLL for (int x = 0; x < PIXELS; ++x)
      _mm512_store_ps(output + r * window.output_step + x * kLanes, sum[r][x]);
  if (sums == nullptr) return;
  Vector total = _mm512_load_ps(sums);
  DYNOFA_UNROLL for (int r = 0; r < ROWS; ++r)
    DYNOFA_UNROLL for (int x = 0; x < PIXELS; ++x) total = _mm512_add_ps(total, sum[r][x]);
  _mm512_store_ps(sums, total);
}

using DepthwiseKernel = void (*)(const Window&, const float*, const float*, float*, float*);

// --- products of a matrix with one vector

// BLOCKS blocks of outputs, before activation. More sums than blocks hide the latency of the additions.
template <int BLOCKS>
DYNOFA_AVX512 void matrix_vector(const float* input, int64_t n, const float* weight, int64_t weight_step,
                                 const float* bias, Vector* output) {
  constexpr int kSplit = 8 / BLOCKS;
  Vector sum[BLOCKS][kSplit];
  DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b) {
    DYNOFA_UNROLL for (int s = 0; s < kSplit; ++s) sum[b][s] = _mm512_setzero_ps();
    sum[b][0] = _mm512_load_ps(bias + b * kLanes);
  }
  int64_t k = 0;
  for (; k + kSplit <= n; k += kSplit)
    DYNOFA_UNROLL for (int s = 0; s < kSplit; ++s) {
      const Vector value = _mm512_set1_ps(input[k + s]);
      DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b)
        sum[b][s] = _mm512_fmadd_ps(value, _mm512_load_ps(weight + b * weight_step + (k + s) * kLanes),
                                    sum[b][s]);
    }
  for (; k < n; ++k)
    DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b)
      sum[b][0] = _mm512_fmadd_ps(_mm512_set1_ps(input[k]),
                                  _mm512_load_ps(weight + b * weight_step + k * kLanes), sum[b][0]);
  DYNOFA_UNROLL for (int b = 0; b < BLOCKS; ++b) {
    DYNOFA_UNROLL for (int s = 1; s < kSplit; ++s) sum[b][0] = _mm512_add_ps(sum[b][0], sum[b][s]);
    output[b] = sum[b][0];
  }
}

using MatrixVectorKernel = void (*)(const float*, int64_t, const float*, int64_t, const float*, Vector*);

// --- which instance

// The most pixels of a tile with so many blocks: sums, weights and one value fit in 32 registers.
constexpr int most_pixels(int blocks) { return blocks <= 2 ? 14 : blocks == 3 ? 9 : 6; }

template <int BLOCKS, int PIXEL_STEP, int... N>
constexpr std::array<ProductKernel, sizeof...(N)> product_table(std::integer_sequence<int, N...>) {
  return {{&product<N + 1, BLOCKS, PIXEL_STEP>...}};
}

template <int KERNEL, int STRIDE, int ROWS, int... N>
constexpr std::array<DepthwiseKernel, sizeof...(N)> depthwise_table(std::integer_sequence<int, N...>) {
  return {{&depthwise<KERNEL, STRIDE, ROWS, N + 1>...}};
}

template <int BLOCKS, int PIXEL_STEP>
ProductKernel product_of(int pixels) {
  static constexpr auto table =
      product_table<BLOCKS, PIXEL_STEP>(std::make_integer_sequence<int, most_pixels(BLOCKS)>());
  return table[size_t(pixels - 1)];
}

template <int PIXEL_STEP>
ProductKernel product_kernel(int blocks, int pixels) {
  switch (blocks) {
    case 1: return product_of<1, PIXEL_STEP>(pixels);
    case 2: return product_of<2, PIXEL_STEP>(pixels);
    case 3: return product_of<3, PIXEL_STEP>(pixels);
    default: return product_of<4, PIXEL_STEP>(pixels);
  }
}

constexpr int kPairedPixels = 7;  // widest tile of two output rows

template <int KERNEL, int STRIDE>
DepthwiseKernel depthwise_of(int rows, int pixels) {
  using Singles = std::make_integer_sequence<int, kMaxPixels>;
  using Pairs = std::make_integer_sequence<int, kPairedPixels>;
  static constexpr auto one = depthwise_table<KERNEL, STRIDE, 1>(Singles());
  static constexpr auto two = depthwise_table<KERNEL, STRIDE, 2>(Pairs());
  return rows == 1 ? one[size_t(pixels - 1)] : two[size_t(pixels - 1)];
}

inline DepthwiseKernel depthwise_kernel(int64_t kernel, int64_t stride, int rows, int pixels) {
  switch (kernel * 2 + stride) {
    case 7: return depthwise_of<3, 1>(rows, pixels);
    case 8: return depthwise_of<3, 2>(rows, pixels);
    case 11: return depthwise_of<5, 1>(rows, pixels);
    case 12: return depthwise_of<5, 2>(rows, pixels);
    case 15: return depthwise_of<7, 1>(rows, pixels);
    default: return depthwise_of<7, 2>(rows, pixels);
  }
}

inline MatrixVectorKernel matrix_vector_kernel(int blocks) {
  switch (blocks) {
    case 1: return &matrix_vector<1>;
    case 2: return &matrix_vector<2>;
    case 3: return &matrix_vector<3>;
    default: return &matrix_vector<4>;
  }
}

}  // namespace dynofa
