"""The generic instruction set does not depend on the C library's fma: a process that hides it has the same bits."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from compare import bits, finite, values
from fastbp import _core
from fastbp.reference.operations import ELEMENTWISE
from small_nets import BATCH, NETS, compiled, data

# Hides processor features from glibc's own functions. A version of glibc ignores names that it does not know.
HIDDEN = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-FMA_Usable,-FMA4_Usable,-AVX2_Usable"


def place_of_fma() -> int:
    """The offset in libm of the `fma` that the C library chose."""
    library = ctypes.CDLL("libm.so.6")
    address = ctypes.cast(library.fma, ctypes.c_void_p).value or 0
    mapped = re.search(r"^([0-9a-f]+)-\S+ .*/libm[-.]", Path("/proc/self/maps").read_text(), re.MULTILINE)
    assert mapped is not None
    return address - int(mapped[1], 16)


def hash_of(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(bits(array).tobytes() for array in arrays)).hexdigest()


def trainings(dtype: str) -> list[np.ndarray]:
    weights = []
    for name in NETS:
        model = compiled(name, dtype)
        model.fit(data(), NETS[name].targets(data()), BATCH, epochs=2, verbose=0)
        weights += model.get_weights()
    return weights


def products(dtype: str) -> list[np.ndarray]:
    results = []
    for m, n, k in ((5, 7, 3), (17, 33, 40), (3, 65, 600), (40, 40, 40)):
        for make in (finite, values):
            a, b = make((m, k), dtype, 1), make((k, n), dtype, 2)
            results += [_core.testing.matmul(a, b, over_rows=over_rows) for over_rows in (False, True)]
    return results


def maps(dtype: str) -> list[np.ndarray]:
    operands = [values((9, 101), dtype, seed) for seed in range(3)]
    return [_core.testing.map(name, operands[:count], [3.0], 3) for name, count in ELEMENTWISE.items()]


def everything() -> dict[str, Any]:
    hashes = {
        f"{make.__name__}, {dtype}": hash_of(make(dtype))
        for make in (trainings, products, maps)
        for dtype in ("float32", "float64")
    }
    return {"isa": _core.isa(), "fma": place_of_fma(), "hashes": hashes}


def in_a_process(**environment: str) -> dict[str, Any]:
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, str(Path(__file__).resolve())]
    result = subprocess.run(command, env=os.environ | paths | environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def has_fma() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and re.search(r"^flags\s*:.*\bfma\b", cpuinfo.read_text(), re.MULTILINE) is not None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or platform.machine() != "x86_64", reason="needs glibc on x86-64")
def test_generic_has_the_same_bits_where_the_c_library_has_no_fma() -> None:
    hidden = in_a_process(FASTBP_ISA="generic", GLIBC_TUNABLES=HIDDEN)
    shown = in_a_process(FASTBP_ISA="generic", GLIBC_TUNABLES="")
    assert hidden["isa"] == shown["isa"] == "generic"
    if has_fma():
        assert hidden["fma"] != shown["fma"], "the C library took the same fma: it was not hidden"
    assert hidden["hashes"] == shown["hashes"]
    for isa in _core.available_isas():
        _core.set_isa(isa)
        assert everything()["hashes"] == hidden["hashes"], isa


if __name__ == "__main__":
    bp.set_num_threads(1)
    with np.errstate(all="ignore"):
        print(json.dumps(everything()))
