// Parts of vectors, and rule 3's 16 virtual lanes in as many vectors as they need.
#pragma once

#include "kernels/simd.h"
#include "kernels/table.h"

namespace fastbp {
namespace {

// 0, 1, 2, ... in the lanes.
#if FASTBP_VECTOR_BYTES == 64
constexpr I32 kLaneNumbers32 = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr I64 kLaneNumbers64 = {0, 1, 2, 3, 4, 5, 6, 7};
#elif FASTBP_VECTOR_BYTES == 32
constexpr I32 kLaneNumbers32 = {0, 1, 2, 3, 4, 5, 6, 7};
constexpr I64 kLaneNumbers64 = {0, 1, 2, 3};
#else
constexpr I32 kLaneNumbers32 = {0, 1, 2, 3};
constexpr I64 kLaneNumbers64 = {0, 1};
#endif

template <class T>
FASTBP_INLINE M<T> lane_numbers() {
  if constexpr (sizeof(T) == 4) {
    return kLaneNumbers32;
  } else {
    return kLaneNumbers64;
  }
}

// The mask of the first `count` lanes, any count >= 0.
template <class T>
FASTBP_INLINE M<T> first_lanes(int64_t count) {
  constexpr int lanes = Vector<T>::lanes;
  const int64_t limit = count < lanes ? count : lanes;
  if constexpr (sizeof(T) == 4) {
    return kLaneNumbers32 < (int32_t)limit - I32{};
  } else {
    return kLaneNumbers64 < limit - I64{};
  }
}

// A vector of which `count` >= 0 lanes exist: the others read as +0 and are not written. Whole vectors are faster.
template <class T>
FASTBP_INLINE V<T> load_part(const T* p, int64_t count) {
  return count >= Vector<T>::lanes ? load<T>(p) : load_first<T>(p, count);
}
template <class T>
FASTBP_INLINE void store_part(T* p, V<T> v, int64_t count) {
  if (count >= Vector<T>::lanes) {
    store<T>(p, v);
  } else {
    store_first<T>(p, v, count);
  }
}

// Lane l takes lane (l + shift) % lanes.
template <class T, int shift>
FASTBP_INLINE V<T> rotated(V<T> v) {
  constexpr int lanes = Vector<T>::lanes;
#if defined(__clang__)
  V<T> r = v;
  for (int l = 0; l < lanes; ++l) r[l] = v[(l + shift) % lanes];
  return r;
#else
  return __builtin_shuffle(v, (lane_numbers<T>() + shift) & (lanes - 1));
#endif
}

// The two ways to combine numbers, each with a start that changes nothing.
template <class T>
struct Sum {
  static constexpr T start = 0;
  FASTBP_INLINE V<T> of(V<T> a, V<T> b) { return a + b; }
};
template <class T>
FASTBP_INLINE V<T> maximum_of(V<T> a, V<T> b) {  // rule 5
  return select((a >= b) | (a != a), a, b);
}
template <class T>
FASTBP_INLINE V<T> minimum_of(V<T> a, V<T> b) {
  return select((a <= b) | (a != a), a, b);
}
template <class T>
struct Maximum {
  static constexpr T start = -__builtin_inf();
  FASTBP_INLINE V<T> of(V<T> a, V<T> b) { return maximum_of<T>(a, b); }
};

// Folds the lanes of one vector: l with l + half, then with half of that, down to lane 0.
template <class T, class Combine, int half>
FASTBP_INLINE T fold_vector(V<T> v) {
  v = Combine::of(v, rotated<T, half>(v));
  if constexpr (half > 1) {
    return fold_vector<T, Combine, half / 2>(v);
  } else {
    return v[0];
  }
}

// Rule 3's lanes: part[j] holds lanes j * Vector<T>::lanes and up.
template <class T, class Combine>
struct Lanes {
  static constexpr int size = Vector<T>::lanes;
  static constexpr int parts = (int)kLanes / size;
  V<T> part[parts];

  FASTBP_INLINE Lanes started() {
    Lanes lanes;
    for (int j = 0; j < parts; ++j) lanes.part[j] = splat<T>(Combine::start);
    return lanes;
  }
};

// fold: l += l+8, l+4, l+2, l+1, the lower lane on the left.
template <class T, class Combine>
FASTBP_INLINE T folded(Lanes<T, Combine>& lanes) {
  for (int half = lanes.parts / 2; half >= 1; half /= 2) {
    for (int j = 0; j < half; ++j) lanes.part[j] = Combine::of(lanes.part[j], lanes.part[j + half]);
  }
  return fold_vector<T, Combine, Lanes<T, Combine>::size / 2>(lanes.part[0]);
}

// The whole of rule 3 over n contiguous elements.
template <class T, class Combine>
FASTBP_INLINE T reduced(const T* x, int64_t n) {
  using L = Lanes<T, Combine>;
  L lanes = L::started();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < L::parts; ++j) lanes.part[j] = Combine::of(lanes.part[j], load<T>(x + i + j * L::size));
  }
  for (int j = 0; j < L::parts; ++j, i += L::size) {
    if (i >= n) break;
    const V<T> rest = select(first_lanes<T>(n - i), load_part<T>(x + i, n - i), splat<T>(Combine::start));
    lanes.part[j] = Combine::of(lanes.part[j], rest);
  }
  return folded<T, Combine>(lanes);
}

}  // namespace
}  // namespace fastbp
