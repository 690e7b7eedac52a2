// What a network is to the compiled kernels: a table of steps over one block of activations.
//
// Tensors are float32 in blocks of 16 channels, [ceil(channels / 16)][side][side][16]; channels beyond the
// last are zero. Vectors are padded to 16 as well. Offsets count floats and are multiples of 16: `input`,
// `output`, `residual`, `sums_in` and `sums_out` into the activations, the others into the weights.

#pragma once

#include <cstdint>

namespace dynofa {

constexpr int64_t kLanes = 16;
constexpr int64_t kNone = -1;
constexpr int64_t kMaxBands = 8;

enum StepKind : int64_t { kStem, kFront, kDense, kGate, kPointwise, kStepKinds };
enum Activation : int64_t { kIdentity, kRelu, kHardSwish, kActivations };

enum Status : int {
  kDone,
  kNoInstructionSet,
  kBadThreads,
  kBadKind,
  kBadShape,
  kBadActivation,
  kBadActivationOffset,
  kBadWeightOffset,
  kNoMemory,
  kBadOutput
};

}  // namespace dynofa

extern "C" {

// Mirrors `STEP_FIELDS` in dynofa_ros/engine/native_program.py.
//
// kStem       image (uint8, side x side x 3) -> `output`: 3x3, stride 2; `weight2` holds 48 means, then 48
//             factors: (value - mean) * factor, by position modulo 3
// kFront      `input` -> [1x1 to `out_channels`, `activation`] -> depthwise `kernel`, `stride`,
//             `activation2` -> `output`; with `sums_out` also the sums of each channel, in at most kMaxBands
//             parts. Without `weight` there is no 1x1
// kDense      the vector `sums_in` (of a kFront before: its parts summed) over `in_side`^2 -> `sums_out`
// kGate       the same with h_sigmoid, and `output` (side `out_side`) is multiplied by it
// kPointwise  `input` -> 1x1, `activation` [+ `residual`] -> `output`; with `sums_out` the channels' sums
struct DynofaNetworkStep {
  int64_t kind, input, output, residual, sums_in, sums_out;
  int64_t in_channels, out_channels, in_side, out_side, kernel, stride;
  int64_t activation, activation2, weight, bias, weight2, bias2;
};
}

namespace dynofa {

using Step = DynofaNetworkStep;

inline int64_t blocks_of(int64_t channels) { return (channels + kLanes - 1) / kLanes; }
inline int64_t padded(int64_t channels) { return blocks_of(channels) * kLanes; }
inline int64_t tensor_floats(int64_t channels, int64_t side) { return padded(channels) * side * side; }

// kDone, or why `step` must not run with so many floats of activations and weights.
Status check(const Step& step, int64_t activations, int64_t weights);

}  // namespace dynofa
