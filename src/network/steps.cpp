#include "steps.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <algorithm>
#include <cstring>

#include "kernels_avx512.h"

namespace dynofa {
namespace {

constexpr int kTasksPerThread = 4;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The widest tile that cuts `width` into equal parts of at most `most`.
int64_t even_tile(int64_t width, int64_t most) { return divide_up(width, divide_up(width, most)); }

struct Tile {
  int64_t pixels, blocks;
};

// About how many cycles a product of one tile over `inputs` inputs takes: two multiply-adds or two loads in
// each, a latency of four, and what begin and end of a tile cost.
double tile_cycles(int64_t pixels, int64_t blocks, int64_t inputs) {
  const double sums = double(pixels * blocks);
  const double each = std::max({0.54 * sums, 0.565 * double(pixels + blocks), 4.3});
  return double(inputs) * each + 1.2 * sums + 25.0;
}

// The same for `width` pixels, cut into tiles.
double row_cycles(int64_t width, int64_t pixels, int64_t blocks, int64_t inputs) {
  const int64_t rest = width % pixels;
  return double(width / pixels) * tile_cycles(pixels, blocks, inputs) +
         (rest == 0 ? 0.0 : tile_cycles(rest, blocks, inputs));
}

// The tile for rows of `width` pixels and `blocks` blocks of outputs of which each of `threads` threads takes
// whole tiles.
Tile product_tile(int64_t width, int64_t blocks, int64_t inputs, int64_t threads) {
  Tile best{1, 1};
  double least = 1e300;
  for (int64_t n = 1; n <= std::min<int64_t>(kMaxBlocks, blocks); ++n)
    for (int64_t pixels = 1; pixels <= most_pixels(int(n)); ++pixels) {
      const int64_t tiles = divide_up(blocks, n);
      double cost = double(divide_up(tiles, threads)) * row_cycles(width, pixels, n, inputs);
      if (threads == 1 && blocks % n != 0)
        cost -= row_cycles(width, pixels, n, inputs) - row_cycles(width, pixels, blocks % n, inputs);
      if (cost < least) {
        least = cost;
        best = {pixels, n};
      }
    }
  return best;
}

// --- what is read soon

// Cuts the weights that later steps read into one piece for each task, and a task's piece into lines for each
// of its products.
class Ahead {
 public:
  void plan(const std::vector<Soon>& soon, int tasks, int threads, int64_t products, int64_t runs) {
    int64_t floats = 0;
    for (const Soon& s : soon) floats += s.floats / (s.shared ? 1 : threads);
    if (floats == 0) return;
    soon_ = soon;
    tasks_ = tasks;
    threads_ = threads;
    const double most = std::min(1.0, double(kMostFloats) / double(floats));
    for (Soon& s : soon_) s.floats = int64_t(double(s.floats) * most);
    const int64_t piece = divide_up(int64_t(double(floats) * most) * threads, tasks) + kLanes;
    lines_ = std::min(kMostLines, divide_up(piece, kLanes * products * runs));
    step_ = lines_ * runs * kLanes;
  }

  int64_t lines() const { return lines_; }

  // Hands out the piece of one task.
  class Piece {
   public:
    Piece(const Ahead& ahead, int task, const float* weights)
        : ahead_(ahead), task_(task), weights_(weights) {
      open();
    }
    const char* next() {
      if (at_ >= end_ && range_ + 1 < ahead_.soon_.size()) {
        ++range_;
        open();
      }
      const float* here = at_;
      at_ += at_ < end_ ? ahead_.step_ : 0;
      return reinterpret_cast<const char*>(here);
    }

   private:
    void open() {
      if (ahead_.soon_.empty()) return;
      const Soon& soon = ahead_.soon_[range_];
      int64_t index = task_, of = ahead_.tasks_;
      if (soon.shared) {
        const int64_t share = index * ahead_.threads_ / of, first = divide_up(share * of, ahead_.threads_);
        of = std::max<int64_t>(1, divide_up((share + 1) * of, ahead_.threads_) - first);
        index -= first;
      }
      at_ = weights_ + soon.begin + soon.floats * index / of;
      end_ = weights_ + soon.begin + soon.floats * (index + 1) / of;
    }

    const Ahead& ahead_;
    int64_t task_;
    const float* weights_;
    size_t range_ = 0;
    const float *at_ = nullptr, *end_ = nullptr;
  };

 private:
  static constexpr int64_t kMostFloats = 300000, kMostLines = 8;
  std::vector<Soon> soon_;
  int64_t tasks_ = 1, threads_ = 1, lines_ = 0, step_ = 0;
};

// --- first layer

class Stem final : public PlannedStep {
 public:
  explicit Stem(const Step& s) : s_(s), row_(padded((s.in_side + 2) * 3)) {}

  int tasks() const override { return int(divide_up(s_.out_side, kRows)); }
  int64_t scratch_floats() const override { return row_ * (2 * kRows + 1) + kLanes * 2; }

  DYNOFA_AVX512 void run(int task, const Memory& memory) const override {
    const int64_t begin = task * kRows, end = std::min(s_.out_side, begin + kRows);
    for (int64_t i = 0; i <= 2 * (end - begin); ++i)
      normalise(2 * begin - 1 + i, memory, memory.scratch + i * row_);
    const Product product{3, 9, 9, row_, 27 * kLanes, s_.out_side * s_.out_side * kLanes, s_.activation, 0};
    const int64_t blocks = blocks_of(s_.out_channels), wide = even_tile(s_.out_side, kMaxPixels);
    for (int64_t y = begin; y < end; ++y)
      for (int64_t x = 0; x < s_.out_side; x += wide)
        for (int64_t b = 0; b < blocks; b += 2) {
          const int pixels = int(std::min(wide, s_.out_side - x)), n = int(std::min<int64_t>(2, blocks - b));
          const float* in = memory.scratch + 2 * (y - begin) * row_ + 6 * x;
          float* out = memory.activations + s_.output + ((b * s_.out_side + y) * s_.out_side + x) * kLanes;
          const float* weight = memory.weights + s_.weight + b * 27 * kLanes;
          const float* bias = memory.weights + s_.bias + b * kLanes;
          product_kernel<6>(n, pixels)(product, in, weight, bias, out, nullptr, nullptr);
        }
  }

 private:
  static constexpr int64_t kRows = 4;

  // Row `y` of the image as floats, with a pixel of zeros on both sides.
  DYNOFA_AVX512 void normalise(int64_t y, const Memory& memory, float* row) const {
    const int64_t n = s_.in_side * 3;
    std::memset(row, 0, size_t(row_) * sizeof(float));
    if (y < 0 || y >= s_.in_side) return;
    const uint8_t* image = memory.image + y * n;
    const float *means = memory.weights + s_.weight2, *factors = means + 48;
    int64_t i = 0;
    for (; i + 48 <= n; i += 48)
      for (int64_t j = 0; j < 48; j += kLanes) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(image + i + j));
        const Vector values = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
        const Vector centred = _mm512_sub_ps(values, _mm512_load_ps(means + j));
        _mm512_storeu_ps(row + 3 + i + j, _mm512_mul_ps(centred, _mm512_load_ps(factors + j)));
      }
    for (; i < n; ++i) row[3 + i] = (float(image[i]) - means[i % 48]) * factors[i % 48];
  }

  Step s_;
  int64_t row_;
};

// --- expansion and depthwise convolution

// A task computes the depthwise outputs of a few channel blocks over a band of rows. The rows between the two
// convolutions live in a ring as high as the kernel: they never leave the cache.
class Front final : public PlannedStep {
 public:
  Front(const Step& s, int threads) : s_(s), threads_(threads), pad_(s.kernel / 2) {
    const int64_t blocks = blocks_of(s.out_channels);
    bands_ = s.in_side < kLargeSide ? 1 : std::min<int64_t>(kMaxBands, threads);
    const Tile tile = product_tile(s.in_side, blocks, s.in_channels, divide_up(threads, bands_));
    pixels_ = tile.pixels;
    chunk_ = tile.blocks;
    chunks_ = divide_up(blocks, chunk_);
    rows_ = s.out_side <= kPairedPixels ? 2 : 1;
    wide_ = even_tile(s.out_side, rows_ == 1 ? kMaxPixels : kPairedPixels);
    band_rows_ = divide_up(divide_up(s.out_side, bands_), rows_) * rows_;
    bands_ = divide_up(s.out_side, band_rows_);
    ring_rows_ = s.kernel + (rows_ - 1) * s.stride;
    row_ = (s.in_side + 2 * pad_ + s.stride) * kLanes;
  }

  int tasks() const override { return int(chunks_ * bands_); }
  int64_t parts() const override { return bands_; }
  int64_t scratch_floats() const override { return (chunk_ * ring_rows_ + 1) * row_; }

  void prepare(const std::vector<Soon>& soon) override {
    if (s_.weight == kNone) return;
    const int64_t rows = s_.in_side / bands_, products = rows * divide_up(s_.in_side, pixels_);
    ahead_.plan(soon, tasks(), threads_, products, blocks_of(s_.in_channels));
  }

  DYNOFA_AVX512 void run(int task, const Memory& memory) const override {
    const int64_t band = task / chunks_, block = task % chunks_ * chunk_;
    const int64_t blocks = std::min(chunk_, blocks_of(s_.out_channels) - block);
    const int64_t begin = band * band_rows_, end = std::min(s_.out_side, begin + band_rows_);
    float* const zeros = memory.scratch + chunk_ * ring_rows_ * row_;
    clear(memory.scratch);
    alignas(64) float sums[kMaxBlocks * kLanes] = {};
    Ahead::Piece soon(ahead_, task, memory.weights);
    int64_t next = std::max<int64_t>(0, begin * s_.stride - pad_);
    for (int64_t y = begin; y < end; y += rows_) {
      const int64_t n = std::min(rows_, end - y);
      const int64_t last = std::min(s_.in_side - 1, (y + n - 1) * s_.stride - pad_ + s_.kernel - 1);
      for (; next <= last; ++next) produce(next, block, blocks, memory, soon);
      for (int64_t b = 0; b < blocks; ++b) consume(y, int(n), block, b, memory, zeros, sums + b * kLanes);
    }
    if (s_.sums_out == kNone) return;
    float* out = memory.activations + s_.sums_out + band * padded(s_.out_channels) + block * kLanes;
    std::memcpy(out, sums, size_t(blocks * kLanes) * sizeof(float));
  }

 private:
  static constexpr int64_t kLargeSide = 40;

  // Zeros at both ends of the ring's rows, and in the row after them.
  void clear(float* ring) const {
    const int64_t end = (pad_ + s_.in_side) * kLanes;
    for (int64_t i = 0; i < chunk_ * ring_rows_; ++i, ring += row_) {
      std::memset(ring, 0, size_t(pad_ * kLanes) * sizeof(float));
      std::memset(ring + end, 0, size_t(row_ - end) * sizeof(float));
    }
    std::memset(ring, 0, size_t(row_) * sizeof(float));
  }

  // Input row `y` of the depthwise convolution into the ring.
  DYNOFA_AVX512 void produce(int64_t y, int64_t block, int64_t blocks, const Memory& memory,
                             Ahead::Piece& soon) const {
    float* const ring = memory.scratch + y % ring_rows_ * row_;
    const int64_t side = s_.in_side, step = ring_rows_ * row_, plane = side * side * kLanes;
    const float* input = memory.activations + s_.input + y * side * kLanes;
    float* const output = ring + pad_ * kLanes;
    if (s_.weight == kNone) {
      for (int64_t b = 0; b < blocks; ++b)
        std::memcpy(output + b * step, input + (block + b) * plane, size_t(side * kLanes) * sizeof(float));
      return;
    }
    const int64_t in = s_.in_channels, runs = blocks_of(in);
    const int64_t last = in - (runs - 1) * kLanes;
    const Product p{runs, kLanes, last, plane, in * kLanes, step, s_.activation, ahead_.lines()};
    const float* weight = memory.weights + s_.weight + block * in * kLanes;
    const float* bias = memory.weights + s_.bias + block * kLanes;
    for (int64_t x = 0; x < side; x += pixels_) {
      const int n = int(std::min(pixels_, side - x));
      product_kernel<kLanes>(int(blocks), n)(p, input + x * kLanes, weight, bias, output + x * kLanes,
                                             nullptr, soon.next());
    }
  }

  // Output rows [y, y + n) of block `block + b`.
  DYNOFA_AVX512 void consume(int64_t y, int n, int64_t block, int64_t b, const Memory& memory,
                             const float* zeros, float* sums) const {
    const float* rows[kMaxKernel + 2];
    const int64_t top = y * s_.stride - pad_;
    const float* ring = memory.scratch + b * ring_rows_ * row_;
    for (int64_t i = 0; i < s_.kernel + (n - 1) * s_.stride; ++i) {
      const bool inside = top + i >= 0 && top + i < s_.in_side;
      rows[i] = inside ? ring + (top + i) % ring_rows_ * row_ : zeros;
    }
    const int64_t first = std::max<int64_t>(0, -(top + (n - 1) * s_.stride));
    const int64_t last = std::min(s_.kernel, s_.in_side - top), side = s_.out_side;
    const float* weight = memory.weights + s_.weight2 + (block + b) * s_.kernel * s_.kernel * kLanes;
    const float* bias = memory.weights + s_.bias2 + (block + b) * kLanes;
    float* output = memory.activations + s_.output + ((block + b) * side + y) * side * kLanes;
    for (int64_t x = 0; x < side; x += wide_) {
      const Window window{rows, x * s_.stride * kLanes, first, last, side * kLanes, s_.activation2};
      const int pixels = int(std::min(wide_, side - x));
      depthwise_kernel(s_.kernel, s_.stride, n, pixels)(window, weight, bias, output + x * kLanes,
                                                        s_.sums_out == kNone ? nullptr : sums);
    }
  }

  Step s_;
  int threads_;
  Ahead ahead_;
  int64_t pad_, pixels_, chunk_, chunks_, wide_, rows_, bands_, band_rows_, ring_rows_, row_;
};

// --- vectors

// The mean of each channel from its sums in `parts` parts.
DYNOFA_AVX512 void mean_of(const Step& s, const float* sums, int64_t parts, float* mean) {
  const Vector factor = _mm512_set1_ps(1.f / float(s.in_side * s.in_side));
  const int64_t n = padded(s.in_channels);
  for (int64_t i = 0; i < n; i += kLanes) {
    Vector total = _mm512_load_ps(sums + i);
    for (int64_t part = 1; part < parts; ++part)
      total = _mm512_add_ps(total, _mm512_load_ps(sums + part * n + i));
    _mm512_store_ps(mean + i, _mm512_mul_ps(total, factor));
  }
}

class Dense final : public PlannedStep {
 public:
  Dense(const Step& s, int threads, int64_t parts)
      : s_(s), parts_(parts), blocks_(blocks_of(s.out_channels)) {
    group_ = std::clamp<int64_t>(blocks_ / threads, 1, kMaxBlocks);
  }

  int tasks() const override { return int(divide_up(blocks_, group_)); }
  int64_t scratch_floats() const override { return padded(s_.in_channels); }

  DYNOFA_AVX512 void run(int task, const Memory& memory) const override {
    const int64_t block = task * group_, n = std::min(group_, blocks_ - block), in = s_.in_channels;
    mean_of(s_, memory.activations + s_.sums_in, parts_, memory.scratch);
    Vector out[kMaxBlocks] = {};
    const float* weight = memory.weights + s_.weight + block * in * kLanes;
    const float* bias = memory.weights + s_.bias + block * kLanes;
    matrix_vector_kernel(int(n))(memory.scratch, in, weight, in * kLanes, bias, out);
    float* output = memory.activations + s_.sums_out + block * kLanes;
    activate<kMaxBlocks>(out, s_.activation);
    for (int64_t b = 0; b < n; ++b) _mm512_store_ps(output + b * kLanes, out[b]);
  }

 private:
  Step s_;
  int64_t parts_, blocks_, group_;
};

class Gate final : public PlannedStep {
 public:
  explicit Gate(const Step& s, int64_t parts) : s_(s), parts_(parts) {}

  int tasks() const override { return int(blocks_of(s_.out_channels)); }
  int64_t scratch_floats() const override { return padded(s_.in_channels); }

  DYNOFA_AVX512 void run(int task, const Memory& memory) const override {
    const int64_t in = s_.in_channels, plane = s_.out_side * s_.out_side * kLanes;
    mean_of(s_, memory.activations + s_.sums_in, parts_, memory.scratch);
    Vector x;
    matrix_vector<1>(memory.scratch, in, memory.weights + s_.weight + task * in * kLanes, 0,
                     memory.weights + s_.bias + task * kLanes, &x);
    const Vector clipped = _mm512_min_ps(
        _mm512_max_ps(_mm512_add_ps(x, _mm512_set1_ps(3.f)), _mm512_setzero_ps()), _mm512_set1_ps(6.f));
    const Vector gate = _mm512_mul_ps(clipped, _mm512_set1_ps(1.f / 6.f));
    float* tensor = memory.activations + s_.output + task * plane;
    for (int64_t i = 0; i < plane; i += kLanes)
      _mm512_store_ps(tensor + i, _mm512_mul_ps(_mm512_load_ps(tensor + i), gate));
  }

 private:
  Step s_;
  int64_t parts_;
};

// --- projection

class Pointwise final : public PlannedStep {
 public:
  Pointwise(const Step& s, int threads) : s_(s), threads_(threads), total_(s.in_side * s.in_side) {
    const int64_t blocks = blocks_of(s.out_channels), wanted = kTasksPerThread * threads;
    const bool heavy = s.in_channels * s.out_channels > s.in_channels * total_;
    const Tile tile = product_tile(total_, blocks, s.in_channels, 1);
    pixels_ = tile.pixels;
    blocks_ = tile.blocks;
    const int64_t tiles = divide_up(total_, pixels_), panels = divide_up(blocks, blocks_);
    if (s.sums_out != kNone) {
      pixel_parts_ = 1;
    } else if (heavy) {
      pixel_parts_ = std::min(tiles, divide_up(wanted, panels));
    } else {
      pixel_parts_ = std::min(tiles, 4 * wanted);
    }
    panel_parts_ = heavy || s.sums_out != kNone ? panels : 1;
    part_tiles_ = divide_up(tiles, pixel_parts_);
    pixel_parts_ = divide_up(tiles, part_tiles_);
    part_blocks_ = divide_up(panels, panel_parts_) * blocks_;
  }

  int tasks() const override { return int(pixel_parts_ * panel_parts_); }
  int64_t scratch_floats() const override { return kLanes; }

  void prepare(const std::vector<Soon>& soon) override {
    ahead_.plan(soon, tasks(), threads_, part_tiles_ * (part_blocks_ / blocks_), blocks_of(s_.in_channels));
  }

  DYNOFA_AVX512 void run(int task, const Memory& memory) const override {
    const int64_t begin = task % pixel_parts_ * part_tiles_ * pixels_;
    const int64_t first = task / pixel_parts_ * part_blocks_;
    const int64_t end = std::min(total_, begin + part_tiles_ * pixels_);
    const int64_t last = std::min(blocks_of(s_.out_channels), first + part_blocks_);
    const int64_t in = s_.in_channels, runs = blocks_of(in), plane = total_ * kLanes;
    const int64_t rest = in - (runs - 1) * kLanes;
    const Product p{runs, kLanes, rest, plane, in * kLanes, plane, s_.activation, ahead_.lines()};
    Ahead::Piece soon(ahead_, task, memory.weights);
    const float* input = memory.activations + s_.input;
    for (int64_t x = begin; x < end; x += pixels_)
      for (int64_t b = first; b < last; b += blocks_) {
        const int n = int(std::min(pixels_, end - x)), m = int(std::min(blocks_, last - b));
        const int64_t at = b * plane + x * kLanes;
        const float* residual = s_.residual == kNone ? nullptr : memory.activations + s_.residual + at;
        const float* weight = memory.weights + s_.weight + b * in * kLanes;
        const float* bias = memory.weights + s_.bias + b * kLanes;
        float* output = memory.activations + s_.output + at;
        product_kernel<kLanes>(m, n)(p, input + x * kLanes, weight, bias, output, residual, soon.next());
      }
    if (s_.sums_out == kNone) return;
    for (int64_t b = first; b < last; ++b) {
      const float* tensor = memory.activations + s_.output + b * plane;
      Vector total = _mm512_setzero_ps();
      for (int64_t i = 0; i < plane; i += kLanes) total = _mm512_add_ps(total, _mm512_load_ps(tensor + i));
      _mm512_store_ps(memory.activations + s_.sums_out + b * kLanes, total);
    }
  }

 private:
  Step s_;
  int threads_;
  Ahead ahead_;
  int64_t total_, pixels_, blocks_, pixel_parts_, panel_parts_, part_tiles_, part_blocks_;
};

}  // namespace

bool processor_suits() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("fma");
}

std::vector<Soon> read_by(const Step& s) {
  const int64_t out = padded(s.out_channels);
  const bool split = s.kind == kDense || s.kind == kGate || s.kind == kFront || s.out_side < 10;
  if (s.weight == kNone || s.kind == kStem) return {};
  return {{s.weight, s.in_channels * out, !split}};
}

std::unique_ptr<PlannedStep> plan_step(const Step& step, int threads, int64_t parts) {
  switch (step.kind) {
    case kStem: return std::make_unique<Stem>(step);
    case kFront: return std::make_unique<Front>(step, threads);
    case kDense: return std::make_unique<Dense>(step, threads, parts);
    case kGate: return std::make_unique<Gate>(step, parts);
    default: return std::make_unique<Pointwise>(step, threads);
  }
}

}  // namespace dynofa

#else

namespace dynofa {

bool processor_suits() { return false; }

std::vector<Soon> read_by(const Step&) { return {}; }

std::unique_ptr<PlannedStep> plan_step(const Step&, int, int64_t) { return nullptr; }

}  // namespace dynofa

#endif
