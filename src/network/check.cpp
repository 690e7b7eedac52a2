// Checks of a network's steps: what passes stays inside its activations and weights.

#include "program.h"

namespace dynofa {
namespace {

constexpr int64_t kMaxSide = 4096;
constexpr int64_t kMaxChannels = 1 << 16;

struct Range {
  int64_t begin, floats;
};

bool inside(Range range, int64_t total) {
  return range.begin >= 0 && range.begin % kLanes == 0 && range.floats <= total &&
         range.begin <= total - range.floats;
}

bool optional(Range range, int64_t total) { return range.begin == kNone || inside(range, total); }

bool count(int64_t value, int64_t most) { return value >= 1 && value <= most; }

bool shape_fits(const Step& s) {
  if (!count(s.in_channels, kMaxChannels) || !count(s.out_channels, kMaxChannels)) return false;
  if (!count(s.in_side, kMaxSide) || !count(s.out_side, kMaxSide)) return false;
  if (s.kind == kStem) return s.in_channels == 3 && s.out_side == (s.in_side - 1) / 2 + 1;
  if (s.kind == kPointwise) return s.in_side == s.out_side;
  if (s.kind != kFront) return true;
  const bool known = (s.kernel == 3 || s.kernel == 5 || s.kernel == 7) && (s.stride == 1 || s.stride == 2);
  const bool same = s.weight != kNone || s.in_channels == s.out_channels;
  return known && same && s.out_side == (s.in_side - 1) / s.stride + 1;
}

bool activations_fit(const Step& s, int64_t total) {
  const Range input{s.input, tensor_floats(s.in_channels, s.in_side)};
  const Range output{s.output, tensor_floats(s.out_channels, s.out_side)};
  const Range parts{s.sums_out, kMaxBands * padded(s.out_channels)};
  const Range sums_in{s.sums_in, kMaxBands * padded(s.in_channels)};
  switch (s.kind) {
    case kStem: return inside(output, total);
    case kFront: return inside(input, total) && inside(output, total) && optional(parts, total);
    case kDense: return inside(sums_in, total) && inside(parts, total);
    case kGate: return inside(sums_in, total) && inside(output, total);
    default:
      return inside(input, total) && inside(output, total) && optional(parts, total) &&
             optional({s.residual, output.floats}, total);
  }
}

bool weights_fit(const Step& s, int64_t total) {
  const int64_t out = padded(s.out_channels);
  const Range bias{s.bias, out};
  const Range matrix{s.weight, (s.kind == kStem ? 27 : s.in_channels) * out};
  if (s.kind == kStem) return inside(matrix, total) && inside(bias, total) && inside({s.weight2, 96}, total);
  if (s.kind != kFront) return inside(matrix, total) && inside(bias, total);
  const bool expand = s.weight == kNone || (inside(matrix, total) && inside(bias, total));
  return expand && inside({s.weight2, s.kernel * s.kernel * out}, total) && inside({s.bias2, out}, total);
}

bool known(int64_t activation) { return activation >= 0 && activation < kActivations; }

}  // namespace

Status check(const Step& step, int64_t activations, int64_t weights) {
  if (step.kind < 0 || step.kind >= kStepKinds) return kBadKind;
  if (!shape_fits(step)) return kBadShape;
  if (!known(step.activation) || !known(step.activation2)) return kBadActivation;
  if (!activations_fit(step, activations)) return kBadActivationOffset;
  if (!weights_fit(step, weights)) return kBadWeightOffset;
  return kDone;
}

}  // namespace dynofa
