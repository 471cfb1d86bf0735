// The SGD update (rule 10) and checks for finite values.
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

// Computes the update of every weight, writes it if `write`, and returns whether all of it is within +-limit.
//   w = fma(-c, w, w)                                       decay, skipped when c is 0
//   momentum 0:  w = fma(-eta, g, w)
//   momentum mu: v = fma(-eta, g, mu*v);  w = w + v
//   Nesterov:    v = fma(-eta, g, mu*v);  w = w + fma(-eta, g, mu*v)
template <class T, bool write>
FASTBP_INLINE int sgd_update(const Sgd<T>& call, T limit) {
  const V<T> minus_rate = splat<T>(-call.learning_rate), minus_decay = splat<T>(-call.decay);
  const V<T> momentum = splat<T>(call.momentum), most = splat<T>(limit);
  M<T> within = V<T>{} == V<T>{};
  for (int64_t i = 0; i < call.n; i += Vector<T>::lanes) {
    const int64_t left = call.n - i;
    const V<T> g = load_part<T>(call.gradient + i, left);
    V<T> w = load_part<T>(call.weight + i, left);
    M<T> good = within;
    if (call.decay != 0) w = fma_of(minus_decay, w, w);
    if (call.velocity) {
      const V<T> v = fma_of(minus_rate, g, momentum * load_part<T>(call.velocity + i, left));
      w = w + (call.nesterov ? fma_of(minus_rate, g, momentum * v) : v);
      good &= magnitude<T>(v) <= most;
      if (write) store_part<T>(call.velocity + i, v, left);
    } else {
      w = fma_of(minus_rate, g, w);
    }
    good &= magnitude<T>(w) <= most;
    if (write) store_part<T>(call.weight + i, w, left);
    within &= good | ~first_lanes<T>(left);
  }
  return all<T>(within);
}

template <class T>
int sgd(const Sgd<T>* call) {
  return sgd_update<T, true>(*call, (T)1152921504606846976.0);  // 2^60
}

template <class T>
int sgd_is_finite(const Sgd<T>* call) {
  return sgd_update<T, false>(*call, sizeof(T) == 4 ? (T)__FLT_MAX__ : (T)__DBL_MAX__);
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
