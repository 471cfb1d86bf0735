"""Measures the errors of the elementary functions (rule 4), in units in the last place, for docs/numerics.md.

    python tools/accuracy.py                        # all functions: minutes per function
    python tools/accuracy.py exp tanh --sample 5000

float64: `--sample` random arguments per range against mpmath with 160 bits. float32: all 2^32 arguments (sin and cos:
those up to 1e5) against the float64 function, whose own error of 2 ulp is 2^-28 ulp here; power: 2^26 random pairs.
The core is measured when it is built, otherwise the reference; their bits are equal. The error of r is
|r - exact| / ulp(exact).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import mpmath as mp
import numpy as np
from fastbp.reference import functions
from numpy.typing import NDArray

try:
    from fastbp._core import testing
except ImportError:
    testing = None

mp.mp.prec = 160
Array = NDArray[Any]

EXACT: dict[str, Callable[..., mp.mpf]] = {
    "exp": mp.exp,
    "expm1": mp.expm1,
    "log": mp.log,
    "log1p": mp.log1p,
    "tanh": lambda x: mp.expm1(2 * x) / (mp.expm1(2 * x) + 2),
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: max(x, mp.mpf(0)) + mp.log1p(mp.exp(-abs(x))),
    "erf": mp.erf,
    "sin": mp.sin,
    "cos": mp.cos,
    "power": mp.power,
}
# Ranges of uniform float64 arguments. "tiny": both signs, exponents from -60 to 0; "positive": all exponents.
RANGES: dict[str, list[tuple[float, float] | str]] = {
    "exp": [(-745.2, 709.8), (-1, 1)],
    "expm1": [(-40, 709.8), (-2, 2), "tiny"],
    "log": [(0.5, 2), (0.98, 1.02), (0, 100), "positive"],
    "log1p": [(-1, 1), (-0.5, 4), "tiny", "positive"],
    "tanh": [(-20, 20), (-1, 1), "tiny"],
    "sigmoid": [(-745.2, 40), (-4, 4)],
    "softplus": [(-745.2, 50), (-4, 4)],
    "erf": [(-6, 6), (-1.2, 1.2), "tiny"],
    "sin": [(-1e5, 1e5), (-4, 4), "tiny", "turns"],
    "cos": [(-1e5, 1e5), (-4, 4), "turns"],
    "power": [(0, 4), "positive", "powers near 1"],
}
TURNS = 1e5  # sin and cos promise no accuracy beyond


def evaluate(name: str, *operands: Array) -> Array:
    if testing is None:
        return getattr(functions, name)(*operands)
    return np.asarray(testing.map(name, [x.reshape(1, -1) for x in operands], [], 0)).reshape(-1)


def arguments(name: str, where: tuple[float, float] | str, count: int, rng: np.random.Generator) -> list[Array]:
    if name == "power":
        return power_arguments(where, count, rng)
    if where == "tiny":
        return [np.exp2(rng.uniform(-60, 0, count)) * rng.choice([-1.0, 1.0], count)]
    if where == "positive":
        return [rng.integers(1, 0x7FF0000000000000, count).view(np.float64)]
    if where == "turns":  # beside multiples of pi/2
        return [rng.integers(1, int(TURNS / 1.6), count) * (np.pi / 2)]
    return [rng.uniform(*where, count)]


def power_arguments(where: tuple[float, float] | str, count: int, rng: np.random.Generator) -> list[Array]:
    if where == "powers near 1":
        base = 1 + rng.standard_normal(count) * np.exp2(rng.uniform(-50, -3, count))
    elif where == "positive":
        base = rng.integers(1, 0x7FF0000000000000, count).view(np.float64)
    else:
        base = rng.uniform(*where, count)
    base = np.where(base == 1.0, 2.0, base)
    return [base, rng.uniform(-745, 709.7, count) / np.log(base)]


def error_float64(name: str, operands: tuple[float, ...], result: float) -> float:
    exact = EXACT[name](*(mp.mpf(x) for x in operands))
    if abs(exact) >= mp.mpf(2) ** 1024 * (1 - mp.mpf(2) ** -54):
        return 0.0 if result == np.copysign(np.inf, float(mp.sign(exact))) else np.inf
    if not np.isfinite(result):
        return np.inf
    exponent = max(int(mp.frexp(exact)[1]), -1021) if exact else -1021
    return float(mp.ldexp(abs(mp.mpf(result) - exact), 53 - exponent))


def errors_float32(result: Array, exact: Array) -> Array:
    """exact: float64. An overflow to infinity has no error if rounding to float32 overflows, too."""
    power_of_two = (exact.view(np.uint64) & np.uint64(0x7FF0000000000000)).view(np.float64)
    with np.errstate(all="ignore"):
        errors = np.abs(result - exact) / np.maximum(power_of_two * 2.0**-23, 2.0**-149)
        odd = np.flatnonzero(~np.isfinite(errors))
        same = result[odd] == exact[odd].astype(np.float32)
    both_nan = np.isnan(result[odd]) & np.isnan(exact[odd])
    errors[odd] = np.where(same | both_nan, 0.0, np.inf)
    return errors


def measure_float64(name: str, count: int) -> tuple[float, str]:
    rng = np.random.default_rng(20)
    worst, place = 0.0, ""
    for where in RANGES[name]:
        operands = arguments(name, where, count, rng)
        results = evaluate(name, *operands)
        for i, result in enumerate(results.tolist()):
            point = tuple(float(x[i]) for x in operands)
            error = error_float64(name, point, result)
            if error > worst:
                worst, place = error, ", ".join(repr(x) for x in point)
    return worst, place


def batches_float32(name: str, step: int) -> Iterator[list[Array]]:
    size = 1 << 16
    if name == "power":
        rng = np.random.default_rng(20)
        for _ in range(max(1, 1024 // step)):
            base = rng.integers(0, 0x7F800000, size, dtype=np.uint32).view(np.float32)
            base = np.where(rng.random(size) < 0.5, base, rng.uniform(0, 3, size).astype(np.float32))
            with np.errstate(all="ignore"):
                yield [base, (rng.uniform(-105, 90, size) / np.log(base.astype(np.float64))).astype(np.float32)]
        return
    for start in range(0, 1 << 32, size * step):
        yield [(start + step * np.arange(size, dtype=np.uint64)).astype(np.uint32).view(np.float32)]


def measure_float32(name: str, step: int) -> tuple[float, str]:
    worst, place = 0.0, ""
    for operands in batches_float32(name, step):
        if name in ("sin", "cos"):
            operands = [x[np.abs(x) <= TURNS] for x in operands]
        if not len(operands[0]):
            continue
        with np.errstate(all="ignore"):
            exact = evaluate(name, *(x.astype(np.float64) for x in operands))
        errors = errors_float32(evaluate(name, *operands), exact)
        i = int(np.argmax(errors))
        if errors[i] > worst:
            worst, place = float(errors[i]), ", ".join(repr(float(x[i])) for x in operands)
    return worst, place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="function", help=f"some of {', '.join(EXACT)}; default all")
    parser.add_argument("--sample", type=int, default=50000, help="float64 arguments per range, default 50000")
    parser.add_argument("--step", type=int, default=1, help="take every step-th float32, default 1: all of them")
    parser.add_argument("--dtype", choices=["float32", "float64"], help="measure only this one, default both")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(EXACT)
    if unknown:
        parser.error(f"no function {', '.join(sorted(unknown))}; there are {', '.join(EXACT)}")
    print(f"# {'the reference' if testing is None else 'the core'}")
    print("| function | dtype | max error (ulp) | at |\n|---|---|---|---|")
    for name in chosen.names or EXACT:
        if chosen.dtype != "float64":
            print("| {} | float32 | {:.4f} | {} |".format(name, *measure_float32(name, chosen.step)), flush=True)
        if chosen.dtype != "float32":
            print("| {} | float64 | {:.3f} | {} |".format(name, *measure_float64(name, chosen.sample)), flush=True)


if __name__ == "__main__":
    main()
