"""Random numbers (rule 9): Philox4x32-10, dropout, uniform and normal numbers, shuffling.

Philox: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastbp.reference.elementwise import multiply
from fastbp.reference.functions import log
from fastbp.reference.memory import require_memory

# Purposes: the upper 8 bits of the counter's third word, above the ordinal.
DROPOUT_IN_FIT, DROPOUT_ELSEWHERE, SHUFFLE, INITIAL_WEIGHTS, AUGMENTATION = range(5)

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = 0x9E3779B9, 0xBB67AE85
_LOW, _WORD_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Counters (…, 4) of 32 bits each -> (…, 4) uint32."""
    c0, c1, c2, c3 = (np.asarray(counter)[..., i].astype(np.uint64) & _LOW for i in range(4))
    for i in range(10):
        k0, k1 = (np.uint64((k + i * weyl) % 2**32) for k, weyl in zip(key, _WEYL, strict=True))
        p0, p1 = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> _WORD_BITS) ^ c1 ^ k0, p1 & _LOW, (p0 >> _WORD_BITS) ^ c3 ^ k1, p0 & _LOW
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def stream_of(purpose: int, ordinal: int) -> int:
    """The counter's third word."""
    return purpose * 2**24 + ordinal


def _blocks(seed: int, block: np.ndarray, row: np.ndarray | int, stream: int, counter: int) -> np.ndarray:
    """The words (…, 4) of blocks and rows that broadcast together."""
    words = np.broadcast_arrays(np.asarray(block, np.int64), row, stream, counter)
    return philox(np.stack([word.astype(np.uint64) for word in words], axis=-1), (seed % 2**32, seed // 2**32 % 2**32))


# ---- dropout ----


def dropout_threshold(rate: float) -> int:
    """65536·rate rounded, half away from zero."""
    whole, part = divmod(65536.0 * rate, 1.0)
    return int(whole) + (part >= 0.5)


def dropout_scale(rate: float) -> float:
    """1 / (1 − rate) in float64; Inf for 1, where nothing is kept."""
    return 1.0 / (1.0 - rate) if rate != 1.0 else np.inf


def dropout_count(rate: float, width: int) -> int:
    """How many elements of a row an exact dropout drops: rate·width rounded half up, as if the rate were decimal."""
    product = rate * width
    return int((product + product * 2.0**-50) + 0.5)


def dropout(
    x: np.ndarray,
    rate: float,
    seed: int,
    row_ids: np.ndarray,
    stream: int,
    counter: int,
    first_col: int = 0,
    scale: float | None = None,
) -> np.ndarray:
    """(rows, …) -> (rows, …). `first_col`: where x begins in the rows of a wider array, a multiple of 8."""
    rows, cols = x.shape[0], int(np.prod(x.shape[1:], dtype=np.int64))
    block = np.arange(first_col // 8, first_col // 8 + -(-cols // 8))
    words = _blocks(seed, block[np.newaxis, :], np.asarray(row_ids, np.int64).reshape(rows, 1), stream, counter)
    halves = np.stack([words & 0xFFFF, words >> 16], axis=-1)  # the low half is the even element's
    u = halves.reshape(rows, 8 * block.size)[:, :cols].reshape(x.shape)
    kept = multiply(x, np.asarray(dropout_scale(rate) if scale is None else scale).astype(x.dtype))
    return np.where(u < dropout_threshold(rate), x.dtype.type(0), kept)


def dropout_exact(
    x: np.ndarray, dropped: int, seed: int, row_ids: np.ndarray, stream: int, counter: int, scale: float
) -> np.ndarray:
    """(rows, width) -> (rows, width): the `dropped` elements of each row with the smallest 32-bit keys are +0."""
    rows, width = x.shape
    block = np.arange(-(-width // 4))
    words = _blocks(seed, block[np.newaxis, :], np.asarray(row_ids, np.int64).reshape(rows, 1), stream, counter)
    keys = words.reshape(rows, 4 * block.size)[:, :width]
    smallest = np.argsort(keys, axis=1, kind="stable")[:, :dropped]  # of equal keys the first element
    out = multiply(x, np.asarray(scale).astype(x.dtype))
    np.put_along_axis(out, smallest, x.dtype.type(0), axis=1)
    return out


# ---- uniform and normal ----


def _long_words(seed: int, first: int, n: int, stream: int, counter: int) -> np.ndarray:
    """The 64-bit numbers first … first+n−1 of a stream, two to a block, high word first."""
    block = np.arange(first // 2, (first + n + 1) // 2)
    words = _blocks(seed, block, 0, stream, counter).reshape(-1, 2).astype(np.uint64)
    return ((words[:, 0] << _WORD_BITS) | words[:, 1])[first % 2 : first % 2 + n]


def uniform(seed: int, ordinal: int, n: int, *, first: int = 0) -> np.ndarray:
    """n numbers in [0, 1) for the parameter `ordinal`, from number `first` on, float64."""
    require_memory(72 * n)  # the counters' words and the products of Philox
    words = _long_words(seed, first, n, stream_of(INITIAL_WEIGHTS, ordinal), 0)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(seed: int, ordinal: int, n: int, low: float = 0.0, high: float = 1.0, *, first: int = 0) -> np.ndarray:
    """n standard normal numbers from number `first` on, float64; low, high: the CDF's values between which they lie."""
    require_memory(152 * n)  # polynomials for the middle and both tails
    p = low + (high - low) * (uniform(seed, ordinal, n, first=first) + 2.0**-54)
    most = 1.0 - 2.0**-53  # in place of 1, to which the sum above may round
    return normal_quantile(np.where(p < most, p, most))


# M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988),
# 477-484, PPND16: numerators and denominators by ascending power.
_CENTRAL = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_MIDDLE = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_FAR = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    total = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total


@np.errstate(all="ignore")
def normal_quantile(p: np.ndarray) -> np.ndarray:
    """The inverse of the normal distribution's CDF for 0 < p < 1, float64."""
    q = p - 0.5
    r = 0.180625 - q * q
    central = q * _polynomial(_CENTRAL[0], r) / _polynomial(_CENTRAL[1], r)

    tail = np.sqrt(-log(np.where(q < 0, p, 1.0 - p)))
    middle = _polynomial(_MIDDLE[0], tail - 1.6) / _polynomial(_MIDDLE[1], tail - 1.6)
    far = _polynomial(_FAR[0], tail - 5.0) / _polynomial(_FAR[1], tail - 5.0)
    distance = np.where(tail <= 5.0, middle, far)
    outer = np.where(q < 0, -distance, distance)
    return np.where((q <= 0.425) & (q >= -0.425), central, outer)


# ---- shuffling ----


def _draws(seed: int, epoch: int) -> Iterator[int]:
    """The stream of 64-bit draws of one epoch's shuffle."""
    chunk = 4096
    first = 0
    while True:
        yield from _long_words(seed, first, chunk, stream_of(SHUFFLE, 0), epoch).tolist()
        first += chunk


def shuffle(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order (n,) int64 of an epoch's rows: Fisher-Yates with Lemire's bounded draws.

    D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019).
    """
    require_memory(56 * n)  # numbers of Python in a list, and the array
    order = list(range(n))
    draws = _draws(seed, epoch)
    for i in range(n - 1, 0, -1):
        bound = i + 1
        product = next(draws) * bound
        while product % 2**64 < (2**64 - bound) % bound:
            product = next(draws) * bound
        j = product // 2**64
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)
