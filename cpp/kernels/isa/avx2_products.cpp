// The matrix products for AVX2 and FMA.
#define FASTBP_FILL_PRODUCTS fill_products_avx2
#include "kernels/fill_products.h"
