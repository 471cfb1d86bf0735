// The optimisers' updates (rule 10) and checks for finite values.
#pragma once

#include "kernels/fma.h"
#include "kernels/lanes.h"
#include "kernels/map.h"

namespace fastbp {
namespace {

template <class T>
FASTBP_INLINE V<T> magnitude(V<T> x) {
  using Bits = typename Vector<T>::bits;
  return (V<T>)((Bits)x & (((typename Vector<T>::word) - 1 >> 1) + Bits{}));
}

// Whether no lane of `mask` is zero.
template <class T>
FASTBP_INLINE bool all(M<T> mask) {
  int64_t words[sizeof mask / 8];
  __builtin_memcpy(words, &mask, sizeof mask);
  int64_t both = -1;
  for (int64_t word : words) both &= word;
  return both == -1;
}

// One functor per rule: it returns the weight after the step, from the gradient g, the weight w (decayed already), the
// states s, which it changes, and the scalars c.
namespace update_rule {

// c: eta
template <class T>
struct sgd {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>*) { return fma_of(-c[0], g, w); }
};

// s: velocity; c: eta, mu
template <class T>
struct momentum {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>* s) {
    s[0] = fma_of(-c[0], g, c[1] * s[0]);
    return w + s[0];
  }
};
template <class T>
struct nesterov {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>* s) {
    s[0] = fma_of(-c[0], g, c[1] * s[0]);
    return w + fma_of(-c[0], g, c[1] * s[0]);
  }
};

// s: sum of squares; c: eta, epsilon
template <class T>
struct adagrad {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>* s) {
    s[0] = fma_of(g, g, s[0]);
    return fma_of(-c[0], g / sqrt_of(s[0] + c[1]), w);
  }
};

// s: velocity (mean square), average_gradient if centered, momentum if any; c: eta, epsilon, rho, 1-rho, mu
template <class T, bool is_centered, bool has_momentum>
struct rmsprop_of {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>* s) {
    s[0] = fma_of(c[3], g * g, c[2] * s[0]);
    V<T> variance = s[0];
    if constexpr (is_centered) {
      s[1] = fma_of(c[3], g, c[2] * s[1]);
      variance = maximum_of<T>(fma_of(-s[1], s[1], s[0]), V<T>{});
    }
    const V<T> step = g / sqrt_of(variance + c[1]);
    if constexpr (has_momentum) {
      V<T>& momentum = s[is_centered ? 2 : 1];
      momentum = fma_of(c[0], step, c[4] * momentum);
      return w - momentum;
    } else {
      return fma_of(-c[0], step, w);
    }
  }
};
template <class T>
struct rmsprop : rmsprop_of<T, false, false> {};
template <class T>
struct rmsprop_momentum : rmsprop_of<T, false, true> {};
template <class T>
struct rmsprop_centered : rmsprop_of<T, true, false> {};
template <class T>
struct rmsprop_centered_momentum : rmsprop_of<T, true, true> {};

// s: momentum, velocity; c: alpha, epsilon, 1-beta_1, 1-beta_2
template <class T>
FASTBP_INLINE void move_moments(V<T> g, V<T> minus_beta_1, V<T> minus_beta_2, V<T>* s) {
  s[0] = fma_of(minus_beta_1, g - s[0], s[0]);
  s[1] = fma_of(minus_beta_2, fma_of(g, g, -s[1]), s[1]);
}
template <class T>
struct adam {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>* s) {
    move_moments<T>(g, c[2], c[3], s);
    return fma_of(-c[0], s[0] / (sqrt_of(s[1]) + c[1]), w);
  }
};
// s: also the largest velocity so far
template <class T>
struct amsgrad {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>* s) {
    move_moments<T>(g, c[2], c[3], s);
    s[2] = maximum_of<T>(s[2], s[1]);
    return fma_of(-c[0], s[0] / (sqrt_of(s[2]) + c[1]), w);
  }
};
// s: momentum, velocity; c: eta's part for the momentum, for the gradient, epsilon, 1-beta_1, 1-beta_2, 1/(1-beta_2^t)
template <class T>
struct nadam {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>* s) {
    move_moments<T>(g, c[3], c[4], s);
    return w - fma_of(c[0], s[0], c[1] * g) / (sqrt_of(c[5] * s[1]) + c[2]);
  }
};

// s: momentum; c: eta, beta_1, 1-beta_1, beta_2, 1-beta_2
template <class T>
struct lion {
  FASTBP_INLINE V<T> of(const V<T>* c, V<T> g, V<T> w, V<T>* s) {
    const V<T> direction = operation::sign<T>::of(Map<T>(), fma_of(c[2], g, c[1] * s[0]));
    s[0] = fma_of(c[4], g, c[3] * s[0]);
    return fma_of(-c[0], direction, w);
  }
};

}  // namespace update_rule

// The largest magnitude that counts as small in `update`, 2^60, and as finite in update_is_finite.
template <class T>
FASTBP_INLINE T small_limit() {
  return (T)1152921504606846976.0;
}
template <class T>
FASTBP_INLINE T finite_limit() {
  return sizeof(T) == 4 ? (T)__FLT_MAX__ : (T)__DBL_MAX__;
}

// The gradient that the rule takes: accumulated, clipped and scaled. i: the element.
template <class T, bool write>
FASTBP_INLINE V<T> prepared(const Update<T>& call, V<T> g, int64_t i, int64_t left) {
  if (call.accumulated) {
    g = (load_part<T>(call.accumulated + i, left) + g) / splat<T>(call.count);
    if (write) store_part<T>(call.accumulated + i, V<T>{}, left);
  }
  g = minimum_of<T>(maximum_of<T>(g, splat<T>(-call.limit)), splat<T>(call.limit));
  return g * splat<T>(call.scale);
}

// The larger magnitude in each lane, as integers: the bits of magnitudes are ordered like the numbers, with NaN above
// all. This takes fewer instructions than comparing each number with a limit.
template <class T>
FASTBP_INLINE M<T> larger(M<T> largest, V<T> x) {
  const M<T> bits = (M<T>)magnitude<T>(x);
  return bits > largest ? bits : largest;
}

// Whether all magnitudes that went into `largest` are at most `limit`.
template <class T>
FASTBP_INLINE int all_within(M<T> largest, T limit) {
  return all<T>((V<T>)largest <= splat<T>(limit));
}

// The scalars of an update, splat.
template <class T, int scalars>
struct UpdateScalars {
  V<T> c[scalars];
  V<T> minus_decay, shrink;
  bool decays, shrinks, more;
};

// Updates the vector of weights at i, of which `left` exist; writes it if `write`. Returns the largest magnitudes of
// the new values. plain: only the decay and the rule, no proximal step or anything else. The decay comes first: w =
// fma(-c, w, w), skipped when c is 0; the proximal step comes after the rule.
template <class T, class Rule, int states, int scalars, bool write, bool plain>
FASTBP_INLINE M<T> updated_vector(const Update<T>& call, const UpdateScalars<T, scalars>& with, const T* gradient,
                                  int64_t i, int64_t left) {
  V<T> g = load_part<T>(gradient, left);
  if (!plain && with.more) g = prepared<T, write>(call, g, i, left);
  V<T> s[states + 1];  // one more: no array has length 0
  for (int k = 0; k < states; ++k) s[k] = load_part<T>(call.state[k] + i, left);
  V<T> w = load_part<T>(call.weight + i, left);
  if (with.decays) w = fma_of(with.minus_decay, w, w);
  w = Rule::of(with.c, g, w, s);
  if (!plain && with.shrinks) w = w - minimum_of<T>(maximum_of<T>(w, -with.shrink), with.shrink);
  M<T> largest = larger<T>(M<T>{}, w);
  if (!plain && with.more && call.average) {
    const V<T> average = fma_of(splat<T>(call.take), w, splat<T>(call.keep) * load_part<T>(call.average + i, left));
    largest = larger<T>(largest, average);
    if (write) store_part<T>(call.average + i, average, left);
    if (call.overwrite) w = average;
  }
  if (write) store_part<T>(call.weight + i, w, left);
  for (int k = 0; k < states; ++k) {
    largest = larger<T>(largest, s[k]);
    if (write) store_part<T>(call.state[k] + i, s[k], left);
  }
  return largest;
}

// Computes the update of every weight, writes it if `write`, and returns whether all of it is within +-limit.
template <class T, class Rule, int states, int scalars, bool write>
FASTBP_INLINE int updated(const Update<T>& caller, T limit) {
  constexpr int lanes = Vector<T>::lanes;
  UpdateScalars<T, scalars> with;
  for (int i = 0; i < scalars; ++i) with.c[i] = splat<T>(caller.scalar[i]);
  with.minus_decay = splat<T>(-caller.decay);
  with.shrink = splat<T>(caller.shrink);
  with.decays = caller.decay != 0;
  with.shrinks = caller.shrink != 0;
  with.more = caller.more;
  const bool plain = !with.more && !with.shrinks;
  if (plain && caller.rows == 1 && caller.cols < lanes) {
    const M<T> bits =
        updated_vector<T, Rule, states, scalars, write, true>(caller, with, caller.gradient, 0, caller.cols);
    return all_within<T>(first_lanes<T>(caller.cols) & bits, limit);
  }
  const Update<T> call = caller;  // a copy, which no store below can change
  M<T> largest = {};
  for (int64_t row = 0; row < call.rows; ++row) {
    const T* gradient = call.gradient + row * call.gradient_row;
    const int64_t first = row * call.row;
    int64_t col = 0;
    for (; plain && col + lanes <= call.cols; col += lanes) {
      const M<T> bits =
          updated_vector<T, Rule, states, scalars, write, true>(call, with, gradient + col, first + col, lanes);
      largest = bits > largest ? bits : largest;
    }
    for (; col < call.cols; col += lanes) {
      const int64_t left = call.cols - col;
      const M<T> bits = first_lanes<T>(left) & updated_vector<T, Rule, states, scalars, write, false>(
                                                   call, with, gradient + col, first + col, left);
      largest = bits > largest ? bits : largest;
    }
  }
  return all_within<T>(largest, limit);
}

template <class T, class Rule, int states, int scalars>
int update(const Update<T>* call) {
  return updated<T, Rule, states, scalars, true>(*call, small_limit<T>());
}

template <class T, class Rule, int states, int scalars>
int update_is_finite(const Update<T>* call) {
  return updated<T, Rule, states, scalars, false>(*call, finite_limit<T>());
}

template <class T, bool write>
FASTBP_INLINE int accumulated(const Update<T>& call, T limit) {
  M<T> largest = {};
  for (int64_t row = 0; row < call.rows; ++row) {
    T* sum = call.accumulated + row * call.row;
    const T* gradient = call.gradient + row * call.gradient_row;
    for (int64_t col = 0; col < call.cols; col += Vector<T>::lanes) {
      const int64_t left = call.cols - col;
      const V<T> x = load_part<T>(sum + col, left) + load_part<T>(gradient + col, left);
      if (write) store_part<T>(sum + col, x, left);
      largest = larger<T>(largest, x);
    }
  }
  return all_within<T>(largest, limit);
}

template <class T>
int accumulate(const Update<T>* call) {
  return accumulated<T, true>(*call, small_limit<T>());
}

template <class T>
int accumulate_is_finite(const Update<T>* call) {
  return accumulated<T, false>(*call, finite_limit<T>());
}

// Adds the squares of a vector, of which `left` elements exist, to its lanes, which begin at `sums`; the others add +0.
template <class T>
FASTBP_INLINE void add_squares(const T* x, const T* accumulated, T count, int64_t left, F64* sums) {
  V<T> v = load_part<T>(x, left);
  if (accumulated) v = (load_part<T>(accumulated, left) + v) / splat<T>(count);
  if constexpr (sizeof(T) == 4) {
    const F64 low = widen_low(v), high = widen_high(v);
    sums[0] += low * low;
    sums[1] += high * high;
  } else {
    sums[0] += v * v;
  }
}

// Rule 3 in float64 over the squares.
template <class T>
double square_sum(const T* x, const T* accumulated, T count, int64_t n) {
  using L = Lanes<double, Sum<double>>;
  constexpr int lanes = Vector<T>::lanes, vectors = (int)kLanes / lanes, each = L::parts / vectors;
  L sums = L::started();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < vectors; ++j) {
      const int64_t at = i + j * lanes;
      add_squares<T>(x + at, accumulated ? accumulated + at : nullptr, count, lanes, sums.part + j * each);
    }
  }
  for (int j = 0; j < vectors && i < n; ++j, i += lanes) {
    add_squares<T>(x + i, accumulated ? accumulated + i : nullptr, count, n - i, sums.part + j * each);
  }
  return folded<double, Sum<double>>(sums);
}

template <class T>
int within(const T* x, int64_t n, T limit) {
  constexpr int lanes = Vector<T>::lanes;
  M<T> largest = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) largest = larger<T>(largest, load<T>(x + i));
  if (i < n) largest = larger<T>(largest, load_part<T>(x + i, n - i));
  return all_within<T>(largest, limit);
}

template <class T>
void magnitude_of(const Magnitude<T>* call) {
  constexpr int64_t lanes = Vector<T>::lanes;
  const bool one_run = call->in_row == call->cols;
  const int64_t rows = one_run ? 1 : call->rows, cols = one_run ? call->rows * call->cols : call->cols;
  M<T> most[4] = {};
  for (int64_t row = 0; row < rows; ++row) {
    const T* x = call->in + row * call->in_row;
    int64_t i = 0;
    for (; i + 4 * lanes <= cols; i += 4 * lanes) {
      for (int v = 0; v < 4; ++v) most[v] = larger<T>(most[v], load<T>(x + i + v * lanes));
    }
    for (; i < cols; i += lanes) most[0] = larger<T>(most[0], load_part<T>(x + i, cols - i));
  }
  for (int v = 1; v < 4; ++v) most[0] = most[v] > most[0] ? most[v] : most[0];
  decltype(+most[0][0]) largest;  // as integers, so that NaN is above all
  __builtin_memcpy(&largest, call->largest, sizeof largest);
  for (int l = 0; l < lanes; ++l) largest = most[0][l] > largest ? most[0][l] : largest;
  __builtin_memcpy(call->largest, &largest, sizeof largest);
}

}  // namespace
}  // namespace fastbp
