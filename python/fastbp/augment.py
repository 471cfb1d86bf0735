"""Artificial expansion of training data: new images of every row in every epoch, made when a batch is gathered.

A transform is given to `fit`, or called on an array; both give the same images, to the bit (rule 12 of the numeric
contract).

>>> import numpy as np
>>> import fastbp as bp
>>> five = np.array([[[0, 1, 1], [0, 1, 0], [1, 1, 0]]])
>>> bp.augment.RandomFlip(horizontal=1.0)(five)[0]
array([[1., 1., 0.],
       [0., 1., 0.],
       [0., 1., 1.]], dtype=float32)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._shared.arguments import at_least, finite, known_keywords, real
from ._shared.known_attributes import KnownAttributes
from ._shared.memory import require_memory
from .lowering.arrays import as_array, common_rows
from .lowering.backends import dtype_name, get_backend

__all__ = ["Transform", "RandomAffine", "ElasticTransform", "GaussianNoise", "RandomFlip", "Compose", "expand"]

Shape = tuple[int, ...]
Step = tuple[str, tuple[float, ...]]

LEAST_SIGMA, MOST_SIGMA = 1e-3, 1e4


class Transform(KnownAttributes):
    """Base of all transforms: they are called on images, and `fit` takes them as ``augment``.

    Parameters
    ----------
    image_shape : (height, width) or (height, width, channels), optional
        Of the image that a row is. Default None: the axes of the data behind the rows.

    Notes
    -----
    Every image has random numbers of its own, by its row in the data set and the epoch: they depend on no other image,
    and on no number of threads. Transforms that map positions (affine, flips, an elastic distortion) and follow each
    other in a `Compose` are composed first, so that an image is interpolated once, bilinearly.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> noisy = bp.augment.GaussianNoise(0.1, image_shape=(28, 28))
    >>> isinstance(noisy, bp.augment.Transform), noisy(np.zeros((5, 784))).shape
    (True, (5, 784))
    """

    def __init__(self, image_shape: Any = None) -> None:
        self.image_shape = None if image_shape is None else _image_shape(image_shape)

    def steps(self) -> list[Step]:
        """The transforms as the backends take them: (kind, numbers) of rule 12."""
        raise NotImplementedError(f"{type(self).__name__} has no steps: use the transforms of bp.augment")

    def __call__(
        self, x: Any, seed: int = 0, epoch: int = 0, backend: str = "core", dtype: Any = "float32"
    ) -> np.ndarray:
        """The images, transformed: what `fit` sees of these rows in that epoch.

        Parameters
        ----------
        x : array of shape (rows, height, width), (rows, height, width, channels), or (rows, features)
            Any real dtype; the values are not scaled.
        seed : int
            The model's, for what its `fit` sees. Default 0.
        epoch : int
            Counted from 0, over all calls of `fit`. Default 0.
        backend : {"core", "reference"}
            Both give the same bits. Default "core".
        dtype : {"float32", "float64"}
            Of the arithmetic and the result. Default "float32".

        Returns
        -------
        array
            New, of the shape of `x`.

        Raises
        ------
        ValueError, TypeError
            For data or arguments that do not fit.
        """
        seed, epoch = at_least("seed", seed, 0, 2**64 - 1), at_least("epoch", epoch, 0, 2**32 - 1)
        dtype = dtype_name(dtype)
        images = as_array(x, "x", dtype)
        request = self.request("x", images.shape[1:])
        augmented: np.ndarray = get_backend(backend).augmented(images, request, dtype=dtype, seed=seed, epoch=epoch)
        return augmented

    def request(self, name: str, dims: Shape) -> tuple[list[Step], Shape]:
        """The steps and (height, width, channels) for rows of this shape; `name` is the data's name in messages."""
        shape = self.image_shape
        if shape is None:
            if len(dims) not in (2, 3):
                raise ValueError(
                    "image_shape must be given, (height, width) or (height, width, channels): "
                    f"{name} has rows of shape {dims}, which do not tell"
                )
            shape = dims
        shape = shape if len(shape) == 3 else (*shape, 1)
        if int(np.prod(shape, dtype=np.int64)) != int(np.prod(dims, dtype=np.int64)) or (
            len(dims) > 1 and (dims if len(dims) == 3 else (*dims, 1)) != shape
        ):
            raise ValueError(f"image_shape is {self.image_shape}, but {name} has rows of shape {dims}")
        if min(shape) < 1:
            raise ValueError(f"{name} must hold images of at least 1 pixel, got rows of shape {dims}")
        return self.steps(), shape

    def _arguments(self) -> dict[str, Any]:
        own = {key: value for key, value in vars(self).items() if key != "image_shape"}
        return own if self.image_shape is None else {**own, "image_shape": self.image_shape}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self._arguments().items())})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class RandomAffine(Transform):
    """Turns, shifts, scales and shears images about their centre, each by random amounts.

    Parameters
    ----------
    degrees : float or (low, high)
        The angle of the turn, counter-clockwise (to the left); a number is ``(-degrees, degrees)``. Default 0.
    translate : (x, y), optional
        The largest shifts, as shares of width and height. Default None: no shift.
    scale : (low, high), optional
        The factor of the size. Default None: 1.
    shear : float or (x, y), optional
        The largest angles of the shear along x and along y, in degrees; a number is along x alone. Default None: none.
    fill : float
        What is beyond the image's edges. Default 0.
    image_shape : (height, width) or (height, width, channels), optional
        Of the image that a row is. Default None: the axes of the data behind the rows.

    Raises
    ------
    TypeError, ValueError
        For arguments that are no numbers, or out of their range.

    Notes
    -----
    All amounts are uniform. With p = (x, y) from the centre, y pointing down, a point of the image goes to
    scale · R(angle) · S · p + shift, S being [[1, tan a], [tan b, 1]] and R the turn. The names are those of
    torchvision's ``RandomAffine``, whose angles go clockwise.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.augment.RandomAffine(15, translate=(0.1, 0.1), scale=(0.9, 1.1))
    RandomAffine(degrees=(-15.0, 15.0), translate=(0.1, 0.1), scale=(0.9, 1.1), shear=(0.0, 0.0), fill=0.0)
    """

    @known_keywords
    def __init__(
        self,
        degrees: Any = 0.0,
        translate: Any = None,
        scale: Any = None,
        shear: Any = None,
        fill: float = 0.0,
        image_shape: Any = None,
    ) -> None:
        super().__init__(image_shape)
        if _is_pair(degrees):
            self.degrees = _pair("degrees", degrees, "(low, high)")
        else:
            most = finite("degrees", degrees)
            self.degrees = (-most, most)
        if self.degrees[0] > self.degrees[1]:
            raise ValueError(f"degrees must be (low, high) with low at most high, got {self.degrees}")
        self.translate = (0.0, 0.0) if translate is None else _pair("translate", translate, "(x, y)")
        if min(self.translate) < 0:
            raise ValueError(f"translate must be shares of at least 0, got {self.translate}")
        self.scale = (1.0, 1.0) if scale is None else _pair("scale", scale, "(low, high)")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must be (low, high) with 0 < low ≤ high, got {self.scale}")
        self.shear = (0.0, 0.0)
        if shear is not None:
            self.shear = _pair("shear", shear, "(x, y)") if _is_pair(shear) else (finite("shear", shear), 0.0)
        if min(self.shear) < 0 or not self.shear[0] + self.shear[1] < 90:
            raise ValueError(f"shear must be angles of at least 0, together below 90 degrees, got {self.shear}")
        self.fill = _number("fill", fill)

    def steps(self) -> list[Step]:
        """As `Transform.steps`."""
        return [("affine", (*self.degrees, *self.translate, *self.scale, *self.shear, self.fill))]


class ElasticTransform(Transform):
    """Moves every pixel by a smooth random field.

    Parameters
    ----------
    alpha : float
        How strongly: the field, before it is smoothed, is uniform between −alpha and alpha pixels.
    sigma : float
        How smoothly: the standard deviation of the Gaussian filter in pixels, 0.001 to 10000.
    fill : float
        What is beyond the image's edges. Default 0.
    image_shape : (height, width) or (height, width, channels), optional
        Of the image that a row is. Default None: the axes of the data behind the rows.

    Raises
    ------
    TypeError, ValueError
        For arguments that are no numbers, or out of their range.

    Notes
    -----
    P. Y. Simard, D. Steinkraus and J. C. Platt, "Best practices for convolutional neural networks applied to visual
    document analysis", ICDAR 2003; for MNIST they take sigma = 4 and alpha = 34. The filter ends at four standard
    deviations, and the field is zero beyond the image's edges.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.augment.ElasticTransform(alpha=34, sigma=4)
    ElasticTransform(alpha=34.0, sigma=4.0, fill=0.0)
    """

    @known_keywords
    def __init__(self, alpha: float, sigma: float, fill: float = 0.0, image_shape: Any = None) -> None:
        super().__init__(image_shape)
        self.alpha, self.sigma, self.fill = finite("alpha", alpha), real("sigma", sigma), _number("fill", fill)
        if not LEAST_SIGMA <= self.sigma <= MOST_SIGMA:
            raise ValueError(f"sigma must be {LEAST_SIGMA} to {MOST_SIGMA:.0f} pixels, got {self.sigma}")

    def steps(self) -> list[Step]:
        """As `Transform.steps`."""
        return [("elastic", (self.alpha, self.sigma, self.fill))]


class GaussianNoise(Transform):
    """Adds a normal random number to every element.

    Parameters
    ----------
    stddev : float
        The standard deviation, at least 0.
    image_shape : (height, width) or (height, width, channels), optional
        Of the image that a row is. Default None: the axes of the data behind the rows.

    Raises
    ------
    TypeError, ValueError
        If the standard deviation is no number, negative or not finite.

    Notes
    -----
    Nothing is clipped. C. M. Bishop, Training with Noise is Equivalent to Tikhonov Regularization, 1995.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.augment.GaussianNoise(0.1)
    GaussianNoise(stddev=0.1)
    """

    @known_keywords
    def __init__(self, stddev: float, image_shape: Any = None) -> None:
        super().__init__(image_shape)
        self.stddev = finite("stddev", stddev)

    def steps(self) -> list[Step]:
        """As `Transform.steps`."""
        return [("noise", (self.stddev,))]


class RandomFlip(Transform):
    """Changes left and right, or top and bottom, with given probabilities.

    Parameters
    ----------
    horizontal : float
        The probability that left and right change places, 0 to 1. Default 0.5.
    vertical : float
        The probability that top and bottom do. Default 0.
    image_shape : (height, width) or (height, width, channels), optional
        Of the image that a row is. Default None: the axes of the data behind the rows.

    Raises
    ------
    TypeError, ValueError
        For probabilities that are none.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.augment.RandomFlip()
    RandomFlip(horizontal=0.5, vertical=0.0)
    """

    @known_keywords
    def __init__(self, horizontal: float = 0.5, vertical: float = 0.0, image_shape: Any = None) -> None:
        super().__init__(image_shape)
        self.horizontal, self.vertical = _probability("horizontal", horizontal), _probability("vertical", vertical)

    def steps(self) -> list[Step]:
        """As `Transform.steps`."""
        return [("flip", (self.horizontal, self.vertical))]


class Compose(Transform):
    """Transforms, one after the other.

    Parameters
    ----------
    transforms : list of Transform
        In the order in which they act; one that is there several times has random numbers of its own each time.
    image_shape : (height, width) or (height, width, channels), optional
        Of the image that a row is. Default None: what the transforms say, else the axes of the data behind the rows.

    Raises
    ------
    TypeError
        For a list of anything else.
    ValueError
        For an empty list, or transforms of different image shapes.

    Examples
    --------
    >>> import fastbp as bp
    >>> transform = bp.augment.Compose(
    ...     [bp.augment.RandomAffine(15), bp.augment.ElasticTransform(34, 4)], image_shape=(28, 28)
    ... )
    >>> [kind for kind, numbers in transform.steps()]
    ['affine', 'elastic']
    """

    @known_keywords
    def __init__(self, transforms: Sequence[Transform], image_shape: Any = None) -> None:
        if not isinstance(transforms, (list, tuple)):
            raise TypeError(f"transforms must be a list of transforms, got {type(transforms).__name__}")
        for transform in transforms:
            _checked(transform, "transforms must be a list of transforms of bp.augment")
        if not transforms:
            raise ValueError("transforms must be a list of at least 1 transform, got none")
        super().__init__(image_shape)
        self.transforms = list(transforms)
        for shape in (transform.image_shape for transform in transforms if transform.image_shape is not None):
            if self.image_shape is None:
                self.image_shape = shape
            elif self.image_shape != shape:
                raise ValueError(f"image_shape must be one for all transforms, got {self.image_shape} and {shape}")

    def steps(self) -> list[Step]:
        """As `Transform.steps`: those of all transforms."""
        return [step for transform in self.transforms for step in transform.steps()]


@known_keywords
def expand(
    x: Any,
    y: Any,
    transform: Transform,
    copies: int = 1,
    seed: int = 0,
    backend: str = "core",
    dtype: Any = "float32",
) -> tuple[np.ndarray, Any]:
    """A larger data set to store or to look at: the images as they are, then transformed copies of all of them.

    Parameters
    ----------
    x : array of shape (rows, height, width), (rows, height, width, channels), or (rows, features)
        Any real dtype; the values are not scaled.
    y : array, or tuple of arrays
        What belongs to the rows: labels, or labels and sample weights, and so on.
    transform : Transform
    copies : int
        How many of each image, at least 0; copy c is what `fit` with this seed sees in epoch c. Default 1.
    seed : int
        Default 0.
    backend : {"core", "reference"}
        Both give the same bits. Default "core".
    dtype : {"float32", "float64"}
        Of the arithmetic and the images. Default "float32".

    Returns
    -------
    x : array of shape ((1 + copies)·rows, …)
    y : array, or tuple of arrays
        As many rows, row by row what belongs to the image.

    Raises
    ------
    ValueError, TypeError
        For data or arguments that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> x, labels = np.eye(4).reshape(2, 2, 4), [3, 8]
    >>> images, labels = bp.augment.expand(x, labels, bp.augment.RandomFlip(), copies=2)
    >>> images.shape, labels
    ((6, 2, 4), array([3, 8, 3, 8, 3, 8]))
    """
    _checked(transform, "transform must be a transform of bp.augment")
    copies = at_least("copies", copies, 0, 2**32 - 1)
    dtype = dtype_name(dtype)
    images = as_array(x, "x", dtype)
    others = [np.asarray(other) for other in (y if isinstance(y, tuple) else (y,))]
    names = [f"y[{i}]" for i in range(len(others))] if isinstance(y, tuple) else ["y"]
    for other, name in zip(others, names):
        if other.ndim == 0:
            raise ValueError(f"{name} must have an axis of rows, got a single {other.dtype}")
    rows = common_rows([images, *others], ["x", *names])
    transform.request("x", images.shape[1:])
    repeats = 1 + copies
    numbers = (repeats + min(copies, 1)) * math.prod(images.shape)  # the images and one transform's
    require_memory(numbers * np.dtype(dtype).itemsize + repeats * sum(other.nbytes for other in others))
    expanded = np.empty(((1 + copies) * rows, *images.shape[1:]), dtype)
    expanded[:rows] = images
    for copy in range(copies):
        expanded[(1 + copy) * rows : (2 + copy) * rows] = transform(images, seed, copy, backend, dtype)
    repeated = tuple(np.concatenate([other] * (1 + copies)) for other in others)
    return expanded, repeated if isinstance(y, tuple) else repeated[0]


def _checked(value: Any, what: str) -> Transform:
    if not isinstance(value, Transform):
        raise TypeError(f"{what}, got {value!r}")
    return value


def _image_shape(value: Any) -> Shape:
    if not isinstance(value, (list, tuple)) or len(value) not in (2, 3):
        raise TypeError(f"image_shape must be (height, width) or (height, width, channels), got {value!r}")
    return tuple(at_least("image_shape", size, 1, 2**20) for size in value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) > 0


def _pair(argument: str, value: Any, what: str) -> tuple[float, float]:
    if not _is_pair(value) or len(value) != 2:
        raise TypeError(f"{argument} must be {what}, got {value!r}")
    return _number(argument, value[0]), _number(argument, value[1])


def _number(argument: str, value: Any) -> float:
    """`value` as a finite number."""
    number = real(argument, value)
    if not -float("inf") < number < float("inf"):
        raise ValueError(f"{argument} must be finite, got {number}")
    return number


def _probability(argument: str, value: Any) -> float:
    number = real(argument, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{argument} must be a probability, 0 to 1, got {number}")
    return number
