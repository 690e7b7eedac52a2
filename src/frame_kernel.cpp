// One camera image to one network input: centre square, antialiased resize, RGB, in one pass and without
// floats.
//
// The filter is the triangle of Pillow and torchvision (bilinear, antialias=True). Its taps come from the
// caller as 16-bit fractions. Source rows are weighted into one row of the square's width (bytes, whatever
// they mean), 32 such rows are transposed, and the weighted sum along the row then runs with one output row
// per vector lane. Encodings that cannot be averaged as they are (4:2:2, 4:2:0, Bayer, 16 bit) are turned
// into 8-bit rows on the way, each row once, in cache. Loops are plain; the compiler vectorises them for
// several instruction sets.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__clang__)
#define MULTIVERSION __attribute__((target_clones("avx2", "default")))
#elif defined(__x86_64__) && defined(__gnu_linux__) && __GNUC__ >= 12
#define MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "avx2", "default"), flatten))
#define WITH_AVX512
#elif defined(__x86_64__) && defined(__gnu_linux__)
#define MULTIVERSION __attribute__((target_clones("avx2", "default"), flatten))
#else
#define MULTIVERSION __attribute__((flatten))
#endif

namespace {

constexpr int kLanes = 32;
constexpr int kTile = 1024;
constexpr int kMaxSide = 16384;
constexpr int64_t kMaxStep = int64_t(1) << 40;
constexpr int kMaxResolution = 4096;
constexpr int kMaxBias = 120;  // 255 * 256 + 128 + 120 still fits 16 bits

enum Kind : int32_t { kPacked8, kPacked16, kYuv422, kYuv420, kYuv444, kBayer8, kBayer16, kKinds };
enum Status : int {
  kDone,
  kBadSize,
  kBadLayout,
  kBadCrop,
  kBadTable,
  kShortData,
  kShortScratch,
  kShortOutput
};

}  // namespace

extern "C" {

// Mirrors `_Job` in dynofa_ros/engine/frame_kernel.py. Offsets of channels or of Y, U, V count samples; of
// Bayer, they are column and row of the first red pixel.
struct DynofaFrameJob {
  const uint8_t* data;
  uint8_t* out;
  uint8_t* scratch;
  const int32_t* first;
  const int32_t* count;
  const uint16_t* weights;
  int64_t data_bytes, out_bytes, scratch_bytes, step;
  int32_t width, height, top, left, side, resolution, taps;
  int32_t kind, channels, offset[3], big_endian;
};

// Bytes of scratch memory that `job` needs; of its pointers none is read.
EXPORT int64_t dynofa_frame_scratch_bytes(const DynofaFrameJob* job);
// 0, or which of its checks refused the job (see Status); then nothing was read or written.
EXPORT int dynofa_frame_resize(const DynofaFrameJob* job);
// Instruction set that the loader chose for this processor.
EXPORT const char* dynofa_frame_isa(void);
}

namespace {

using Job = DynofaFrameJob;

INLINE int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

// --- what lies where
// ------------------------------------------------------------------------------------------

// The columns of the image that one row of work covers, and where colours lie in it.
struct Row {
  int left, width;        // [px], the square and what its first and last colours need
  int64_t bytes, padded;  // of one row of work
  int64_t origin, step, offset[3];
  int channels;  // 1: grey, copied to all three
  bool converted;
};

INLINE bool is_bayer(const Job& job) { return job.kind == kBayer8 || job.kind == kBayer16; }

INLINE Row row_of(const Job& job) {
  Row row{};
  const bool paired = job.kind == kYuv422 || job.kind == kYuv420;
  const bool packed = job.kind == kPacked8 || job.kind == kPacked16;
  row.left = paired ? job.left & ~1 : job.left;
  row.width = paired ? int(round_up(job.left + job.side - row.left, 2)) : job.side;
  row.converted = job.kind != kPacked8;
  row.step = packed ? job.channels : 1;
  row.bytes = int64_t(row.width) * (packed ? job.channels : 3);
  row.padded = round_up(row.bytes, 64);
  row.origin = (job.left - row.left) * row.step;
  row.channels = job.channels == 1 && packed ? 1 : 3;
  for (int c = 0; c < 3; ++c) row.offset[c] = packed ? job.offset[c] : int64_t(c) * row.width;
  return row;
}

struct Scratch {
  uint8_t *ring, *rows, *columns, *result, *line;
  int64_t bytes;
};

INLINE Scratch scratch_of(const Job& job, const Row& row) {
  Scratch scratch{};
  int64_t at = 0;
  const auto take = [&](int64_t bytes) {
    uint8_t* place = job.scratch == nullptr ? nullptr : job.scratch + at;
    at += round_up(bytes, 64);
    return place;
  };
  scratch.rows = take(kLanes * row.padded);
  scratch.columns = take(kLanes * row.padded);
  scratch.result = take(kLanes * round_up(int64_t(job.resolution) * 3, 16));
  scratch.ring = take(row.converted ? job.taps * row.padded : 0);
  scratch.line = take(row.converted ? 4 * round_up(row.width + 2, 64) : 0);
  scratch.bytes = at;
  return scratch;
}

// --- checks: nothing outside the caller's memory is ever touched
// ------------------------------------------------

int64_t bytes_needed(const Job& job) {
  const int64_t width = job.width, height = job.height;
  switch (job.kind) {
    case kPacked8: return (height - 1) * job.step + width * job.channels;
    case kPacked16: return (height - 1) * job.step + width * job.channels * 2;
    case kYuv422: return (height - 1) * job.step + width * 2;
    case kYuv420: return (height + height / 2 - 1) * job.step + width;
    case kYuv444: return (height + 2 * height - 2) * job.step + width * 2;
    case kBayer8: return (height - 1) * job.step + width;
    default: return (height - 1) * job.step + width * 2;
  }
}

int64_t row_bytes(const Job& job) {
  switch (job.kind) {
    case kPacked8: return int64_t(job.width) * job.channels;
    case kPacked16: return int64_t(job.width) * job.channels * 2;
    case kYuv422:
    case kBayer16: return int64_t(job.width) * 2;
    default: return job.width;
  }
}

bool good_layout(const Job& job) {
  if (job.kind < 0 || job.kind >= kKinds || job.channels < 1 || job.channels > 4) return false;
  const bool paired = job.kind == kYuv422 || job.kind == kYuv420;
  if ((paired && job.width % 2) || (job.kind == kYuv420 && job.height % 2)) return false;
  if (is_bayer(job) && (job.width < 3 || job.height < 3)) return false;
  const int limit = is_bayer(job)                                   ? 2
                    : job.kind == kYuv422                           ? 4
                    : job.kind == kPacked8 || job.kind == kPacked16 ? job.channels
                                                                    : 2;
  const int used = is_bayer(job) ? 2 : 3;
  for (int c = 0; c < used; ++c)
    if (job.offset[c] < 0 || job.offset[c] >= limit) return false;
  return true;
}

bool good_table(const Job& job) {
  if (job.taps < 1 || job.taps > job.side) return false;
  for (int i = 0; i < job.resolution; ++i) {
    if (job.count[i] < 1 || job.count[i] > job.taps || job.first[i] < 0) return false;
    if (job.first[i] > job.side - job.count[i] || (i && job.first[i] < job.first[i - 1])) return false;
  }
  return true;
}

bool good_crop(const Job& job) {
  return job.side >= 1 && job.top >= 0 && job.left >= 0 && job.top <= job.height - job.side &&
         job.left <= job.width - job.side;
}

bool good_size(const Job& job) {
  return job.width >= 1 && job.height >= 1 && job.width <= kMaxSide && job.height <= kMaxSide &&
         job.resolution >= 1 && job.resolution <= kMaxResolution;
}

int64_t scratch_needed(const Job& job) {
  Job sized = job;
  sized.scratch = nullptr;
  return scratch_of(sized, row_of(sized)).bytes;
}

int check(const Job& job) {
  if (!good_size(job)) return kBadSize;
  if (!good_layout(job)) return kBadLayout;
  if (!good_crop(job)) return kBadCrop;
  if (!good_table(job)) return kBadTable;
  if (job.step < row_bytes(job) || job.step > kMaxStep || job.data_bytes < bytes_needed(job))
    return kShortData;
  if (job.out_bytes < int64_t(job.resolution) * job.resolution * 3) return kShortOutput;
  if (job.scratch_bytes < scratch_needed(job)) return kShortScratch;
  return kDone;
}

// --- rows of encodings that cannot be averaged as they are
// -------------------------------------------------------

// Nearest 8-bit value: round(v / 257).
INLINE uint8_t narrow(uint8_t low, uint8_t high) {
  const uint16_t value = uint16_t(low | high << 8);
  return uint8_t(uint16_t(value - (value >> 8) + 128) >> 8);
}

INLINE void narrow_row(const uint8_t* __restrict source, bool big_endian, int64_t n,
                       uint8_t* __restrict row) {
  if (big_endian)
    for (int64_t i = 0; i < n; ++i) row[i] = narrow(source[2 * i + 1], source[2 * i]);
  else
    for (int64_t i = 0; i < n; ++i) row[i] = narrow(source[2 * i], source[2 * i + 1]);
}

// p * w / 256 for a 16-bit fraction w.
INLINE uint16_t product(uint8_t p, uint16_t w) { return uint16_t((uint32_t(uint16_t(p << 8)) * w) >> 16); }

INLINE uint8_t clipped(uint16_t sum, uint16_t below) {
  const uint16_t value = uint16_t(uint16_t(std::max(sum, below) - below) >> 6);
  return uint8_t(std::min<uint16_t>(value, 255));
}

// BT.601, limited range, with six bits of fraction: 1.164 (y - 16) + {1.596 v, -0.813 v - 0.391 u, 2.018 u}.
INLINE void yuv_to_planes(const uint8_t* __restrict y, const uint8_t* __restrict u,
                          const uint8_t* __restrict v, int64_t n, uint8_t* __restrict red,
                          uint8_t* __restrict green, uint8_t* __restrict blue) {
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t luma = uint16_t(product(uint8_t(std::max<uint8_t>(y[i], 16) - 16), 19071) + 32);
    red[i] = clipped(uint16_t(luma + product(v[i], 26149)), 13074);
    blue[i] = clipped(uint16_t(luma + product(u[i], 33063)), 16531);
    green[i] = clipped(uint16_t(luma + 9863), uint16_t(product(u[i], 6406) + product(v[i], 13320)));
  }
}

INLINE void spread(const uint8_t* __restrict source, int stride, int64_t n, uint8_t* __restrict row) {
  for (int64_t i = 0; i < n; ++i) row[i] = source[stride * i];
}

INLINE void spread_twice(const uint8_t* __restrict source, int stride, int64_t pairs,
                         uint8_t* __restrict row) {
  for (int64_t i = 0; i < pairs; ++i) row[2 * i] = row[2 * i + 1] = source[stride * i];
}

INLINE void yuv_row(const Job& job, const Row& row, int64_t y, uint8_t* line, uint8_t* target) {
  const int64_t n = row.width, pitch = round_up(n + 2, 64);
  uint8_t *luma = line, *u = line + pitch, *v = line + 2 * pitch;
  const uint8_t* source = job.data + y * job.step + row.left;
  if (job.kind == kYuv422) {
    source = job.data + y * job.step + int64_t(row.left) * 2;
    spread(source + job.offset[0], 2, n, luma);
    spread_twice(source + job.offset[1], 4, n / 2, u);
    spread_twice(source + job.offset[2], 4, n / 2, v);
  } else if (job.kind == kYuv420) {
    const uint8_t* colour = job.data + (job.height + y / 2) * job.step + row.left;
    std::memcpy(luma, source, size_t(n));
    spread_twice(colour + job.offset[1], 2, n / 2, u);
    spread_twice(colour + job.offset[2], 2, n / 2, v);
  } else {
    const uint8_t* colour = job.data + (job.height + 2 * y) * job.step + int64_t(row.left) * 2;
    std::memcpy(luma, source, size_t(n));
    spread(colour + job.offset[1], 2, n, u);
    spread(colour + job.offset[2], 2, n, v);
  }
  yuv_to_planes(luma, u, v, n, target, target + n, target + 2 * n);
}

// Bilinear demosaicing of columns 0..n-1 of `here`; columns -1 and n exist. `own` is red or blue, whichever
// this row has, at the columns of parity `at`.
INLINE void demosaic(const uint8_t* __restrict above, const uint8_t* __restrict here,
                     const uint8_t* __restrict below, int64_t n, int at, uint8_t* __restrict own,
                     uint8_t* __restrict green, uint8_t* __restrict other) {
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t mask = uint8_t(((i ^ at) & 1) - 1);  // 255 where this pixel is of the row's own colour
    const uint16_t beside = uint16_t(here[i - 1] + here[i + 1]), over = uint16_t(above[i] + below[i]);
    const uint16_t corners = uint16_t(above[i - 1] + above[i + 1] + below[i - 1] + below[i + 1]);
    own[i] = uint8_t((here[i] & mask) | (uint8_t((beside + 1) >> 1) & ~mask));
    green[i] = uint8_t((uint8_t((beside + over + 2) >> 2) & mask) | (here[i] & ~mask));
    other[i] = uint8_t((uint8_t((corners + 2) >> 2) & mask) | (uint8_t((over + 1) >> 1) & ~mask));
  }
}

// The image's border copies its neighbours, as in OpenCV.
INLINE void bayer_row(const Job& job, const Row& row, int64_t y, uint8_t* line, uint8_t* target) {
  const int64_t n = row.width, pitch = round_up(n + 2, 64);
  const int64_t from = std::max(row.left, 1), to = std::min(row.left + row.width, job.width - 1);
  const int64_t middle = std::min<int64_t>(std::max<int64_t>(y, 1), job.height - 2);
  const uint8_t* around[3];
  for (int k = 0; k < 3; ++k) {
    const uint8_t* source = job.data + (middle - 1 + k) * job.step;
    around[k] = source + from;
    if (job.kind == kBayer8) continue;
    narrow_row(source + (from - 1) * 2, job.big_endian != 0, to - from + 2, line + k * pitch);
    around[k] = line + k * pitch + 1;
  }
  const bool red = (middle & 1) == job.offset[1];
  const int at = int((from ^ job.offset[0] ^ (red ? 0 : 1)) & 1);
  uint8_t *first = target + (from - row.left), *own = red ? first : first + 2 * n,
          *other = red ? first + 2 * n : first;
  if (to > from) demosaic(around[0], around[1], around[2], to - from, at, own, first + n, other);
  for (int c = 0; c < 3; ++c) {
    uint8_t* plane = target + c * n;
    if (row.left == 0) plane[0] = plane[1];
    if (row.left + row.width == job.width) plane[n - 1] = plane[n - 2];
  }
}

INLINE void convert_row(const Job& job, const Row& row, int64_t y, uint8_t* line, uint8_t* target) {
  if (job.kind == kPacked16)
    narrow_row(job.data + y * job.step + int64_t(row.left) * job.channels * 2, job.big_endian != 0, row.bytes,
               target);
  else if (is_bayer(job))
    bayer_row(job, row, y, line, target);
  else
    yuv_row(job, row, y, line, target);
}

// --- the two weighted sums
// ------------------------------------------------------------------------------------

INLINE uint16_t bias(int taps) { return uint16_t(128 + std::min(taps / 2, kMaxBias)); }

// Adds N weighted runs of bytes to `sum`.
template <int N>
INLINE void add(const uint8_t* const* runs, const uint16_t* w, int64_t at, int64_t n,
                uint16_t* __restrict sum) {
  const uint8_t* __restrict r0 = runs[0] + at;
  const uint8_t* __restrict r1 = runs[N > 1 ? 1 : 0] + at;
  const uint8_t* __restrict r2 = runs[N > 2 ? 2 : 0] + at;
  const uint8_t* __restrict r3 = runs[N > 3 ? 3 : 0] + at;
  const uint16_t w0 = w[0], w1 = w[N > 1 ? 1 : 0], w2 = w[N > 2 ? 2 : 0], w3 = w[N > 3 ? 3 : 0];
  for (int64_t i = 0; i < n; ++i) {
    uint16_t value = uint16_t(sum[i] + product(r0[i], w0));
    if (N > 1) value = uint16_t(value + product(r1[i], w1));
    if (N > 2) value = uint16_t(value + product(r2[i], w2));
    if (N > 3) value = uint16_t(value + product(r3[i], w3));
    sum[i] = value;
  }
}

// One row of bytes: the weighted sum of `count` rows.
INLINE void sum_rows(const uint8_t* const* rows, const uint16_t* w, int count, int64_t bytes,
                     uint8_t* __restrict target) {
  alignas(64) uint16_t sum[kTile];
  for (int64_t at = 0; at < bytes; at += kTile) {
    const int64_t n = std::min<int64_t>(kTile, bytes - at);
    for (int64_t i = 0; i < n; ++i) sum[i] = bias(count);
    int k = 0;
    for (; k + 4 <= count; k += 4) {
      add<4>(rows + k, w + k, at, n, sum);
      std::atomic_signal_fence(std::memory_order_seq_cst);  // or GCC merges two rounds into one scalar loop
    }
    if (count - k == 3) add<3>(rows + k, w + k, at, n, sum);
    if (count - k == 2) add<2>(rows + k, w + k, at, n, sum);
    if (count - k == 1) add<1>(rows + k, w + k, at, n, sum);
    for (int64_t i = 0; i < n; ++i) target[at + i] = uint8_t(sum[i] >> 8);
  }
}

// One output colour of kLanes rows: the weighted sum of `count` columns, `stride` apart.
INLINE void sum_columns(const uint8_t* columns, int64_t stride, const uint16_t* w, int count,
                        uint8_t* __restrict target) {
  alignas(64) uint16_t sum[kLanes];
  for (int l = 0; l < kLanes; ++l) sum[l] = bias(count);
  int k = 0;
  for (; k + 4 <= count; k += 4) {
    const uint8_t* at = columns + k * stride;
    const uint8_t* four[] = {at, at + stride, at + 2 * stride, at + 3 * stride};
    add<4>(four, w + k, 0, kLanes, sum);
  }
  for (; k < count; ++k) {
    const uint8_t* one[] = {columns + k * stride};
    add<1>(one, w + k, 0, kLanes, sum);
  }
  for (int l = 0; l < kLanes; ++l) target[l] = uint8_t(sum[l] >> 8);
}

INLINE void resize_columns(const Job& job, const Row& row, const uint8_t* columns, uint8_t* result) {
  for (int x = 0; x < job.resolution; ++x) {
    const uint16_t* w = job.weights + int64_t(x) * job.taps;
    uint8_t* target = result + int64_t(x) * 3 * kLanes;
    const int64_t start = row.origin + job.first[x] * row.step;
    for (int c = 0; c < row.channels; ++c)
      sum_columns(columns + (start + row.offset[c]) * kLanes, row.step * kLanes, w, job.count[x],
                  target + c * kLanes);
    for (int c = row.channels; c < 3; ++c) std::memcpy(target + c * kLanes, target, kLanes);
  }
}

// --- transposition
// ----------------------------------------------------------------------------------------------

typedef uint8_t Bytes __attribute__((vector_size(16)));

#if defined(__clang__)
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#else
#define LOW(a, b) __builtin_shuffle(a, b, Bytes{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23})
#define HIGH(a, b) \
  __builtin_shuffle(a, b, Bytes{8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31})
#endif

// 16 rows of 16 bytes; four rounds of interleaving the first eight with the last eight transpose them.
INLINE void transpose16(const uint8_t* source, int64_t pitch, Bytes* block) {
  Bytes other[16];
  for (int i = 0; i < 16; ++i) std::memcpy(&block[i], source + i * pitch, 16);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 8; ++i)
      other[2 * i] = LOW(block[i], block[i + 8]), other[2 * i + 1] = HIGH(block[i], block[i + 8]);
    for (int i = 0; i < 8; ++i)
      block[2 * i] = LOW(other[i], other[i + 8]), block[2 * i + 1] = HIGH(other[i], other[i + 8]);
  }
}

INLINE void to_columns(const uint8_t* rows, int64_t padded, int64_t bytes, uint8_t* columns) {
  Bytes block[16];
  for (int64_t at = 0; at < bytes; at += 16)
    for (int lane = 0; lane < kLanes; lane += 16) {
      transpose16(rows + lane * padded + at, padded, block);
      for (int i = 0; i < 16; ++i) std::memcpy(columns + (at + i) * kLanes + lane, &block[i], 16);
    }
}

INLINE void to_output(const uint8_t* result, int64_t row_bytes, int lanes, uint8_t* out) {
  Bytes block[16];
  for (int lane = 0; lane < lanes; lane += 16)
    for (int64_t at = 0; at < row_bytes; at += 16) {
      const size_t n = size_t(std::min<int64_t>(16, row_bytes - at));
      transpose16(result + at * kLanes + lane, kLanes, block);
      for (int i = 0; i < 16 && lane + i < lanes; ++i)
        std::memcpy(out + (lane + i) * row_bytes + at, &block[i], n);
    }
}

// --- the whole
// --------------------------------------------------------------------------------------------------

// Pointers to the source rows of one output row; converts what is not yet in the ring.
INLINE void gather_rows(const Job& job, const Row& row, const Scratch& scratch, int y, int& done,
                        const uint8_t** rows) {
  for (int k = 0; k < job.count[y]; ++k) {
    const int source = job.first[y] + k;
    uint8_t* slot = scratch.ring + (source % job.taps) * row.padded;
    if (!row.converted) {
      rows[k] = job.data + int64_t(job.top + source) * job.step + int64_t(row.left) * job.channels;
      continue;
    }
    if (source >= done) {
      convert_row(job, row, job.top + source, scratch.line, slot);
      done = source + 1;
    }
    rows[k] = slot;
  }
}

MULTIVERSION void resize(const Job& job) {
  const Row row = row_of(job);
  const Scratch scratch = scratch_of(job, row);
  const uint8_t* rows[kMaxSide];
  const int64_t out_row = int64_t(job.resolution) * 3;
  int done = 0;
  for (int block = 0; block < job.resolution; block += kLanes) {
    const int lanes = std::min(kLanes, job.resolution - block);
    for (int lane = 0; lane < lanes; ++lane) {
      const int y = block + lane;
      gather_rows(job, row, scratch, y, done, rows);
      sum_rows(rows, job.weights + int64_t(y) * job.taps, job.count[y], row.bytes,
               scratch.rows + lane * row.padded);
    }
    to_columns(scratch.rows, row.padded, row.bytes, scratch.columns);
    resize_columns(job, row, scratch.columns, scratch.result);
    to_output(scratch.result, out_row, lanes, job.out + block * out_row);
  }
}

}  // namespace

int64_t dynofa_frame_scratch_bytes(const DynofaFrameJob* job) { return scratch_needed(*job); }

const char* dynofa_frame_isa(void) {
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__)
  __builtin_cpu_init();
#ifdef WITH_AVX512
  if (__builtin_cpu_supports("avx512bw")) return "avx512";
#endif
  return __builtin_cpu_supports("avx2") ? "avx2" : "sse2";
#elif defined(__aarch64__)
  return "neon";
#else
  return "generic";
#endif
}

int dynofa_frame_resize(const DynofaFrameJob* job) {
  const int status = check(*job);
  if (status == kDone) resize(*job);
  return status;
}
