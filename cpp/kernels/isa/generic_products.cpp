// The matrix products for 128-bit vectors: SSE2, NEON.
#define FASTBP_FILL_PRODUCTS fill_products_generic
#include "kernels/fill_products.h"
