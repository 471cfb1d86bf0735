// Data as they came: any element type, any strides. Rows are gathered (or read in place) into a plan's inputs.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"
#include "kernels/table.h"

namespace fastbp {

struct Source {
  std::string name;
  const char* data = nullptr;
  Element element = Element::f32;
  bool swap = false;  // the bytes lie in the other order than this machine's
  Index rows = 0;
  Index row_bytes = 0;
  std::vector<Index> sizes, strides;  // of a row's features; strides in bytes, adjacent axes merged where possible
  Index width = 1;
  bool plain_rows = false;  // float32 or float64 in this machine's order, aligned, each row contiguous

  // Rows of T, each contiguous.
  template <class T>
  bool has_plain_rows() const {
    return plain_rows && element == (sizeof(T) == 4 ? Element::f32 : Element::f64);
  }

  // And one directly after the other: readable in place.
  template <class T>
  bool is_plain() const {
    return has_plain_rows<T>() && row_bytes == width * static_cast<Index>(sizeof(T));
  }
};

// Merges axes that one stride can walk, drops axes of size 1, sets width and plain_rows.
void simplify(Source& source);

// Rows begin .. end of a batch whose rows are source[index[i]], or source[first + i] where index is null, to out
// (width elements a row; out is the batch's first row). Rounds once.
template <class T>
void gather_rows(const Kernels<T>& kernels, const Source& source, const Index* index, Index first, Index begin,
                 Index end, T* out);

extern template void gather_rows<float>(const Kernels<float>&, const Source&, const Index*, Index, Index, Index,
                                        float*);
extern template void gather_rows<double>(const Kernels<double>&, const Source&, const Index*, Index, Index, Index,
                                         double*);

}  // namespace fastbp
