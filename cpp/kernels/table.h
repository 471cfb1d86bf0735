// What a kernel is called with, and the table of kernels that dispatch fills. Plain data only: this header is compiled
// into every instruction set's files and into the rest, so it holds no function and no class with a destructor.
// All sizes are int64; strides count elements unless said otherwise; columns of outputs are contiguous.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/operations.h"

namespace fastbp {

// The version and the constants of the numeric contract (docs/numerics.md).
constexpr int kContractVersion = 0;     // 0: not frozen
constexpr int64_t kFeatureBlock = 512;  // KB, rule 1
constexpr int64_t kRowBlock = 128;      // RB, rule 2
constexpr int64_t kLanes = 16;          // rule 3
constexpr int64_t kFlatBlock = 4096;    // rule 3

// out[r, c] = op(in0[r*row_stride[0] + c*col_stride[0]], ...). col_stride is 0 or 1, row_stride any (0: the same row).
// out may be the same memory as an operand with the same strides.
template <class T>
struct Map {
  int64_t rows, cols;
  T* out;
  int64_t out_row;
  const T* in[3];
  int64_t row_stride[3];
  int64_t col_stride[3];
  T scalar[2];
  int64_t integer;
};

// Maps each row to one result, or to a row. Row r of in[i] starts at in[i] + r*in_row[i]; columns are contiguous. The
// result of row r starts at out + r*out_row, even if it is a single number.
template <class T>
struct RowMap {
  int64_t rows, cols;
  const T* in[3];
  int64_t in_row[3];
  T* out;
  int64_t out_row;
};

// out[c] = sum (rule 2) or max over rows of in[r, c].
template <class T>
struct OverRows {
  int64_t rows, cols;
  const T* in;
  int64_t in_row;
  T* out;
};

// *largest becomes the larger of itself and all |in[r, c]|; a NaN is the largest of all.
template <class T>
struct Magnitude {
  int64_t rows, cols;
  const T* in;
  int64_t in_row;
  T* largest;
};

// Rows that will be read later. Products prefetch them, a cache line at a time, so that memory and arithmetic are busy
// together. Only a hint. Each thread writes to its own.
struct alignas(64) Ahead {
  const char* source;
  int64_t row_bytes;     // from row to row
  int64_t bytes;         // of a row, contiguous
  const int64_t* index;  // at the current row's number
  int64_t rows;          // left, with the current one
  int64_t offset;        // of the next line in the current row
  bool listed;           // whether they will be read in place
};

// Listed rows, which may lie anywhere: element (r, f) is at[r][first + f].
template <class T>
struct RowList {
  const T* const* at;  // null: there is none
  int64_t first;
};

// What a product does with its sums, in the registers of its tiles, before it stores them.
enum class Finish : int {
  none,
  // Rule 2 only: c is a weight, finite everywhere, and the sums are its gradient. Plain SGD's step (rule 10):
  // c = fma(-eta, sum, fma(-decay, c, c)).
  update,
  step,         // Rule 2 only: c is a weight and the sums are its gradient, with which `step` updates it
  add,          // c = sum + b
  relu_of_sum,  // c = relu(sum + b)
  gate,         // c = b > 0 ? sum : +0
};

template <class T>
struct Update;

// An optimiser's step by products whose sums are a weight's gradient: part by part, while the sums are in cache.
template <class T>
struct WeightStep {
  const Update<T>* whole;  // the update of the whole weight, without its gradient
  int (*update)(const Update<T>*);
  int small;  // becomes 0 if `update` returns 0
  // The gradients of the columns apart, if there are any: columns_apart for each row, contiguous.
  const T* apart;
  int64_t columns_apart;
};

// How a product is computed: the kernels choose it, from everything about the product but its operands' addresses.
struct Blocking {
  enum class Way : int { unknown, one_tile, one_tile_across, blocks };
  Way way;
  bool flipped;  // cT = bT aT: vectors lie along the rows of c
  bool across;  // b's k is contiguous and few rows use b: it is transposed in registers
  bool pack_a, pack_whole_a, pack_b;
  int64_t strips;  // of nearly equal height
  int64_t columns;  // of a block of b
  int64_t vectors;  // a panel's width
  int64_t a_bytes, b_bytes, slot_bytes;
  int64_t bytes() const { return a_bytes + b_bytes + slot_bytes; }
};

// c[i, j] = sum over p of a[i, p] * b[p, j], a[i*a_row + p*a_col], b[p*b_row + j*b_col], c[i*c_row + j].
// c is never read before it is written, unless it is updated. k == 0 gives +0. m or n == 0: nothing happens.
template <class T>
struct Matmul {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_col;
  const T* b;
  int64_t b_row, b_col;
  T* c;
  int64_t c_row;
  int over_rows;  // 0: rule 1 (blocks of KB, ascending); 1: rule 2 (blocks of RB, binary counter)
  void* scratch;  // matmul_scratch(this) bytes, aligned to 64; may be null where that is 0
  T* packed;  // null, or all of a, as matmul_pack leaves it; aligned to 64
  // Called when c[i0..i1) x [j0..j1) is final and still in a near cache; the calls partition m x n. j0 is a multiple
  // of 8. May be null.
  void (*epilogue)(void* context, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
  void* context;
  Ahead* ahead;  // may be null
  // The list of a's rows (over_rows: of the summed rows), instead of `a`; only if matmul_reads_listed allows it.
  RowList<T> listed;
  int threads;  // that compute products at the same time and read each other's results; up to 1: only this one
  Finish finish;
  T eta, decay;  // update
  WeightStep<T>* step;  // step
  const T* beside;  // add, relu_of_sum, gate: b[i, j] is at beside[i*beside_row + j]
  int64_t beside_row;
  Blocking blocking;  // what matmul_prepare chose, else `unknown`
};

// Dropout (rule 9). Element (r, c) of a part of a wider array: columns first_col .. first_col+cols of each row;
// first_col is a multiple of 8.
template <class T>
struct Dropout {
  int64_t rows, cols, first_col;
  int64_t width;  // of the whole rows
  int64_t exact;  // how many elements of each whole row to drop, or -1: decide each by the threshold
  const T* in;
  int64_t in_row;
  T* out;
  int64_t out_row;
  uint64_t seed;
  const int64_t* row_ids;  // null: first_row, first_row + row_step, ...
  int64_t first_row, row_step;  // row_step 0: all rows drop the same elements
  uint32_t stream;  // purpose << 24 | ordinal
  uint32_t counter;  // epoch or step
  uint32_t threshold;  // round(65536 * rate), 0 .. 65536
  T scale;
};

// n uniform (float64) numbers, elements first .. first+n of a stream; normal: see rule 9.
struct Random {
  int64_t first, n;
  double* out;
  uint64_t seed;
  uint32_t row, stream, counter;
  double low, high;  // normal only: the CDF's range
};

constexpr int kUpdateStates = 3, kUpdateScalars = 6;  // at most

// One step of an optimiser for rows x cols weights, columns contiguous. All arrays but the gradient have one layout.
// Scalars are combined and rounded already. A weight depends on no other: any part may be updated alone, once.
template <class T>
struct Update {
  int64_t rows, cols;
  T* weight;
  T* state[kUpdateStates];  // as many as the rule has
  int64_t row;  // of all but the gradient
  const T* gradient;
  int64_t gradient_row;
  T decay;  // c = eta * wd; 0: none
  T scalar[kUpdateScalars];
  T shrink;  // the proximal step's threshold; 0: none

  // If `more`: changes to the gradient before the rule, and to the weight after it.
  bool more;
  T* accumulated;  // may be null: g = (accumulated + g) / count, then accumulated = 0
  T count;
  T limit;  // then g is clipped to [-limit, limit]; Inf: not at all
  T scale;  // then g is multiplied by this
  T* average;  // may be null: average = keep * average + take * weight
  T keep, take;
  bool overwrite;  // the weight becomes the average
};

enum class Element : int { f32, f64, f16, i8, u8, i16, u16, i32, u32, i64, u64, boolean };

// out[r, c] = (T) source[index[r]][c], rounding once.
template <class T>
struct Gather {
  int64_t rows, cols;
  const char* source;
  int64_t row_bytes, col_bytes;  // strides in bytes, any sign
  Element element;
  bool swap;  // whether its byte order is not this machine's
  const int64_t* index;  // null: first, first + 1, ...
  int64_t first;
  T* out;
  int64_t out_row;
};

// The smooth random fields of an elastic distortion (rule 12), height x width each: y's at `field`, x's `plane`
// elements behind it. weights: 2 radius + 1 for y and for x, each with kFieldPad zeros before and behind. between:
// height rows, between_row apart, zero except in columns pad .. pad+width; pad is at least radius[1]. Every array that
// is read has kFieldSlackBytes more behind it, and `between` has kFieldPad more rows.
constexpr int64_t kFieldPad = 4, kFieldSlackBytes = 128;
template <class T>
struct Displace {
  int64_t height, width;
  const T* weights[2];
  int64_t radius[2];
  uint64_t seed;
  uint32_t row, stream, counter;
  T* field;
  int64_t plane;
  T* between;
  int64_t between_row, pad;
};

// Bilinear interpolation at matrix (y's row, then x's) times (y, x, 1), where (y, x) is first moved by alpha times the
// displacement (as Displace leaves it; may be null). padded: the image, channels last, with two pixels before it and
// three behind it in both directions, which hold the values beyond its edges.
constexpr int64_t kSampleMargin = 5;
template <class T>
struct Sample {
  int64_t height, width, channels;
  const T* padded;
  T matrix[6];
  const T* displacement;
  int64_t plane;
  T alpha;
  T* out;
};

template <class T>
struct Kernels {
  void (*map[map_operations])(const Map<T>*);

  void (*row_sum)(const RowMap<T>*);  // in[0] -> (rows,)
  void (*row_max)(const RowMap<T>*);  // in[0] -> (rows,)
  void (*row_first_max)(const RowMap<T>*);  // in[0] -> 1 at the first maximal element of each row, else +0
  void (*row_argmax)(const RowMap<T>*);  // in[0] -> (rows,), the index of that element, or NaN
  void (*softmax)(const RowMap<T>*);  // in[0] -> (rows, cols)
  void (*log_softmax)(const RowMap<T>*);  // in[0] -> (rows, cols)
  void (*logsumexp)(const RowMap<T>*);  // in[0] -> (rows,)
  void (*softmax_cross_entropy)(const RowMap<T>*);  // z = in[0], y = in[2] (rows, cols) -> (rows,)
  void (*sparse_softmax_cross_entropy)(const RowMap<T>*);  // z = in[0], label = in[2] (rows,) -> (rows,)
  void (*one_hot)(const RowMap<T>*);  // label = in[0] (rows,) -> (rows, cols)
  void (*pick)(const RowMap<T>*);  // x = in[0], label = in[1] (rows,) -> (rows,); NaN for a label outside

  void (*sum_over_rows)(const OverRows<T>*);  // rule 2
  void (*max_over_rows)(const OverRows<T>*);
  T (*sum_flat)(const T* in, int64_t n);  // rule 3, FLAT blocks
  T (*max_flat)(const T* in, int64_t n);  // rule 3's lanes over all n

  int64_t (*matmul_scratch)(const Matmul<T>*);
  // The bytes of a joint packing of a by the threads that share the product's columns; 0: it would not pay.
  int64_t (*matmul_packed)(const Matmul<T>*);
  void (*matmul_pack)(const Matmul<T>*, int64_t thread, int64_t threads);  // a thread's part of that
  void (*matmul)(const Matmul<T>*);
  // Chooses `blocking` for repeated calls that differ only in their operands' addresses and have no listed rows; or
  // leaves the choice to each call (`unknown`: nothing to compute, or columns apart).
  void (*matmul_prepare)(Matmul<T>*);
  // Whether products like this one, with any number of rows, can read a's rows through a list.
  int (*matmul_reads_listed)(const Matmul<T>*);
  int64_t tile_rows, tile_cols;  // MR, NR of the product's register tile

  void (*dropout)(const Dropout<T>*);
  // Returns whether every weight and state written is within +-2^60 (finite by far).
  int (*update[update_rules])(const Update<T>*);
  // Writes nothing; returns whether everything that update would write is finite.
  int (*update_is_finite[update_rules])(const Update<T>*);
  // Instead of an update: accumulated += gradient. Same results as the two above.
  int (*accumulate)(const Update<T>*);
  int (*accumulate_is_finite)(const Update<T>*);
  // The sum of x's squares in float64 by rule 3's lanes, n <= FLAT; if `accumulated` is not null, the squares of
  // (accumulated + x) / count.
  double (*square_sum)(const T* x, const T* accumulated, T count, int64_t n);
  // Of rows x cols elements, rows `row` apart, scales each column whose norm is above `most` down to `most` (rule 10).
  void (*limit_norms)(T* x, int64_t rows, int64_t cols, int64_t row, double most);
  int (*within)(const T* x, int64_t n, T limit);  // all |x| <= limit (NaN: no)
  void (*magnitude)(const Magnitude<T>*);
  void (*gather)(const Gather<T>*);
  void (*displace)(const Displace<T>*);
  void (*sample)(const Sample<T>*);
};

struct KernelTable {
  const char* name;
  Kernels<float> f32;
  Kernels<double> f64;
  void (*philox)(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
  // Draws first .. first+n of a stream, 64 bits each: words 2(t mod 2) (high) and 2(t mod 2) + 1 of block t / 2, row 0.
  void (*draws)(uint64_t seed, uint32_t stream, uint32_t counter, int64_t first, int64_t n, uint64_t* out);
  void (*uniform)(const Random*);
  void (*normal)(const Random*);
  int64_t (*fma_chains)(int64_t rounds, float* sink);  // measures the fma peak: see peak.h
};

// One pair per instruction set, each in its own file of isa/. Every slot is filled from generic first, then overridden.
void fill_maps_generic(KernelTable*);
void fill_products_generic(KernelTable*);
void fill_maps_avx2(KernelTable*);
void fill_products_avx2(KernelTable*);
void fill_maps_avx512(KernelTable*);
void fill_products_avx512(KernelTable*);

}  // namespace fastbp
