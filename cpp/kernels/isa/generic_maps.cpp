// The kernels of fill_maps.h for 128-bit vectors.
#define FASTBP_FILL_MAPS fill_maps_generic
#include "kernels/fill_maps.h"
