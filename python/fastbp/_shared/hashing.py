"""`weights_hash`: a hash by which two machines compare the weights that they trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .memory import require_memory

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_CANONICAL_NAN = {"<f4": ("<u4", 0x7FC00000), "<f8": ("<u8", 0x7FF8000000000000)}


def weights_hash(weights: Iterable[ArrayLike]) -> str:
    """SHA-256 of weights, equal on every machine that trained the same network on the same data.

    Parameters
    ----------
    weights : iterable of float32 or float64 arrays
        In the order of ``get_weights()``.

    Returns
    -------
    str
        64 hexadecimal digits: the hash of the arrays' little-endian bytes in row-major order, one after the other,
        every NaN written as 0x7fc00000 (float64: 0x7ff8000000000000). Shapes are not part of it.

    Raises
    ------
    TypeError
        If an array is neither float32 nor float64, or what comes is no list of arrays.

    Examples
    --------
    >>> import fastbp as bp
    >>> import numpy as np
    >>> bp.weights_hash([np.zeros((2, 3), np.float32)])[:16]
    '9d908ecfb6b256de'
    """
    import hashlib  # loads OpenSSL, so not at every `import fastbp`

    if not isinstance(weights, Iterable):
        hint = ", pass its get_weights()" if hasattr(weights, "get_weights") else ""
        raise TypeError(f"weights must be a list of arrays, got {type(weights).__name__}{hint}")
    digest = hashlib.sha256()
    for position, weight in enumerate(weights):
        array = np.asarray(weight)
        if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
            raise TypeError(f"weights must be float32 or float64 arrays, but number {position} is {array.dtype}")
        layout = f"<f{array.dtype.itemsize}"
        unsigned, canonical = _CANONICAL_NAN[layout]
        require_memory(3 * array.nbytes)
        little_endian = array.astype(layout, order="C")  # always a copy
        little_endian.view(unsigned)[np.isnan(little_endian)] = canonical
        digest.update(little_endian.tobytes())
    return digest.hexdigest()
