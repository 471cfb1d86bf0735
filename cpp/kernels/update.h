// The optimisers' updates (rule 10) and checks for finite values.
#pragma once

#include "kernels/fma.h"
#include "kernels/lanes.h"

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

// One functor per rule: the weight after the step, from the gradient g, the weight w (decayed already), the states s,
// which it changes, and the scalars c.
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

}  // namespace update_rule

// Computes the update of every weight, writes it if `write`, and returns whether all of it is within +-limit.
// Decay first: w = fma(-c, w, w), skipped when c is 0.
template <class T, class Rule, int states, int scalars, bool write>
FASTBP_INLINE int updated(const Update<T>& call, T limit) {
  const V<T> minus_decay = splat<T>(-call.decay), most = splat<T>(limit);
  V<T> c[scalars];
  for (int i = 0; i < scalars; ++i) c[i] = splat<T>(call.scalar[i]);
  M<T> within = V<T>{} == V<T>{};
  for (int64_t row = 0; row < call.rows; ++row) {
    const T* gradient = call.gradient + row * call.gradient_row;
    const int64_t first = row * call.row;
    for (int64_t col = 0; col < call.cols; col += Vector<T>::lanes) {
      const int64_t left = call.cols - col, i = first + col;
      V<T> s[states + 1];  // one more: no array has length 0
      for (int k = 0; k < states; ++k) s[k] = load_part<T>(call.state[k] + i, left);
      V<T> w = load_part<T>(call.weight + i, left);
      if (call.decay != 0) w = fma_of(minus_decay, w, w);
      w = Rule::of(c, load_part<T>(gradient + col, left), w, s);
      M<T> good = magnitude<T>(w) <= most;
      if (write) store_part<T>(call.weight + i, w, left);
      for (int k = 0; k < states; ++k) {
        good &= magnitude<T>(s[k]) <= most;
        if (write) store_part<T>(call.state[k] + i, s[k], left);
      }
      within &= good | ~first_lanes<T>(left);
    }
  }
  return all<T>(within);
}

template <class T, class Rule, int states, int scalars>
int update(const Update<T>* call) {
  return updated<T, Rule, states, scalars, true>(*call, (T)1152921504606846976.0);  // 2^60
}

template <class T, class Rule, int states, int scalars>
int update_is_finite(const Update<T>* call) {
  return updated<T, Rule, states, scalars, false>(*call, sizeof(T) == 4 ? (T)__FLT_MAX__ : (T)__DBL_MAX__);
}

template <class T>
int within(const T* x, int64_t n, T limit) {
  const V<T> most = splat<T>(limit);
  M<T> good = V<T>{} == V<T>{};
  for (int64_t i = 0; i < n; i += Vector<T>::lanes) {
    good &= (magnitude<T>(load_part<T>(x + i, n - i)) <= most) | ~first_lanes<T>(n - i);
  }
  return all<T>(good);
}

}  // namespace
}  // namespace fastbp
