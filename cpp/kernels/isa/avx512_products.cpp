// The matrix products for AVX-512: F, VL, BW, DQ.
#define FASTBP_FILL_PRODUCTS fill_products_avx512
#include "kernels/fill_products.h"
