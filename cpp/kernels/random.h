// Random numbers (rule 9): Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011), dropout, uniform and normal numbers.
#pragma once

#include "kernels/functions.h"
#include "kernels/lanes.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "random.h reads the halves of its words from memory: little-endian machines only"
#endif

namespace fastbp {
namespace {

constexpr uint32_t kPhiloxMultiplier0 = 0xd2511f53, kPhiloxMultiplier1 = 0xcd9e8d57;
constexpr uint32_t kPhiloxWeyl0 = 0x9e3779b9, kPhiloxWeyl1 = 0xbb67ae85;
constexpr int kPhiloxRounds = 10;

// The definition, one block at a time.
void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = (uint64_t)kPhiloxMultiplier0 * c0, p1 = (uint64_t)kPhiloxMultiplier1 * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    k0 += kPhiloxWeyl0;
    k1 += kPhiloxWeyl1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

// The 64-bit products of the lower 32 bits of the lanes.
FASTBP_INLINE U64 product_of_low(U64 a, U64 b) {
#if defined(__AVX512F__)
  return (U64)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (U64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (U64)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

// Writes pairs of 128 bits, a[l] then b[l]: first for l = 0, 2, 4, ..., then for l = 1, 3, 5, ...
FASTBP_INLINE void store_pairs(uint64_t* out, U64 a, U64 b) {
#if defined(__AVX512F__)
  _mm512_storeu_si512(out, _mm512_unpacklo_epi64((__m512i)a, (__m512i)b));
  _mm512_storeu_si512(out + 8, _mm512_unpackhi_epi64((__m512i)a, (__m512i)b));
#elif defined(__AVX2__)
  _mm256_storeu_si256((__m256i*)out, _mm256_unpacklo_epi64((__m256i)a, (__m256i)b));
  _mm256_storeu_si256((__m256i*)(out + 4), _mm256_unpackhi_epi64((__m256i)a, (__m256i)b));
#else
  const uint64_t words[4] = {a[0], b[0], a[1], b[1]};
  __builtin_memcpy(out, words, sizeof words);
#endif
}

// The keys of all rounds, the same in every lane.
struct PhiloxKeys {
  U64 key0[kPhiloxRounds], key1[kPhiloxRounds];

  explicit PhiloxKeys(uint64_t seed) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < kPhiloxRounds; ++round, k0 += kPhiloxWeyl0, k1 += kPhiloxWeyl1) {
      key0[round] = (uint64_t)k0 + U64{};
      key1[round] = (uint64_t)k1 + U64{};
    }
  }

  // Runs all rounds on `chains` vectors of blocks side by side, because a round is one long dependency. A lane is 64
  // bits wide, but only its lower half counts: so a round is two products, and nothing reads the upper halves that they
  // leave.
  template <int chains>
  inline __attribute__((always_inline)) void encipher(U64 (&c0)[chains], U64 (&c1)[chains], U64 (&c2)[chains],
                                                      U64 (&c3)[chains]) const {
    for (int round = 0; round < kPhiloxRounds; ++round) {
      for (int j = 0; j < chains; ++j) {
        const U64 p0 = product_of_low(c0[j], kPhiloxMultiplier0 + U64{});
        const U64 p1 = product_of_low(c2[j], kPhiloxMultiplier1 + U64{});
        c0[j] = (p1 >> 32) ^ c1[j] ^ key0[round];
        c2[j] = (p0 >> 32) ^ c3[j] ^ key1[round];
        c1[j] = p1;
        c3[j] = p0;
      }
    }
  }
};

// The lane for block l of a vector, so that store_pairs writes the blocks in order.
constexpr int kPhiloxLanes = FASTBP_VECTOR_BYTES / 8;
FASTBP_INLINE int philox_lane(int l) { return l < kPhiloxLanes / 2 ? 2 * l : 2 * l - kPhiloxLanes + 1; }

// A buffer of blocks: their counters, then their words in order of block, word, half.
struct PhiloxBlocks {
  static constexpr int most = 32;
  static constexpr int lanes = kPhiloxLanes;
  uint64_t block[most], row[most];  // the first two words of the counter
  uint16_t halves[most * 8 + FASTBP_VECTOR_BYTES];  // room for a vector that is read beyond the end
  PhiloxKeys keys;
  U64 stream, counter;

  PhiloxBlocks(uint64_t seed, uint32_t stream_word, uint32_t counter_word) : keys(seed) {
    stream = (uint64_t)stream_word + U64{};
    counter = (uint64_t)counter_word + U64{};
    for (int i = 0; i < most; ++i) block[i] = row[i] = 0;
    for (uint16_t& half : halves) half = 0;
  }

  FASTBP_INLINE int lane_of(int index) { return (index & ~(lanes - 1)) | philox_lane(index & (lanes - 1)); }
  void set(int index, uint32_t block_word, uint32_t row_word) {
    block[lane_of(index)] = block_word;
    row[lane_of(index)] = row_word;
  }

  // Computes the first `count` blocks (and whatever shares their vectors).
  __attribute__((noinline)) void compute(int count) {
    constexpr int chains = 2;
    for (int i = 0; i < count; i += chains * lanes) {
      U64 c0[chains], c1[chains], c2[chains], c3[chains];
      for (int j = 0; j < chains; ++j) {
        __builtin_memcpy(&c0[j], block + i + j * lanes, sizeof(U64));
        __builtin_memcpy(&c1[j], row + i + j * lanes, sizeof(U64));
        c2[j] = stream;
        c3[j] = counter;
      }
      keys.encipher(c0, c1, c2, c3);
      for (int j = 0; j < chains; ++j) {
        const U64 low = (c0[j] & 0xffffffffu) | (c1[j] << 32), high = (c2[j] & 0xffffffffu) | (c3[j] << 32);
        uint64_t words[2 * lanes];
        store_pairs(words, low, high);
        __builtin_memcpy(halves + 8 * (i + j * lanes), words, sizeof words);
      }
    }
  }

  // Words 2i (high) and 2i + 1 (low) of the buffer as one number.
  uint64_t long_word(int i) const {
    uint32_t words[2];
    __builtin_memcpy(words, halves + 4 * i, sizeof words);
    return (uint64_t)words[0] << 32 | words[1];
  }
};

// ---- dropout ----

// 16-bit numbers, one to a lane of T.
template <class T>
FASTBP_INLINE M<T> widened_halves(const uint16_t* p) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return (M<T>)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
  } else {
    return (M<T>)_mm512_cvtepu16_epi64(_mm_loadu_si128((const __m128i*)p));
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    return (M<T>)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
  } else {
    return (M<T>)_mm256_cvtepu16_epi64(_mm_loadl_epi64((const __m128i*)p));
  }
#else
  M<T> numbers;
  for (int l = 0; l < Vector<T>::lanes; ++l) numbers[l] = p[l];
  return numbers;
#endif
}

// Drops (+0) those of `count` elements of one row whose 16 bits are below the threshold, and scales the others.
template <class T>
FASTBP_INLINE void drop(const T* in, T* out, int64_t count, const uint16_t* halves, M<T> threshold, V<T> scale) {
  for (int64_t i = 0; i < count; i += Vector<T>::lanes) {
    const V<T> kept = load_part<T>(in + i, count - i) * scale;
    store_part<T>(out + i, select(widened_halves<T>(halves + i) < threshold, V<T>{}, kept), count - i);
  }
}

template <class T>
FASTBP_INLINE uint32_t dropout_row(const Dropout<T>& call, int64_t row) {
  return (uint32_t)(call.row_ids ? call.row_ids[row] : call.first_row + row * call.row_step);
}

// Calls body(element, key) for a row's elements `first` .. `first + n`, four to a block. first is a multiple of 4.
template <class Body>
FASTBP_INLINE void for_each_key(PhiloxBlocks& blocks, uint32_t row, int64_t first, int64_t n, Body body) {
  constexpr int64_t most = 4 * PhiloxBlocks::most;
  for (int64_t done = 0; done < n; done += most) {
    const int64_t count = n - done < most ? n - done : most;
    const int used = (int)((count + 3) / 4);
    for (int i = 0; i < used; ++i) blocks.set(i, (uint32_t)((first + done) / 4 + i), row);
    blocks.compute(used);
    for (int64_t i = 0; i < count; ++i) {
      uint32_t key;
      __builtin_memcpy(&key, blocks.halves + 2 * i, sizeof key);
      body(first + done + i, key);
    }
  }
}

// An exact dropout drops the elements of a row with keys below `key`, and the first `ties` with keys equal to it.
struct Cut {
  uint32_t key;
  int64_t ties;
};

// Finds the `dropped` smallest keys of a row, digit by digit; draws the keys again for each digit instead of storing
// them.
FASTBP_INLINE Cut find_cut(PhiloxBlocks& blocks, uint32_t row, int64_t width, int64_t dropped) {
  Cut cut = {0, dropped};
  for (int shift = 24; dropped > 0 && shift >= 0; shift -= 8) {
    int64_t counts[256] = {};
    for_each_key(blocks, row, 0, width, [&](int64_t, uint32_t key) {
      if ((uint64_t)key >> (shift + 8) == (uint64_t)cut.key >> (shift + 8)) ++counts[key >> shift & 255];
    });
    uint32_t digit = 0;
    for (; counts[digit] < cut.ties; ++digit) cut.ties -= counts[digit];
    cut.key |= digit << shift;
  }
  return cut;
}

// Drops exactly call.exact elements of every whole row.
template <class T>
void dropout_exact(const Dropout<T>& call) {
  PhiloxBlocks blocks(call.seed, call.stream, call.counter);
  const bool same = call.row_ids == nullptr && call.row_step == 0;
  Cut cut = {};
  for (int64_t r = 0; r < call.rows; ++r) {
    const uint32_t row = dropout_row(call, r);
    if (r == 0 || !same) cut = find_cut(blocks, row, call.width, call.exact);
    int64_t ties = cut.ties;
    if (ties > 0) {  // without those before this part
      for_each_key(blocks, row, 0, call.first_col, [&](int64_t, uint32_t key) { ties -= key == cut.key && ties > 0; });
    }
    const T* in = call.in + r * call.in_row - call.first_col;
    T* out = call.out + r * call.out_row - call.first_col;
    for_each_key(blocks, row, call.first_col, call.cols, [&](int64_t element, uint32_t key) {
      const bool tie = key == cut.key && ties > 0;
      ties -= tie;
      out[element] = key < cut.key || tie ? (T)0 : in[element] * call.scale;
    });
  }
}

template <class T>
void dropout(const Dropout<T>* call) {
  if (call->exact >= 0) return dropout_exact(*call);
  const int64_t blocks_of_row = (call->cols + 7) / 8;
  const M<T> threshold = (M<T>)((typename Vector<T>::word)call->threshold + typename Vector<T>::bits{});
  const V<T> scale = splat<T>(call->scale);
  PhiloxBlocks blocks(call->seed, call->stream, call->counter);
  if (blocks_of_row <= 0) return;
  int64_t r = 0, b = 0;  // the next block: row and place in the row
  while (r < call->rows) {
    const int64_t first_row = r, first_block = b;
    int count = 0;
    while (count < PhiloxBlocks::most && r < call->rows) {
      const uint32_t id = dropout_row(*call, r);
      const uint32_t block = (uint32_t)(call->first_col / 8 + b);
      int64_t run = blocks_of_row - b;
      if (run > PhiloxBlocks::most - count) run = PhiloxBlocks::most - count;
      for (int i = 0; i < (int)run; ++i) blocks.set(count + i, block + (uint32_t)i, id);
      count += (int)run;
      b += run;
      if (b == blocks_of_row) ++r, b = 0;
    }
    blocks.compute(count);
    const uint16_t* halves = blocks.halves;
    int64_t from_block = first_block;
    for (int64_t row = first_row; row < r || (row == r && from_block < b); ++row, from_block = 0) {
      const int64_t begin = 8 * from_block, end = row < r ? call->cols : 8 * b;
      drop<T>(call->in + row * call->in_row + begin, call->out + row * call->out_row + begin, end - begin, halves,
              threshold, scale);
      halves += (end - begin + 7) / 8 * 8;
    }
  }
}

// ---- whole numbers, uniform and normal ----

void draws(uint64_t seed, uint32_t stream, uint32_t counter, int64_t first, int64_t n, uint64_t* out) {
  constexpr int lanes = kPhiloxLanes, chains = FASTBP_VECTOR_BYTES == 64 ? 4 : 2, most = 2 * chains * lanes;
  constexpr uint64_t low = 0xffffffffu;
  const PhiloxKeys keys(seed);
  U64 place = {};
  for (int l = 0; l < lanes; ++l) place[philox_lane(l)] = (uint64_t)l;
  for (int64_t done = 0; done < n;) {
    const int64_t draw = first + done, skip = draw % 2;
    U64 c0[chains], c1[chains], c2[chains], c3[chains];
    for (int j = 0; j < chains; ++j) {
      c0[j] = place + (uint64_t)(draw / 2 + j * lanes);
      c1[j] = U64{};
      c2[j] = (uint64_t)stream + U64{};
      c3[j] = (uint64_t)counter + U64{};
    }
    keys.encipher(c0, c1, c2, c3);
    uint64_t numbers[most];
    for (int j = 0; j < chains; ++j)
      store_pairs(numbers + 2 * lanes * j, c0[j] << 32 | (c1[j] & low), c2[j] << 32 | (c3[j] & low));
    const int64_t count = n - done < most - skip ? n - done : most - skip;
    for (int64_t i = 0; i < count; ++i) out[done + i] = numbers[skip + i];
    done += count;
  }
}

void uniform(const Random* call) {
  PhiloxBlocks blocks(call->seed, call->stream, call->counter);
  constexpr int64_t most = 2 * PhiloxBlocks::most;
  int64_t done = 0;
  while (done < call->n) {
    const int64_t element = call->first + done, skip = element % 2;
    const int64_t count = call->n - done < most - skip ? call->n - done : most - skip;
    const int used = (int)((skip + count + 1) / 2);
    for (int i = 0; i < used; ++i) blocks.set(i, (uint32_t)(element / 2 + i), call->row);
    blocks.compute(used);
    for (int64_t i = 0; i < count; ++i) {
      call->out[done + i] = (double)(int64_t)(blocks.long_word((int)(skip + i)) >> 11) * 0x1p-53;
    }
    done += count;
  }
}

// (((c[7] x + c[6]) x + ...) x + c[0]
FASTBP_INLINE F64 polynomial(const double (&c)[8], F64 x) {
  F64 sum = splat<double>(c[7]);
  for (int i = 6; i >= 0; --i) sum = sum * x + splat<double>(c[i]);
  return sum;
}

// The normal distribution's quantile of 0 < p < 1: the rational functions of M. J. Wichura, "Algorithm AS 241: the
// percentage points of the normal distribution", Applied Statistics 37 (1988), 477-484, PPND16.
FASTBP_INLINE F64 normal_quantile(F64 p) {
  static constexpr double kCentralTop[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                            1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                            3.3430575583588128105e4, 2.5090809287301226727e3};
  static constexpr double kCentralBottom[8] = {1.0,
                                               4.2313330701600911252e1,
                                               6.8718700749205790830e2,
                                               5.3941960214247511077e3,
                                               2.1213794301586595867e4,
                                               3.9307895800092710610e4,
                                               2.8729085735721942674e4,
                                               5.2264952788528545610e3};
  static constexpr double kMiddleTop[8] = {
      1.42343711074968357734e0, 4.63033784615654529590e0,  5.76949722146069140550e0,  3.64784832476320460504e0,
      1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double kMiddleBottom[8] = {1.0,
                                              2.05319162663775882187e0,
                                              1.67638483018380384940e0,
                                              6.89767334985100004550e-1,
                                              1.48103976427480074590e-1,
                                              1.51986665636164571966e-2,
                                              5.47593808499534494600e-4,
                                              1.05075007164441684324e-9};
  static constexpr double kFarTop[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                        2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double kFarBottom[8] = {1.0,
                                           5.99832206555887937690e-1,
                                           1.36929880922735805310e-1,
                                           1.48753612908506148525e-2,
                                           7.86869131145613259100e-4,
                                           1.84631831751005468180e-5,
                                           1.42151175831644588870e-7,
                                           2.04426310338993978564e-15};
  const F64 zero = {}, q = p - 0.5;
  const F64 central_r = 0.180625 - q * q;
  const F64 central = q * polynomial(kCentralTop, central_r) / polynomial(kCentralBottom, central_r);

  const F64 tail = sqrt_of(-log_of(select(q < zero, p, 1.0 - p)));
  const F64 middle_r = tail - 1.6, far_r = tail - 5.0;
  const F64 middle = polynomial(kMiddleTop, middle_r) / polynomial(kMiddleBottom, middle_r);
  const F64 far = polynomial(kFarTop, far_r) / polynomial(kFarBottom, far_r);
  const F64 distance = select(tail <= 5.0 + zero, middle, far);
  const F64 outer = select(q < zero, -distance, distance);
  return select((q <= 0.425 + zero) & (q >= -0.425 + zero), central, outer);
}

void normal(const Random* call) {
  uniform(call);
  const F64 most = splat<double>(1.0 - 0x1p-53);  // if the sum below rounds to 1
  for (int64_t i = 0; i < call->n; i += Vector<double>::lanes) {
    const int64_t left = call->n - i;
    const F64 u = load_part<double>(call->out + i, left) + 0x1p-54;
    const F64 p = call->low + (call->high - call->low) * u;
    store_part<double>(call->out + i, normal_quantile(select(p < most, p, most)), left);
  }
}

}  // namespace
}  // namespace fastbp
