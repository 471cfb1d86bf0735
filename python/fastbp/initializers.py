"""Where weights start: float64 arithmetic with + − × ÷ √ alone on the contract's random numbers (rule 9), rounded once.

fan_in and fan_out are the rows and columns of a matrix; of a vector, its length both; further leading axes multiply
both, as in Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .names import look_up

# Φ(−2) and Φ(2): where a normal distribution is cut off.
LOWER_TAIL, UPPER_TAIL = 0.022750131948179207, 0.9772498680518208
TRUNCATED_DEVIATION = 0.87962566103423978  # of a standard normal cut off at ±2


class Initializer:
    """Base of the initialisers. Subclasses define ``draw(shape, stream)``; see `Stream`."""

    def __call__(self, shape: Sequence[int], *, seed: int, ordinal: int, backend: Any) -> np.ndarray:
        """Initial values in float64.

        Parameters
        ----------
        shape : tuple of int
        seed : int
            The model's.
        ordinal : int
            The parameter's number in its model.
        backend : module
            Whose ``uniform`` and ``normal`` draw; both give the same bits.
        """
        shape = tuple(shape)
        return np.asarray(self.draw(shape, Stream(seed, ordinal, backend)), np.float64).reshape(shape)

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define draw(shape, stream)")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


class Stream:
    """The random numbers of one parameter."""

    def __init__(self, seed: int, ordinal: int, backend: Any) -> None:
        self.seed, self.ordinal, self.backend = seed, ordinal, backend

    def uniform(self, n: int) -> np.ndarray:
        """n numbers in [0, 1)."""
        return np.asarray(self.backend.uniform(self.seed, self.ordinal, n), np.float64)

    def normal(self, n: int) -> np.ndarray:
        """n standard normal numbers."""
        return np.asarray(self.backend.normal(self.seed, self.ordinal, n), np.float64)

    def truncated_normal(self, n: int) -> np.ndarray:
        """n standard normal numbers within ±2."""
        return np.asarray(self.backend.normal(self.seed, self.ordinal, n, LOWER_TAIL, UPPER_TAIL), np.float64)


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out)"""
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    receptive = math.prod(shape[:-2])
    return shape[-2] * receptive, shape[-1] * receptive


class Constant(Initializer):
    """Every element is `value` (default 0)."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = float(value)

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        return np.full(shape, self.value)


class Zeros(Constant):
    """Every element is 0."""

    def __init__(self) -> None:
        super().__init__(0.0)


class Ones(Constant):
    """Every element is 1."""

    def __init__(self) -> None:
        super().__init__(1.0)


class RandomUniform(Initializer):
    """Uniform in [minval, maxval); defaults −0.05, 0.05."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05) -> None:
        self.minval, self.maxval = float(minval), float(maxval)

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        return self.minval + (self.maxval - self.minval) * stream.uniform(math.prod(shape))


class RandomNormal(Initializer):
    """Normal; defaults mean 0, standard deviation 0.05."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05) -> None:
        self.mean, self.stddev = float(mean), float(stddev)

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        return self.mean + self.stddev * stream.normal(math.prod(shape))


class TruncatedNormal(RandomNormal):
    """Normal, cut off at two standard deviations from the mean (`stddev` is that before the cut); defaults 0, 0.05."""

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        return self.mean + self.stddev * stream.truncated_normal(math.prod(shape))


class VarianceScaling(Initializer):
    """Variance scale / n, n being fan_in, fan_out or their average; as in Keras.

    Parameters
    ----------
    scale : float
    mode : {"fan_in", "fan_out", "fan_avg"}
    distribution : {"uniform", "truncated_normal", "untruncated_normal"}
        Uniform within ±√(3·scale/n). The truncated normal's deviation is divided by 0.8796…, so that the variance
        after the cut is scale / n.
    """

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> None:
        self.scale = float(scale)
        self.mode = look_up("mode", mode, {m: m for m in ("fan_in", "fan_out", "fan_avg")})
        known = ("uniform", "truncated_normal", "untruncated_normal")
        self.distribution = look_up("distribution", distribution, {d: d for d in known})

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        fan_in, fan_out = fans(shape)
        n = {"fan_in": float(fan_in), "fan_out": float(fan_out), "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        scale = self.scale / max(1.0, n)
        size = math.prod(shape)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * scale)
            return -limit + (limit + limit) * stream.uniform(size)
        if self.distribution == "truncated_normal":
            return math.sqrt(scale) / TRUNCATED_DEVIATION * stream.truncated_normal(size)
        return math.sqrt(scale) * stream.normal(size)


class GlorotUniform(VarianceScaling):
    """Uniform within ±√(6 / (fan_in + fan_out)): Glorot and Bengio, 2010."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_avg", "uniform")


class GlorotNormal(VarianceScaling):
    """Truncated normal of variance 2 / (fan_in + fan_out): Glorot and Bengio, 2010."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal")


class HeUniform(VarianceScaling):
    """Uniform within ±√(6 / fan_in): He et al., 2015."""

    def __init__(self) -> None:
        super().__init__(2.0, "fan_in", "uniform")


class HeNormal(VarianceScaling):
    """Truncated normal of variance 2 / fan_in: He et al., 2015."""

    def __init__(self) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal")


class LecunUniform(VarianceScaling):
    """Uniform within ±√(3 / fan_in): LeCun et al., Efficient BackProp, 1998."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_in", "uniform")


class LecunNormal(VarianceScaling):
    """Truncated normal of variance 1 / fan_in: LeCun et al., 1998."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal")


class LectureNormal(VarianceScaling):
    """The lecture's: normal of mean 0 and variance 1 / fan_in, not cut off."""

    def __init__(self) -> None:
        super().__init__(1.0, "fan_in", "untruncated_normal")


INITIALIZERS: dict[str, Callable[[], Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_uniform": RandomUniform,
    "uniform": RandomUniform,
    "random_normal": RandomNormal,
    "normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "lecture_normal": LectureNormal,
}


class _FromFunction(Initializer):
    """A function shape -> array of numbers."""

    def __init__(self, function: Callable[[tuple[int, ...]], Any]) -> None:
        self.function = function

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        values = np.asarray(self.function(shape))
        if values.shape != shape:
            raise ValueError(f"an initialiser must return the shape {shape}, got {values.shape}")
        return values


def get_initializer(argument: str, initializer: Any) -> Initializer:
    """The initialiser that a name, an instance, a class, or a function shape -> array stands for."""
    if isinstance(initializer, str):
        found: Initializer = look_up(argument, initializer.lower(), INITIALIZERS)()
        return found
    if isinstance(initializer, type) and issubclass(initializer, Initializer):
        return initializer()
    if isinstance(initializer, Initializer):
        return initializer
    if callable(initializer):
        return _FromFunction(initializer)
    raise TypeError(f"{argument} must be a name, an initialiser or a function of the shape, got {initializer!r}")
