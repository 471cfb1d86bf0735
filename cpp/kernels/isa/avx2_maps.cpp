// The kernels of fill_maps.h for AVX2 and FMA.
#define FASTBP_FILL_MAPS fill_maps_avx2
#include "kernels/fill_maps.h"
