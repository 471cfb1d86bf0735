// Elementwise operations with broadcasting: the map[...] part of the table.
//
// One functor per operation of operations.h, with its name; map_kernel loops over rows and columns around it.
#pragma once

#include "kernels/fma.h"
#include "kernels/functions.h"
#include "kernels/lanes.h"

namespace fastbp {
namespace {

namespace operation {

// Costly: one loop for whole and partial vectors, contiguous or broadcast. OfSum: also a loop down narrow columns,
// because a bias is the same for all rows. Cheap: also an unrolled loop for whole vectors. Guarded: that loop computes
// `quick`, which is right wherever it gives no NaN.
struct Costly {
  static constexpr bool unrolled = false;
  static constexpr bool guarded = false;
  static constexpr bool down_columns = false;
  static constexpr bool reads_second = true;
};
struct OfSum : Costly {
  static constexpr bool down_columns = true;
};
struct Cheap : OfSum {
  static constexpr bool unrolled = true;
};

template <class T>
FASTBP_INLINE V<T> one() {
  return splat<T>(1);
}
template <class T>
FASTBP_INLINE V<T> absolute_of(V<T> x) {
  using Bits = typename Vector<T>::bits;
  constexpr typename Vector<T>::word sign = (typename Vector<T>::word)1 << (8 * sizeof(T) - 1);
  return (V<T>)((Bits)x & ~(sign + Bits{}));
}
template <class T>
FASTBP_INLINE V<T> relu_of(V<T> x) {
  return select(V<T>{} > x, V<T>{}, x);
}

template <class T>
struct negative : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return -x; }
};
template <class T>
struct absolute : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return absolute_of<T>(x); }
};
template <class T>
struct sign : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) {
    const V<T> zero_or_nan = select(x == V<T>{}, V<T>{}, x);
    return select(x > V<T>{}, one<T>(), select(x < V<T>{}, -one<T>(), zero_or_nan));
  }
};
template <class T>
struct square : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return x * x; }
};
template <class T>
struct sqrt : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return sqrt_of(x); }
};
template <class T>
struct exp : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return exp_of(x); }
};
template <class T>
struct expm1 : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return expm1_of(x); }
};
template <class T>
struct log : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return log_of(x); }
};
template <class T>
struct log1p : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return log1p_of(x); }
};
template <class T>
struct sin : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return sin_of(x); }
};
template <class T>
struct cos : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return cos_of(x); }
};
template <class T>
struct tanh : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return tanh_of(x); }
};
template <class T>
struct sigmoid : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return sigmoid_of(x); }
};
template <class T>
struct softplus : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return softplus_of(x); }
};
template <class T>
struct erf : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return erf_of(x); }
};
template <class T>
struct relu : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return relu_of<T>(x); }
};

// Left-to-right binary powering of |n|: square, then multiply by x where the bit is 1; negative n: 1 / that.
template <class T>
struct power_integer : Costly {
  FASTBP_INLINE V<T> of(const Map<T>& call, V<T> x) {
    const uint64_t n = call.integer < 0 ? 0 - (uint64_t)call.integer : (uint64_t)call.integer;
    if (n == 0) return one<T>();
    V<T> power = x;
    for (int bit = 62 - __builtin_clzll(n); bit >= 0; --bit) {
      power = power * power;
      if (n >> bit & 1) power = power * x;
    }
    return call.integer < 0 ? one<T>() / power : power;
  }
};
template <class T>
struct divide_by_count : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>& call, V<T> x) { return x / splat<T>(call.scalar[0]); }
};
template <class T>
struct copy : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> x) { return x; }
};

template <class T>
struct add : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return a + b; }
};
template <class T>
struct subtract : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return a - b; }
};
template <class T>
struct multiply : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return a * b; }
};
template <class T>
struct divide : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return a / b; }
};
template <class T>
struct product_or_zero : Cheap {
  // fma(a, b, +0) is a * b with +0 for ±0 if a factor is 0: a product that underflows is not exactly 0 and keeps its
  // sign. It is NaN, and `of` decides, for 0 * Inf and with a NaN.
  static constexpr bool guarded = kFindsNan;
  FASTBP_INLINE V<T> quick(V<T> a, V<T> b) { return fma_of(a, b, V<T>{}); }
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return select((a != V<T>{}) & (b != V<T>{}), a * b, V<T>{}); }
};
template <class T>
struct quotient_or_zero : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return select(a == V<T>{}, V<T>{}, a / b); }
};
template <class T>
struct power : Costly {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return pow_of(a, b); }
};
template <class T>
struct maximum : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return maximum_of<T>(a, b); }
};
template <class T>
struct minimum : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return minimum_of<T>(a, b); }
};
// What a comparison gives where it is not true: 0, or NaN where an operand is NaN.
template <class T>
FASTBP_INLINE V<T> zero_or_nan(V<T> a, V<T> b) {
  return select((a != a) | (b != b), a + b, V<T>{});
}
template <class T>
struct equal : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return select(a == b, one<T>(), zero_or_nan<T>(a, b)); }
};
template <class T>
struct greater : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return select(a > b, one<T>(), zero_or_nan<T>(a, b)); }
};

template <class T>
struct where_positive : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> c, V<T> a, V<T> b) { return select(c > V<T>{}, a, b); }
};
template <class T>
FASTBP_INLINE V<T> gate(const Map<T>& call, M<T> first_is_chosen, V<T> g) {
  return call.integer == 0 ? select(first_is_chosen, g, V<T>{}) : select(first_is_chosen, V<T>{}, g);
}
template <class T>
struct maximum_gate : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>& call, V<T> a, V<T> b, V<T> g) { return gate<T>(call, (a >= b) | (a != a), g); }
};
template <class T>
struct minimum_gate : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>& call, V<T> a, V<T> b, V<T> g) { return gate<T>(call, (a <= b) | (a != a), g); }
};
// (relu(z) - z*y) + log1p(exp(-|z|)), rule 7. If z is infinite, the first term is its limit.
template <class T>
struct sigmoid_cross_entropy : Costly {
  static constexpr bool reads_second = false;
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> z, V<T>, V<T> y) {
    const V<T> size = absolute_of<T>(z);
    const V<T> share = select(z > V<T>{}, splat<T>(1) - y, y);  // of an infinite z
    const V<T> at_infinity = select(share == V<T>{}, V<T>{}, share * size);
    const V<T> linear = select(size == splat<T>((T)__builtin_inf()), at_infinity, relu_of<T>(z) - z * y);
    return linear + log1p_of(exp_of(-size));
  }
};

// ---- several operations as one ----

template <class T>
struct relu_of_sum : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return relu_of<T>(a + b); }
};
template <class T>
struct tanh_of_sum : OfSum {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return tanh_of(a + b); }
};
template <class T>
struct sigmoid_of_sum : OfSum {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> a, V<T> b) { return sigmoid_of(a + b); }
};
template <class T>
struct tanh_gradient : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> y, V<T> g) { return g * (one<T>() - y * y); }
};
template <class T>
struct sigmoid_gradient : Cheap {
  FASTBP_INLINE V<T> of(const Map<T>&, V<T> y, V<T> g) { return g * (y * (one<T>() - y)); }
};

}  // namespace operation

// Which operands are numbers that are broadcast along the row. `any`: a loop asks for each of them.
enum class Broadcast { none, first, second, any };

template <class T, class Op, int operands>
struct MapRow {
  const T* in[3];
  V<T> number[3];  // of operands that are broadcast along the row

  FASTBP_INLINE bool reads(int i) { return i < operands && (i != 1 || Op::reads_second); }

  inline __attribute__((always_inline)) MapRow(const Map<T>& call, int64_t row) : in{}, number{} {
    for (int i = 0; i < operands; ++i) {
      if (!reads(i)) continue;
      in[i] = call.in[i] + row * call.row_stride[i];
      if (call.col_stride[i] == 0) number[i] = splat<T>(in[i][0]);
    }
  }

  template <Broadcast broadcast>
  FASTBP_INLINE bool is_number(const Map<T>& call, int i) {
    if (broadcast == Broadcast::any) return call.col_stride[i] == 0;
    return (broadcast == Broadcast::first && i == 0) || (broadcast == Broadcast::second && i == 1);
  }

  // Operand i at column c, with `count` columns left.
  template <Broadcast broadcast>
  inline __attribute__((always_inline)) V<T> operand(const Map<T>& call, int i, int64_t c, int64_t count) const {
    if (!reads(i)) return V<T>{};
    if (is_number<broadcast>(call, i)) return number[i];
    return load_part<T>(in[i] + c, count);
  }

  template <Broadcast broadcast>
  inline __attribute__((always_inline)) V<T> result(const Map<T>& call, int64_t c, int64_t count) const {
    const V<T> a = operand<broadcast>(call, 0, c, count);
    if constexpr (operands == 1) {
      return Op::of(call, a);
    } else if constexpr (operands == 2) {
      return Op::of(call, a, operand<broadcast>(call, 1, c, count));
    } else {
      return Op::of(call, a, operand<broadcast>(call, 1, c, count), operand<broadcast>(call, 2, c, count));
    }
  }

  // The results of four whole vectors from column c on.
  template <Broadcast broadcast>
  inline __attribute__((always_inline)) void four_results(const Map<T>& call, int64_t c, V<T>* results) const {
    constexpr int lanes = Vector<T>::lanes;
    if constexpr (Op::guarded) {
      for (int j = 0; j < 4; ++j) {
        const int64_t at = c + j * lanes;
        results[j] = Op::quick(operand<broadcast>(call, 0, at, lanes), operand<broadcast>(call, 1, at, lanes));
      }
      if (__builtin_expect(!any_nan(results[0], results[1], results[2], results[3]), 1)) return;
    }
    for (int j = 0; j < 4; ++j) results[j] = result<broadcast>(call, c + j * lanes, lanes);
  }
};

// first and second only for two operands, which are the ones with loops of their own.
template <class T>
FASTBP_INLINE Broadcast broadcast_of(const Map<T>& call, int operands) {
  bool contiguous = true;
  for (int i = 0; i < operands; ++i) contiguous &= call.col_stride[i] == 1;
  if (contiguous) return Broadcast::none;
  if (operands != 2 || call.col_stride[0] == call.col_stride[1]) return Broadcast::any;
  return call.col_stride[0] == 0 ? Broadcast::first : Broadcast::second;
}

// Loops down the columns of rows of few vectors (mostly to add a bias): a loop along each row would cost more than the
// operation itself.
template <class T, class Op, int operands>
FASTBP_INLINE void map_columns(const Map<T>& call) {
  constexpr int lanes = Vector<T>::lanes;
  constexpr bool reads[3] = {true, operands > 1 && Op::reads_second, operands > 2};
  for (int64_t c = 0; c < call.cols; c += lanes) {
    const int64_t left = call.cols - c;
    const T* in[3] = {};
    for (int i = 0; i < operands; ++i) in[i] = call.in[i] + c;
    T* out = call.out + c;
    for (int64_t r = 0; r < call.rows; ++r, out += call.out_row) {
      V<T> x[3] = {};
      for (int i = 0; i < 3; ++i) {
        if (!reads[i]) continue;
        x[i] = load_part<T>(in[i], left);
        in[i] += call.row_stride[i];
      }
      V<T> result;
      if constexpr (operands == 1) {
        result = Op::of(call, x[0]);
      } else if constexpr (operands == 2) {
        result = Op::of(call, x[0], x[1]);
      } else {
        result = Op::of(call, x[0], x[1], x[2]);
      }
      store_part<T>(out, result, left);
    }
  }
}

// Loops along the rows.
template <Broadcast broadcast, class T, class Op, int operands>
FASTBP_INLINE void map_rows(const Map<T>& call) {
  constexpr int lanes = Vector<T>::lanes;
  for (int64_t r = 0; r < call.rows; ++r) {
    const MapRow<T, Op, operands> row(call, r);
    T* out = call.out + r * call.out_row;
    int64_t c = 0;
    if (Op::unrolled && broadcast != Broadcast::any) {
      for (; c + 4 * lanes <= call.cols; c += 4 * lanes) {
        V<T> results[4];
        row.template four_results<broadcast>(call, c, results);
        FASTBP_UNROLL
        for (int j = 0; j < 4; ++j) {
          store<T>(out + c + j * lanes, results[j]);
          __atomic_signal_fence(__ATOMIC_SEQ_CST);  // GCC would write them in another order, which is slower
        }
      }
    }
    for (; c < call.cols; c += lanes) {
      const int64_t left = call.cols - c;
      store_part<T>(out + c, row.template result<broadcast>(call, c, left), left);
    }
  }
}

template <class T, class Op, int operands>
void map_kernel(const Map<T>* caller) {
  constexpr int lanes = Vector<T>::lanes;
  if (caller->rows == 1 && caller->cols <= lanes) {
    const int64_t cols = caller->cols;
    if (cols <= 0) return;
    const MapRow<T, Op, operands> row(*caller, 0);
    return store_part<T>(caller->out, row.template result<Broadcast::any>(*caller, 0, cols), cols);
  }
  const Map<T> call = *caller;  // a copy, which no store below can change
  if (call.cols <= 0) return;
  const Broadcast broadcast = broadcast_of(call, operands);
  if (Op::down_columns && broadcast == Broadcast::none && call.rows > 1 && call.cols <= 4 * lanes)
    return map_columns<T, Op, operands>(call);
  if constexpr (Op::unrolled) {
    if (broadcast == Broadcast::none) return map_rows<Broadcast::none, T, Op, operands>(call);
    if constexpr (operands == 2) {
      if (broadcast == Broadcast::first) return map_rows<Broadcast::first, T, Op, operands>(call);
      if (broadcast == Broadcast::second) return map_rows<Broadcast::second, T, Op, operands>(call);
    }
  }
  map_rows<Broadcast::any, T, Op, operands>(call);
}

}  // namespace
}  // namespace fastbp
