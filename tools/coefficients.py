"""Derives the constants of the elementary functions (rule 4) and writes them into the core and the reference.

    python tools/coefficients.py            # prints each polynomial's degree and error
    python tools/coefficients.py --write    # and writes kernels/coefficients.h and reference/coefficients.py

Every polynomial is the weighted minimax polynomial of its degree (Remez' exchange in 60 digits), its coefficients
rounded to float64 (under names that end in _single: to float32), lowest degree first. Needs mpmath.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import mpmath as mp
import numpy as np

mp.mp.dps = 60
ROOT = Path(__file__).resolve().parent.parent
Real = Callable[[mp.mpf], mp.mpf]
LN2 = mp.log(2)


def remez(f: Real, weight: Real, low: mp.mpf, high: mp.mpf, degree: int) -> tuple[list[mp.mpf], mp.mpf]:
    """The polynomial p of that degree that makes max |weight (p - f)| over [low, high] least, and that maximum."""
    points, count = 32 * (degree + 2), degree + 2
    middle, radius = (low + high) / 2, (high - low) / 2
    grid = [middle - radius * mp.cos(mp.pi * i / points) for i in range(points + 1)]
    values, weights = [f(x) for x in grid], [weight(x) for x in grid]
    nodes = [round(points * i / (count - 1)) for i in range(count)]
    for _ in range(30):
        system = mp.matrix(count, count)
        right = mp.matrix(count, 1)
        for row, i in enumerate(nodes):
            for power in range(degree + 1):
                system[row, power] = grid[i] ** power
            system[row, degree + 1] = (-1) ** row / weights[i]
            right[row] = values[i]
        solution = mp.lu_solve(system, right)
        coefficients = [solution[i] for i in range(degree + 1)]
        errors = [w * (mp.polyval(coefficients[::-1], x) - y) for x, y, w in zip(grid, values, weights)]
        chosen = alternation(errors, count)
        if len(chosen) < count:
            raise ArithmeticError("the exchange lost an extremum: the weight is 0 or f has too few digits")
        if chosen == nodes:
            break
        nodes = chosen
    return coefficients, max(abs(e) for e in errors)


def alternation(errors: list[mp.mpf], count: int) -> list[int]:
    """The largest error of each run of one sign; the smaller end runs are dropped until `count` are left."""
    runs: list[int] = []
    for i, e in enumerate(errors):
        if runs and (errors[runs[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    while len(runs) > count:
        runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
    return runs


def quotient(f: Real) -> Real:
    """f, which cancels towards 0; for |x| <= 1e-25 its value at 1e-25, computed with 250 digits."""
    tiny = mp.mpf(10) ** -25

    def safe(x: mp.mpf) -> mp.mpf:
        if abs(x) > tiny:
            return f(x)
        with mp.workdps(250):
            return f(tiny)

    return safe


def two_atanh(z: mp.mpf) -> mp.mpf:
    """2 atanh(s)/s as a function of z = s^2; s = f/(2 + f) makes log(1 + f) = s times this."""
    s = mp.sqrt(z)
    return 2 * mp.atanh(s) / s


def polynomials() -> dict[str, tuple[str, Real, Real, mp.mpf, mp.mpf, int]]:
    """name -> (what it approximates, f, weight, low, high, degree)."""
    one = mp.mpf(1)
    zero = mp.mpf(0)
    reduced = (3 - 2 * mp.sqrt(2)) ** 2 * mp.mpf("1.0001")  # s^2 at sqrt(2) and sqrt(1/2)
    erfc = mp.erfc

    def erf_weight(a: mp.mpf) -> mp.mpf:
        return erfc(a) * LN2 * a / mp.erf(a) if a > 0 else LN2 * mp.sqrt(mp.pi) / 2

    return {
        "exp_single": (
            "(exp(r) - 1 - r)/r^2, |r| <= log(2)/2",
            quotient(lambda r: (mp.expm1(r) - r) / r**2),
            lambda r: r**2 + mp.mpf("0.001"),
            -LN2 / 2 * mp.mpf("1.0001"),
            LN2 / 2 * mp.mpf("1.0001"),
            4,
        ),
        "expm1_short": (
            "(2^r - 1)/r, |r| <= 1/2",
            quotient(lambda r: mp.expm1(r * LN2) / r),
            lambda r: one,
            -one / 2,
            one / 2,
            6,
        ),
        "exp_long": (
            "(exp(r) - 1 - r)/r^2, |r| <= log(2)/2",
            quotient(lambda r: (mp.expm1(r) - r) / r**2),
            lambda r: abs(r) + mp.mpf("0.01"),
            -LN2 / 2,
            LN2 / 2,
            10,
        ),
        "log_short": (
            "2 atanh(s)/s in z = s^2, s <= 3 - 2 sqrt(2)",
            quotient(two_atanh),
            lambda z: one,
            zero,
            reduced,
            4,
        ),
        "log2_short": (
            "2 atanh(s)/(s log(2)) in z = s^2, s <= 3 - 2 sqrt(2)",
            quotient(lambda z: two_atanh(z) / LN2),
            lambda z: one,
            zero,
            reduced,
            6,
        ),
        "softplus_short": (
            "2 atanh(s)/s in z = s^2, s <= 1/3",
            quotient(two_atanh),
            lambda z: one,
            zero,
            one / 9,
            6,
        ),
        "log_long": (
            "(2 atanh(s)/s - 2)/z in z = s^2, s <= 3 - 2 sqrt(2)",
            quotient(lambda z: (two_atanh(z) - 2) / z),
            lambda z: one,
            zero,
            reduced,
            6,
        ),
        "softplus_long": (
            "(2 atanh(s)/s - 2)/z in z = s^2, s <= 1/3",
            quotient(lambda z: (two_atanh(z) - 2) / z),
            lambda z: one,
            zero,
            one / 9,
            9,
        ),
        "power_long": (
            "(2 atanh(s)/s - 2 - 2z/3)/z^2 in z = s^2, s <= 3 - 2 sqrt(2)",
            quotient(lambda z: ((two_atanh(z) - 2) / z - mp.mpf(2) / 3) / z),
            lambda z: one,
            zero,
            reduced,
            7,
        ),
        "erf_short": (
            "-log2(erfc(a))/a, a <= 4",
            quotient(lambda a: -mp.log(erfc(a), 2) / a),
            erf_weight,
            zero,
            mp.mpf(4),
            11,
        ),
        "erf_near_long": (
            "erf(a)/a - 1 in z = a^2, a <= 1",
            quotient(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1),
            lambda z: one,
            zero,
            one,
            11,
        ),
        "erf_far_long": (
            "-log(erfc(a)) in u = a - 1, 1 <= a <= 6",
            lambda u: -mp.log(erfc(u + 1)),
            lambda u: erfc(u + 1),
            zero,
            mp.mpf(5),
            18,
        ),
        "sin_short": (
            "sin(r)/r in z = r^2, |r| <= pi/2",
            quotient(lambda z: mp.sin(mp.sqrt(z)) / mp.sqrt(z)),
            lambda z: one,
            zero,
            mp.pi**2 / 4,
            5,
        ),
        "sin_long": (
            "(sin(r) - r)/r^3 in z = r^2, |r| <= pi/4",
            quotient(lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z),
            lambda z: one,
            zero,
            mp.pi**2 / 16,
            5,
        ),
        "cos_long": (
            "(cos(r) - 1 + z/2)/z^2 in z = r^2, |r| <= pi/4",
            quotient(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2),
            lambda z: one,
            zero,
            mp.pi**2 / 16,
            5,
        ),
    }


def parts(x: mp.mpf, bits: int, count: int) -> list[float]:
    """x as a sum of `count` numbers: all but the last have at most `bits` significant bits."""
    result = []
    for _ in range(count - 1):
        exponent = int(mp.floor(mp.log(abs(x), 2))) - bits + 1
        part = mp.floor(mp.ldexp(x, -exponent)) * mp.mpf(2) ** exponent
        result.append(float(part))
        x -= part
    return [*result, float(x)]


def single(x: mp.mpf) -> float:
    """x rounded to float32."""
    return float(np.float32(float(x)))


def scalars() -> dict[str, tuple[str, list[float]]]:
    """name -> (what it is, its parts, highest first)."""
    return {
        "log2_e": ("1/log(2)", [float(1 / LN2)]),
        "log2_e_single": ("1/log(2)", [single(1 / LN2)]),
        "ln2": ("log(2)", [float(LN2)]),
        "ln2_parts": ("log(2): 42 bits, the rest", parts(LN2, 42, 2)),
        "ln2_parts_single": ("log(2): rounded to 24 bits, the rest", [single(LN2), single(LN2 - single(LN2))]),
        "inverse_pi": ("1/pi", [float(1 / mp.pi)]),
        "pi_parts": ("pi: 33 bits, the rest", parts(mp.pi, 33, 2)),
        "two_over_pi": ("2/pi", [float(2 / mp.pi)]),
        "half_pi_parts": ("pi/2: three times 33 bits, the rest", parts(mp.pi / 2, 33, 4)),
        "two_thirds_parts": ("2/3: 53 bits, the rest", parts(mp.mpf(2) / 3, 53, 2)),
    }


def tanh_pieces() -> tuple[str, list[float]]:
    """float32 tanh on eight pieces of 0 ... 9.1875: what its numbers mean, and the numbers, eight of each kind.

    Within a piece, 2 + 3.25 a, which grows from 2 to 32, has one exponent and one first bit of its fraction.
    """
    seams = [(mp.mpf(2) ** power * first - 2) / 3.25 for power in range(1, 5) for first in (1, 1.5)]
    pieces = [tanh_piece(low, high) for low, high in zip(seams, [*seams[1:], mp.mpf("9.1875")])]
    error = max(error for _, error in pieces)
    print(f"{'tanh_single':16} degree  7  error 2^{float(mp.log(error, 2)):.1f}   tanh(a) on 8 pieces, a <= 9.1875")
    kinds = "centres c of 8 pieces of tanh, tanh(c), coefficients of d, d^2, ... in tanh(c + d); 8 numbers of each"
    return kinds, np.transpose([numbers for numbers, _ in pieces]).ravel().tolist()


def tanh_piece(low: mp.mpf, high: mp.mpf) -> tuple[list[float], mp.mpf]:
    """A piece's centre c, tanh(c) and the coefficients of p in tanh(c + d) = tanh(c) + d p(d); and the error.

    tanh(c) is nearly a float32, so that there is one rounding. c lies beyond the middle: where tanh hardly grows, d
    must be small, or rounded results step down. The first piece has tanh(a) = a + a p(a), p(0) = 0.
    """
    if low == 0:
        near = quotient(lambda a: (mp.tanh(a) / a - 1) / a)
        coefficients, error = remez(near, lambda a: a + mp.mpf("0.001"), low, high, 5)
        return [0.0, 0.0, 0.0, *map(single, coefficients)], error
    center = tanh_center(low + (high - low) * 0.6)
    value = mp.tanh(center)
    slope = quotient(lambda d: (mp.tanh(center + d) - value) / d)
    coefficients, error = remez(slope, lambda d: abs(d) + (high - low) / 100, low - center, high - center, 6)
    return [center, single(value), *map(single, coefficients)], error


def tanh_center(near: mp.mpf) -> float:
    """The float32 nearest to `near` whose tanh is within 1/256 ulp of a float32."""
    below = above = np.float32(float(near))
    while True:
        for center in (float(above), float(below)):
            value = mp.tanh(center)
            if abs(single(value) - value) < float(np.spacing(np.float32(single(value)))) / 256:
                return center
        above, below = np.nextafter(above, np.float32(np.inf)), np.nextafter(below, np.float32(0))


def main() -> None:
    constants = scalars()
    constants["tanh_single"] = tanh_pieces()
    for name, (meaning, f, weight, low, high, degree) in polynomials().items():
        coefficients, error = remez(f, weight, low, high, degree)
        print(f"{name:16} degree {degree:2}  error 2^{float(mp.log(error, 2)):.1f}   {meaning}")
        constants[name] = (meaning, [single(c) if name.endswith("_single") else float(c) for c in coefficients])
    if "--write" in sys.argv:
        (ROOT / "cpp/kernels/coefficients.h").write_text(header(constants))
        (ROOT / "python/fastbp/reference/coefficients.py").write_text(module(constants))


def header(constants: dict[str, tuple[str, list[float]]]) -> str:
    lines = [
        "// Constants of the functions; tools/coefficients.py derives and writes them. Lowest degree first.",
        "#pragma once",
        "",
        "// clang-format off",
        "namespace {",
        "",
    ]
    for name, (meaning, numbers) in constants.items():
        symbol = "k" + "".join(word.capitalize() for word in name.split("_"))
        number, suffix = ("float", "f") if name.endswith("_single") else ("double", "")
        lines.append(f"// {meaning}")
        if len(numbers) == 1:
            lines.append(f"constexpr {number} {symbol} = {numbers[0]!r}{suffix};")
        else:
            lines += [f"constexpr {number} {symbol}[] = {{", *rows(numbers, "  ", suffix), "};"]
    return "\n".join([*lines, "", "}  // namespace", ""])


def module(constants: dict[str, tuple[str, list[float]]]) -> str:
    lines = [
        '"""Constants of the functions; tools/coefficients.py derives and writes them. Lowest degree first."""',
        "",
        "# fmt: off",
    ]
    for name, (meaning, numbers) in constants.items():
        lines.append(f"# {meaning}")
        if len(numbers) == 1:
            lines.append(f"{name.upper()} = {numbers[0]!r}")
        else:
            lines += [f"{name.upper()} = (", *rows(numbers, "    "), ")"]
    return "\n".join([*lines, ""])


def rows(numbers: list[float], indent: str, suffix: str = "") -> list[str]:
    return [indent + ", ".join(f"{x!r}{suffix}" for x in numbers[i : i + 4]) + "," for i in range(0, len(numbers), 4)]


if __name__ == "__main__":
    main()
