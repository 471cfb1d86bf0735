// Gathering rows of an array of any element type and layout into contiguous rows, one rounding per element.
#pragma once

#include "kernels/simd.h"
#include "kernels/table.h"

namespace fastbp {
namespace {

// An element's type in memory, and its value as a number that converts to float32 and float64 with one rounding.
template <class Stored>
struct Plain {
  typedef Stored stored;
  FASTBP_INLINE Stored value(Stored x) { return x; }
};

struct Boolean {
  typedef uint8_t stored;
  FASTBP_INLINE int32_t value(uint8_t x) { return x != 0; }
};

// IEEE binary16. Its bits, shifted up 13 places, read as a float32 are the number times 2^-112, subnormals included.
struct Half {
  typedef uint16_t stored;
  FASTBP_INLINE float value(uint16_t x) {
    const uint32_t magnitude = (uint32_t)(x & 0x7fff) << 13;
    float number;
    __builtin_memcpy(&number, &magnitude, 4);
    number *= 0x1p112f;
    uint32_t bits;
    __builtin_memcpy(&bits, &number, 4);
    bits = (x & 0x7c00) == 0x7c00 ? magnitude | 0x7f800000u : bits;
    bits |= (uint32_t)(x & 0x8000) << 16;
    __builtin_memcpy(&number, &bits, 4);
    return number;
  }
};

// A 64-bit integer to convert to float32. Where clang vectorises that conversion on aarch64, it converts to float64
// first and so rounds twice (LLVM bug 86711). Here the float64 is exact, because integers beyond 2^53 are first rounded
// to odd at 2^11.
template <class Stored>
struct Long {
  typedef Stored stored;
  static constexpr Stored most = (Stored)1 << 53, least = (Stored)-1 < (Stored)1 ? (Stored)-most : 0;
  FASTBP_INLINE double value(Stored x) {
    const Stored odd = (x & 0x7ff) != 0 ? (x | 0x800) & ~(Stored)0x7ff : x;
    return (double)(x > least && x < most ? x : odd);
  }
};

template <class T, class Source>
void gather_elements(const Gather<T>& call) {
  using Stored = typename Source::stored;
  const int64_t cols = call.cols, stride = call.col_bytes;
  for (int64_t r = 0; r < call.rows; ++r) {
    const char* from = call.source + (call.index ? call.index[r] : call.first + r) * call.row_bytes;
    T* out = call.out + r * call.out_row;
    Stored x;
    if (stride == (int64_t)sizeof(Stored)) {
      for (int64_t c = 0; c < cols; ++c) {
        __builtin_memcpy(&x, from + c * (int64_t)sizeof(Stored), sizeof x);
        out[c] = (T)Source::value(x);
      }
    } else {
      for (int64_t c = 0; c < cols; ++c) {
        __builtin_memcpy(&x, from + c * stride, sizeof x);
        out[c] = (T)Source::value(x);
      }
    }
  }
}

template <class T, class Stored>
void gather_long(const Gather<T>& call) {
  if constexpr (sizeof(T) == 4) {
    gather_elements<T, Long<Stored>>(call);
  } else {
    gather_elements<T, Plain<Stored>>(call);
  }
}

// For rows that need no conversion. The last piece of a row overlaps the one before it.
template <int piece>
FASTBP_INLINE void copy_row(const char* from, char* to, int64_t bytes) {
  int64_t at = 0;
  for (; at + piece <= bytes; at += piece) __builtin_memcpy(to + at, from + at, piece);
  if (at < bytes) __builtin_memcpy(to + bytes - piece, from + bytes - piece, piece);
}

template <class T, int piece>
void copy_rows(const Gather<T>& call) {
  const int64_t bytes = call.cols * (int64_t)sizeof(T), row_bytes = call.row_bytes;
  const int64_t out_bytes = call.out_row * (int64_t)sizeof(T);
  char* out = (char*)call.out;
  for (int64_t r = 0; r < call.rows; ++r, out += out_bytes) {
    copy_row<piece>(call.source + (call.index ? call.index[r] : call.first + r) * row_bytes, out, bytes);
  }
}

template <class T>
void gather_same(const Gather<T>& call) {
  const int64_t bytes = call.cols * (int64_t)sizeof(T);
  if (call.col_bytes != (int64_t)sizeof(T) && call.cols > 1) return gather_elements<T, Plain<T>>(call);
  if (bytes >= FASTBP_VECTOR_BYTES) return copy_rows<T, FASTBP_VECTOR_BYTES>(call);
  if (bytes >= 16) return copy_rows<T, 16>(call);
  if (bytes >= 8) return copy_rows<T, 8>(call);
  if (bytes >= 4) return copy_rows<T, 4>(call);
}

FASTBP_INLINE int64_t bytes_of(Element element) {
  switch (element) {
    case Element::f64:
    case Element::i64:
    case Element::u64: return 8;
    case Element::f32:
    case Element::i32:
    case Element::u32: return 4;
    case Element::f16:
    case Element::i16:
    case Element::u16: return 2;
    case Element::i8:
    case Element::u8:
    case Element::boolean: return 1;
  }
  return 1;
}

template <class T>
void gather(const Gather<T>* call);

// Swaps the bytes of a piece of a row, then gathers the piece as if it had come that way. Rare, and never hot.
template <class T>
void gather_swapped(const Gather<T>& call) {
  const int64_t bytes = bytes_of(call.element), most = 64;
  unsigned char turned[64 * 8];
  Gather<T> piece = call;
  piece.swap = false;
  piece.rows = 1;
  piece.source = (const char*)turned;
  piece.col_bytes = bytes;
  piece.index = nullptr;
  piece.first = 0;
  for (int64_t r = 0; r < call.rows; ++r) {
    const char* from = call.source + (call.index ? call.index[r] : call.first + r) * call.row_bytes;
    for (int64_t c = 0; c < call.cols; c += most) {
      piece.cols = call.cols - c < most ? call.cols - c : most;
      piece.out = call.out + r * call.out_row + c;
      for (int64_t i = 0; i < piece.cols; ++i)
        for (int64_t b = 0; b < bytes; ++b)
          turned[i * bytes + b] = (unsigned char)from[(c + i) * call.col_bytes + bytes - 1 - b];
      gather(&piece);
    }
  }
}

template <class T>
void gather(const Gather<T>* call) {
  if (call->swap) return gather_swapped(*call);
  if (call->element == (sizeof(T) == 4 ? Element::f32 : Element::f64)) return gather_same(*call);
  switch (call->element) {
    case Element::f32: return gather_elements<T, Plain<float>>(*call);
    case Element::f64: return gather_elements<T, Plain<double>>(*call);
    case Element::f16: return gather_elements<T, Half>(*call);
    case Element::i8: return gather_elements<T, Plain<int8_t>>(*call);
    case Element::u8: return gather_elements<T, Plain<uint8_t>>(*call);
    case Element::i16: return gather_elements<T, Plain<int16_t>>(*call);
    case Element::u16: return gather_elements<T, Plain<uint16_t>>(*call);
    case Element::i32: return gather_elements<T, Plain<int32_t>>(*call);
    case Element::u32: return gather_elements<T, Plain<uint32_t>>(*call);
    case Element::i64: return gather_long<T, int64_t>(*call);
    case Element::u64: return gather_long<T, uint64_t>(*call);
    case Element::boolean: return gather_elements<T, Boolean>(*call);
  }
}

}  // namespace
}  // namespace fastbp
