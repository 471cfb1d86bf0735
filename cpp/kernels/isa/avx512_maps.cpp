// The kernels of fill_maps.h for AVX-512 F, VL, BW, DQ.
#define FASTBP_FILL_MAPS fill_maps_avx512
#include "kernels/fill_maps.h"
