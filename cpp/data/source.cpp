#include "data/source.h"

namespace fastbp {

void simplify(Source& source) {
  std::vector<Index>&sizes = source.sizes, &strides = source.strides;
  std::size_t kept = 0;
  source.width = 1;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    const Index size = sizes[axis], stride = strides[axis];
    source.width *= size;
    if (size == 1) continue;
    if (kept > 0 && strides[kept - 1] == stride * size) {
      sizes[kept - 1] *= size;
    } else {
      sizes[kept++] = size;
    }
    strides[kept - 1] = stride;
  }
  sizes.resize(kept);
  strides.resize(kept);

  const bool single = source.element == Element::f32;
  const Index bytes = single ? 4 : 8;
  const bool aligned = reinterpret_cast<std::uintptr_t>(source.data) % static_cast<std::uintptr_t>(bytes) == 0 &&
                       source.row_bytes % bytes == 0;
  const bool packed = kept == 0 || (kept == 1 && strides[0] == bytes);
  source.plain_rows = (single || source.element == Element::f64) && !source.swap && aligned && packed;
}

namespace {

// Loops over all axes but the last; the kernel does the last.
template <class T>
void gather_axes(const Kernels<T>& kernels, const Source& source, std::size_t axis, Gather<T> g) {
  if (axis + 1 == source.sizes.size()) {
    g.cols = source.sizes[axis];
    g.col_bytes = source.strides[axis];
    kernels.gather(&g);
    return;
  }
  Index inner = 1;
  for (std::size_t a = axis + 1; a < source.sizes.size(); ++a) inner *= source.sizes[a];
  for (Index i = 0; i < source.sizes[axis]; ++i) {
    gather_axes(kernels, source, axis + 1, g);
    g.source += source.strides[axis];
    g.out += inner;
  }
}

}  // namespace

template <class T>
void gather_rows(const Kernels<T>& kernels, const Source& source, const Index* index, Index first, Index begin,
                 Index end, T* out) {
  if (begin >= end || source.width == 0) return;
  Gather<T> g;
  g.rows = end - begin;
  g.source = source.data;
  g.row_bytes = source.row_bytes;
  g.element = source.element;
  g.swap = source.swap;
  g.index = index == nullptr ? nullptr : index + begin;
  g.first = first + begin;
  g.out = out + begin * source.width;
  g.out_row = source.width;
  if (source.sizes.size() > 1) return gather_axes(kernels, source, 0, g);
  g.cols = source.width;
  g.col_bytes = source.sizes.empty() ? 0 : source.strides[0];
  kernels.gather(&g);
}

template void gather_rows<float>(const Kernels<float>&, const Source&, const Index*, Index, Index, Index, float*);
template void gather_rows<double>(const Kernels<double>&, const Source&, const Index*, Index, Index, Index, double*);

}  // namespace fastbp
