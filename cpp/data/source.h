// Data as the user passed them: any element type, any strides. A plan reads the rows in place or gathers them.
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
  bool swap = false;  // the byte order is not this machine's
  Index rows = 0;
  Index row_bytes = 0;
  std::vector<Index> sizes, strides;  // of a row's features; strides in bytes, adjacent axes merged where possible
  Index width = 1;
  bool plain_rows = false;  // float32 or float64 in this machine's order, aligned, each row contiguous

  // Whether the rows have elements of type T and each row is contiguous.
  template <class T>
  bool has_plain_rows() const {
    return plain_rows && element == (sizeof(T) == 4 ? Element::f32 : Element::f64);
  }

  // Whether, in addition, the rows follow one another directly: readable in place.
  template <class T>
  bool is_plain() const {
    return has_plain_rows<T>() && row_bytes == width * static_cast<Index>(sizeof(T));
  }
};

// Merges axes that one stride can walk, drops axes of size 1, sets width and plain_rows.
void simplify(Source& source);

// Copies rows begin .. end of a batch to out, which points to the batch's first row and has width elements per row. Row
// i of the batch is source[index[i]], or source[first + i] if index is null. Rounds once.
template <class T>
void gather_rows(const Kernels<T>& kernels, const Source& source, const Index* index, Index first, Index begin,
                 Index end, T* out);

extern template void gather_rows<float>(const Kernels<float>&, const Source&, const Index*, Index, Index, Index,
                                        float*);
extern template void gather_rows<double>(const Kernels<double>&, const Source&, const Index*, Index, Index, Index,
                                         double*);

}  // namespace fastbp
