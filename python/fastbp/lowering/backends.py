"""The two backends, which have the same interface: the C++ core and the Python reference."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from .._shared.nearest import unknown

_MODULES = {"core": "fastbp._core", "reference": "fastbp.reference"}

DTYPES = ("float32", "float64")


def get_backend(name: str) -> Any:
    """The module that runs graphs: ``"core"`` or ``"reference"``. Both give the same bits.

    Raises
    ------
    ValueError
        For another name.
    ImportError
        For ``"core"`` where the extension was not built.
    """
    if not isinstance(name, str):
        raise TypeError(f"backend must be 'core' or 'reference', got {type(name).__name__}")
    if name not in _MODULES:
        raise unknown("backend", name, _MODULES)
    try:
        return importlib.import_module(_MODULES[name])
    except ModuleNotFoundError as error:
        if error.name != "fastbp._core":
            raise
        raise ImportError(
            "fastbp._core is not built; install the package (pip install .) or pass backend='reference'"
        ) from error


@functools.cache
def turns() -> Any:
    """The module whose `Turn` and `take_turn` models use: the core, or the reference where the core was not built."""
    try:
        return get_backend("core")
    except ImportError:
        return get_backend("reference")


def dtype_name(dtype: Any) -> str:
    """``"float32"`` or ``"float64"``, from anything that NumPy understands as one of the two."""
    import numpy as np

    if isinstance(dtype, str) and dtype in DTYPES:
        return dtype
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in DTYPES:
        raise unknown("dtype", name, DTYPES)
    return name
