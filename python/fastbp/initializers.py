"""The initialisers, which give first weights from the contract's random numbers (rule 9).

They compute in float64, with + − × ÷ √ alone; the results are rounded once. fan_in and fan_out are the rows and columns
of a matrix; for a vector both are its length. Further leading axes multiply both, as in Keras.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ._shared.arguments import known_keywords, real
from ._shared.known_attributes import KnownAttributes
from ._shared.memory import require_memory
from ._shared.nearest import look_up, look_up_either_way
from ._shared.pickling import Picklable

BLOCK = 1 << 13  # numbers drawn at a time: 64 KB

# Φ(−2) and Φ(2): where a normal distribution is cut off.
LOWER_TAIL, UPPER_TAIL = 0.022750131948179207, 0.9772498680518208
TRUNCATED_DEVIATION = 0.87962566103423978  # of a standard normal cut off at ±2


class Initializer(KnownAttributes, Picklable):
    """Base of the initialisers: derive from it, with ``draw(shape, stream)`` for the values.

    Notes
    -----
    A layer takes an initialiser, its name ("glorot_uniform" or "GlorotUniform"), or any function of the shape that
    returns an array. The values are float64, of + − × ÷ √ alone, rounded once to the dtype of the model. `stream`
    has ``uniform(n)`` in [0, 1), ``normal(n)`` and ``truncated_normal(n)`` (cut off at ±2), n numbers each, the
    weight's own (rule 9 of the numeric contract).

    Examples
    --------
    >>> import fastbp as bp
    >>> class Signs(bp.Initializer):
    ...     def draw(self, shape, stream):
    ...         return 2.0 * (stream.uniform(shape[0] * shape[1]) < 0.5) - 1.0
    >>> net = bp.Sequential([bp.Input((2,)), bp.Dense(3, kernel_initializer=Signs())])
    >>> net.get_weights()[0]
    array([[ 1.,  1., -1.],
           [ 1., -1.,  1.]], dtype=float32)
    """

    def __call__(self, shape: Sequence[int], *, seed: int, ordinal: int, backend: Any) -> np.ndarray:
        """Initial values, in float64; the parameter store rounds them once.

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
        require_memory(8 * math.prod(shape))
        return np.asarray(self.draw(shape, Stream(seed, ordinal, backend)), np.float64).reshape(shape)

    def parts(self, shape: Sequence[int], *, seed: int, ordinal: int, backend: Any) -> Iterator[np.ndarray]:
        """The same values in row-major order, as consecutive parts."""
        yield self(shape, seed=seed, ordinal=ordinal, backend=backend).ravel()

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define draw(shape, stream)")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


class Stream:
    """The random numbers of one parameter, from number `first` on."""

    def __init__(self, seed: int, ordinal: int, backend: Any, first: int = 0) -> None:
        self.seed, self.ordinal, self.backend, self.first = seed, ordinal, backend, first

    def uniform(self, n: int) -> np.ndarray:
        """n numbers in [0, 1)."""
        return np.asarray(self.backend.uniform(self.seed, self.ordinal, n, first=self.first), np.float64)

    def normal(self, n: int) -> np.ndarray:
        """n standard normal numbers."""
        return np.asarray(self.backend.normal(self.seed, self.ordinal, n, first=self.first), np.float64)

    def truncated_normal(self, n: int) -> np.ndarray:
        """n standard normal numbers within ±2."""
        draw = self.backend.normal
        return np.asarray(draw(self.seed, self.ordinal, n, LOWER_TAIL, UPPER_TAIL, first=self.first), np.float64)


class _OneByOne(Initializer):
    """Base of initialisers whose element e depends on number e of the stream alone, by ``law(shape)(stream, n)``.

    Their parts are small, so that no float64 array of the weight's size is needed.
    """

    def parts(self, shape: Sequence[int], *, seed: int, ordinal: int, backend: Any) -> Iterator[np.ndarray]:
        shape = tuple(shape)
        if type(self).draw is not _OneByOne.draw:  # a user's subclass may draw in another way
            yield from super().parts(shape, seed=seed, ordinal=ordinal, backend=backend)
            return
        law, size = self.law(shape), math.prod(shape)
        for first in range(0, size, BLOCK):
            yield law(Stream(seed, ordinal, backend, first), min(BLOCK, size - first))

    def draw(self, shape: tuple[int, ...], stream: Stream) -> Any:
        require_memory(3 * 8 * math.prod(shape))  # the numbers, scaled and moved
        return self.law(shape)(stream, math.prod(shape))

    def law(self, shape: tuple[int, ...]) -> Callable[[Stream, int], np.ndarray]:
        """The function (stream, n) that gives the next n elements of a weight of this shape."""
        raise NotImplementedError


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out)"""
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    receptive = math.prod(shape[:-2])
    return shape[-2] * receptive, shape[-1] * receptive


class Constant(_OneByOne):
    """Every element is `value`.

    Parameters
    ----------
    value : float
        Default 0.

    Raises
    ------
    TypeError
        If an argument is no number.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.Constant(0.5))])
    >>> net.get_weights()[0].round(3)
    array([[0.5, 0.5],
           [0.5, 0.5],
           [0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """

    @known_keywords
    def __init__(self, value: float = 0.0) -> None:
        self.value = real("value", value)

    def law(self, shape: tuple[int, ...]) -> Callable[[Stream, int], np.ndarray]:
        return lambda stream, n: np.full(n, self.value)


class Zeros(Constant):
    """Every element is 0: how biases start.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.Zeros())])
    >>> net.get_weights()[0].round(3)
    array([[0., 0.],
           [0., 0.],
           [0., 0.],
           [0., 0.]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(0.0)


class Ones(Constant):
    """Every element is 1.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.Ones())])
    >>> net.get_weights()[0].round(3)
    array([[1., 1.],
           [1., 1.],
           [1., 1.],
           [1., 1.]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(1.0)


class RandomUniform(_OneByOne):
    """Uniform in [minval, maxval).

    Parameters
    ----------
    minval, maxval : float
        Defaults −0.05 and 0.05, as in Keras.

    Raises
    ------
    TypeError
        If an argument is no number.

    Notes
    -----
    Rule 9 of the numeric contract: the numbers follow from the model's seed and the weight's number in the model.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.RandomUniform())])
    >>> net.get_weights()[0].round(3)
    array([[-0.003, -0.034],
           [ 0.05 , -0.023],
           [ 0.029, -0.043],
           [ 0.042,  0.022]], dtype=float32)
    """

    @known_keywords
    def __init__(self, minval: float = -0.05, maxval: float = 0.05) -> None:
        self.minval, self.maxval = real("minval", minval), real("maxval", maxval)

    def law(self, shape: tuple[int, ...]) -> Callable[[Stream, int], np.ndarray]:
        return lambda stream, n: self.minval + (self.maxval - self.minval) * stream.uniform(n)


class RandomNormal(_OneByOne):
    """Normal.

    Parameters
    ----------
    mean, stddev : float
        Mean and standard deviation. Defaults 0 and 0.05, as in Keras.

    Raises
    ------
    TypeError
        If an argument is no number.

    Notes
    -----
    Rule 9 of the numeric contract: the numbers follow from the model's seed and the weight's number in the model.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.RandomNormal())])
    >>> net.get_weights()[0].round(3)
    array([[-0.004, -0.05 ],
           [ 0.132, -0.03 ],
           [ 0.041, -0.073],
           [ 0.069,  0.03 ]], dtype=float32)
    """

    @known_keywords
    def __init__(self, mean: float = 0.0, stddev: float = 0.05) -> None:
        self.mean, self.stddev = real("mean", mean), real("stddev", stddev)

    def law(self, shape: tuple[int, ...]) -> Callable[[Stream, int], np.ndarray]:
        return lambda stream, n: self.mean + self.stddev * stream.normal(n)


class TruncatedNormal(RandomNormal):
    """Normal, cut off at two standard deviations from the mean.

    Parameters
    ----------
    mean, stddev : float
        Of the distribution before the cut. Defaults 0 and 0.05, as in Keras.

    Raises
    ------
    TypeError
        If an argument is no number.

    Notes
    -----
    Rule 9 of the numeric contract: the numbers follow from the model's seed and the weight's number in the model.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.TruncatedNormal())])
    >>> net.get_weights()[0].round(3)
    array([[-0.003, -0.047],
           [ 0.097, -0.029],
           [ 0.039, -0.066],
           [ 0.063,  0.028]], dtype=float32)
    """

    def law(self, shape: tuple[int, ...]) -> Callable[[Stream, int], np.ndarray]:
        return lambda stream, n: self.mean + self.stddev * stream.truncated_normal(n)


class VarianceScaling(_OneByOne):
    """Variance scale / n, n being fan_in, fan_out or their average; as in Keras.

    Parameters
    ----------
    scale : float
        Default 1.
    mode : {"fan_in", "fan_out", "fan_avg"}
        What n is. Default "fan_in".
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        Uniform within ±√(3·scale/n). The truncated normal's deviation is divided by 0.8796…, so that the variance
        after the cut is scale / n. Default "truncated_normal".

    Raises
    ------
    TypeError
        If an argument is no number.

    Notes
    -----
    Rule 9 of the numeric contract: the numbers follow from the model's seed and the weight's number in the model.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.VarianceScaling())])
    >>> net.get_weights()[0].round(3)
    array([[-0.039, -0.532],
           [ 1.098, -0.326],
           [ 0.441, -0.752],
           [ 0.721,  0.322]], dtype=float32)
    """

    @known_keywords
    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> None:
        self.scale = real("scale", scale)
        self.mode = look_up("mode", mode, {m: m for m in ("fan_in", "fan_out", "fan_avg")})
        known = ("uniform", "truncated_normal", "untruncated_normal")
        self.distribution = look_up("distribution", distribution, {d: d for d in known})

    def law(self, shape: tuple[int, ...]) -> Callable[[Stream, int], np.ndarray]:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": float(fan_in), "fan_out": float(fan_out), "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        scale = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * scale)
            return lambda stream, n: -limit + (limit + limit) * stream.uniform(n)
        if self.distribution == "truncated_normal":
            return lambda stream, n: math.sqrt(scale) / TRUNCATED_DEVIATION * stream.truncated_normal(n)
        return lambda stream, n: math.sqrt(scale) * stream.normal(n)


class GlorotUniform(VarianceScaling):
    """Uniform within ±√(6 / (fan_in + fan_out)): the default of kernels.

    Notes
    -----
    X. Glorot and Y. Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, 2010.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.GlorotUniform())])
    >>> net.get_weights()[0].round(3)
    array([[-0.057, -0.682],
           [ 0.992, -0.455],
           [ 0.589, -0.853],
           [ 0.833,  0.449]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(1.0, "fan_avg", "uniform")


class GlorotNormal(VarianceScaling):
    """Truncated normal of variance 2 / (fan_in + fan_out).

    Notes
    -----
    X. Glorot and Y. Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, 2010.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.GlorotNormal())])
    >>> net.get_weights()[0].round(3)
    array([[-0.045, -0.615],
           [ 1.268, -0.377],
           [ 0.509, -0.869],
           [ 0.833,  0.372]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal")


class HeUniform(VarianceScaling):
    """Uniform within ±√(6 / fan_in): for relu.

    Notes
    -----
    K. He et al., Delving Deep into Rectifiers, 2015.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.HeUniform())])
    >>> net.get_weights()[0].round(3)
    array([[-0.069, -0.835],
           [ 1.215, -0.557],
           [ 0.721, -1.045],
           [ 1.021,  0.55 ]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(2.0, "fan_in", "uniform")


class HeNormal(VarianceScaling):
    """Truncated normal of variance 2 / fan_in: for relu.

    Notes
    -----
    K. He et al., Delving Deep into Rectifiers, 2015.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.HeNormal())])
    >>> net.get_weights()[0].round(3)
    array([[-0.055, -0.753],
           [ 1.553, -0.461],
           [ 0.624, -1.064],
           [ 1.02 ,  0.455]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal")


class LecunUniform(VarianceScaling):
    """Uniform within ±√(3 / fan_in).

    Notes
    -----
    Y. LeCun et al., Efficient BackProp, 1998.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.LecunUniform())])
    >>> net.get_weights()[0].round(3)
    array([[-0.049, -0.591],
           [ 0.859, -0.394],
           [ 0.51 , -0.739],
           [ 0.722,  0.389]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(1.0, "fan_in", "uniform")


class LecunNormal(VarianceScaling):
    """Truncated normal of variance 1 / fan_in: for selu.

    Notes
    -----
    Y. LeCun et al., Efficient BackProp, 1998.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.LecunNormal())])
    >>> net.get_weights()[0].round(3)
    array([[-0.039, -0.532],
           [ 1.098, -0.326],
           [ 0.441, -0.752],
           [ 0.721,  0.322]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal")


class LectureNormal(VarianceScaling):
    """The lecture's: normal of mean 0 and variance 1 / fan_in, not cut off.

    Notes
    -----
    `VarianceScaling` of scale 1 with "untruncated_normal".

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Input((4,)), bp.Dense(2, kernel_initializer=bp.LectureNormal())])
    >>> net.get_weights()[0].round(3)
    array([[-0.036, -0.499],
           [ 1.32 , -0.302],
           [ 0.411, -0.725],
           [ 0.692,  0.298]], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(1.0, "fan_in", "untruncated_normal")


INITIALIZERS: dict[str, Callable[[], Initializer]] = {
    "zeros": Zeros,
    "zero": Zeros,
    "ones": Ones,
    "one": Ones,
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
    "variance_scaling": VarianceScaling,
}


class _FromFunction(Initializer):
    """A function shape -> array of numbers."""

    def __init__(self, function: Callable[[tuple[int, ...]], Any]) -> None:
        self.function = function

    def __call__(
        self, shape: Sequence[int], *, seed: int, ordinal: int, backend: Any, dtype: str = "float64"
    ) -> np.ndarray:
        """The function's result, in its own dtype."""
        values = np.asarray(self.function(tuple(shape)))
        if values.shape != tuple(shape):
            raise ValueError(f"an initialiser must return the shape {shape}, got {values.shape}")
        return values


def get_initializer(argument: str, initializer: Any) -> Initializer:
    """The initialiser that a name, an instance, a class, or a function shape -> array stands for."""
    if isinstance(initializer, str):
        found: Initializer = look_up_either_way(argument, initializer, INITIALIZERS)()
        return found
    if isinstance(initializer, type) and issubclass(initializer, Initializer):
        return initializer()
    if isinstance(initializer, Initializer):
        return initializer
    if callable(initializer):
        return _FromFunction(initializer)
    raise TypeError(f"{argument} must be a name, an initialiser or a function of the shape, got {initializer!r}")
