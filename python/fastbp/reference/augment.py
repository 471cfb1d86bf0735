"""Artificial expansion of training data (rule 12): affine maps, flips, elastic distortion and noise, drawn by row.

P. Y. Simard, D. Steinkraus and J. C. Platt, "Best practices for convolutional neural networks applied to visual
document analysis", ICDAR 2003.

Every geometric transform maps a pixel of its output to a position in its input. Transforms that follow each other are
composed first, so that an image is interpolated once; an elastic distortion ends such a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastbp.reference import random
from fastbp.reference.fma import fma
from fastbp.reference.functions import cos, exp, sin
from fastbp.reference.inputs import round_to
from fastbp.reference.memory import require_memory

RADIANS = 0.017453292519943295  # per degree
WORK_BYTES = 240  # a pixel and channel, at the peak of the steps, with MARGIN pixels along both axes
MARGIN = 5
TRUNCATE = 4.0  # a Gaussian's radius in standard deviations, as in scipy.ndimage


class Step(NamedTuple):
    """One transform of a pipeline; its place in the pipeline is the ordinal of its random numbers.

    numbers, by kind:
    affine: [degrees low, high; translate x, y (shares of width, height); scale low, high; shear x, y (degrees); fill]
    flip: [probability of left-right, of upside-down]
    elastic: [alpha (pixels), sigma (pixels), fill]
    noise: [standard deviation]
    """

    kind: str
    numbers: tuple[float, ...]


class _Stream(NamedTuple):
    """The random numbers of one step: the seed, and the counter's words except the block."""

    seed: int
    row_ids: np.ndarray
    stream: int
    counter: int

    def words(self, blocks: int) -> np.ndarray:
        """(rows, blocks, 4) words of 32 bits."""
        block = np.arange(blocks)[np.newaxis, :]
        return random._blocks(self.seed, block, self.row_ids[:, np.newaxis], self.stream, self.counter)

    def uniform(self, n: int) -> np.ndarray:
        """(rows, n) uniform numbers in [0, 1) of the step's stream, as rule 9 makes them."""
        pairs = self.words(-(-n // 2)).reshape(len(self.row_ids), -1, 2).astype(np.uint64)
        long_words = (pairs[..., 0] << np.uint64(32)) | pairs[..., 1]
        return (long_words[:, :n] >> np.uint64(11)).astype(np.float64) * 2.0**-53


def augment(
    images: np.ndarray, steps: Sequence[Step], seed: int, row_ids: np.ndarray, purpose: int, counter: int
) -> np.ndarray:
    """(rows, height, width, channels) -> the same shape and dtype, float32 or float64."""
    rows, height, width, channels = images.shape
    require_memory(WORK_BYTES * rows * (height + MARGIN) * (width + MARGIN) * channels)
    row_ids = np.asarray(row_ids, np.int64)
    identity = np.broadcast_to(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), (rows, 2, 3))
    matrix, fill, is_pending = identity, 0.0, False
    with np.errstate(all="ignore"):
        for ordinal, step in enumerate(steps):
            stream = _Stream(seed, row_ids, random.stream_of(purpose, ordinal), counter)
            if step.kind in ("affine", "flip"):
                if step.kind == "affine":
                    fill = step.numbers[8]
                of_step = (affine_matrix if step.kind == "affine" else flip_matrix)(step.numbers, stream, height, width)
                matrix, is_pending = compose(matrix, of_step), True
                continue
            displacement = None
            if step.kind == "elastic":
                _, sigma, fill = step.numbers
                displacement = displacements(sigma, stream, height, width, images.dtype)
            if step.kind == "elastic" or is_pending:
                images = sample(images, matrix, displacement, step.numbers[0], fill)
                matrix, fill, is_pending = identity, 0.0, False
            if step.kind == "noise":
                images = images + noise(step.numbers[0], stream, images)
        return sample(images, matrix, None, 0.0, fill) if is_pending else images


def affine_matrix(numbers: Sequence[float], stream: _Stream, height: int, width: int) -> np.ndarray:
    """(rows, 2, 3), float64: (y, x, 1) of a pixel of the output -> (y, x) in the input.

    The input is sheared, turned (counter-clockwise as one looks at it: y points down) and scaled about the image's
    centre, then shifted; the matrix is the inverse of that.
    """
    low, high, share_x, share_y, smallest, largest, most_x, most_y, _ = numbers
    u = stream.uniform(6)
    turn = (low + (high - low) * u[:, 0]) * RADIANS
    shift_x = (share_x * width) * (2.0 * u[:, 1] - 1.0)
    shift_y = (share_y * height) * (2.0 * u[:, 2] - 1.0)
    scale = smallest + (largest - smallest) * u[:, 3]
    shear_x = (most_x * (2.0 * u[:, 4] - 1.0)) * RADIANS
    shear_y = (most_y * (2.0 * u[:, 5] - 1.0)) * RADIANS
    c, s = cos(turn), sin(turn)
    along_x, along_y = sin(shear_x) / cos(shear_x), sin(shear_y) / cos(shear_y)
    unit = (1.0 - along_x * along_y) * scale
    yy, yx = (c + along_y * s) / unit, (s - along_y * c) / unit
    xy, xx = (-s - along_x * c) / unit, (c - along_x * s) / unit
    centre_y, centre_x = 0.5 * (height - 1), 0.5 * (width - 1)
    from_y, from_x = centre_y + shift_y, centre_x + shift_x
    return np.stack(
        [
            np.stack([yy, yx, centre_y - (yy * from_y + yx * from_x)], axis=-1),
            np.stack([xy, xx, centre_x - (xy * from_y + xx * from_x)], axis=-1),
        ],
        axis=1,
    )


def flip_matrix(numbers: Sequence[float], stream: _Stream, height: int, width: int) -> np.ndarray:
    """(rows, 2, 3) as `affine_matrix`; `numbers`: how probably left and right, and top and bottom, change places."""
    u = stream.uniform(2)
    matrix = np.zeros((len(u), 2, 3))
    for axis, size, flipped in ((0, height, u[:, 1] < numbers[1]), (1, width, u[:, 0] < numbers[0])):
        matrix[:, axis, axis] = np.where(flipped, -1.0, 1.0)
        matrix[:, axis, 2] = np.where(flipped, size - 1.0, 0.0)
    return matrix


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The matrix of ``outer(inner(p))``."""
    o, i = outer[:, :, :, np.newaxis], inner[:, np.newaxis, :, :]
    product = o[:, :, 0] * i[:, :, 0] + o[:, :, 1] * i[:, :, 1]
    product[:, :, 2] = product[:, :, 2] + outer[:, :, 2]
    return product


def gaussian(sigma: float, most: int) -> np.ndarray:
    """The weights of a Gaussian filter, float64. Their sum is about 1 before they are cut to `most` on each side."""
    radius = min(int(TRUNCATE * sigma + 0.5), most)
    k = np.arange(-int(TRUNCATE * sigma + 0.5), int(TRUNCATE * sigma + 0.5) + 1, dtype=np.float64)
    weights = exp(k * k * (-0.5 / (sigma * sigma)))
    total = 0.0
    for weight in weights:
        total += weight
    middle = len(k) // 2
    return (weights / total)[middle - radius : middle + radius + 1]


def displacements(sigma: float, stream: _Stream, height: int, width: int, dtype: np.dtype) -> np.ndarray:
    """(rows, 2, height, width): y and x of smooth random fields, uniform in [-1, 1) before a Gaussian filter.

    Pixel e has word 2 (e mod 2) of block e ÷ 2 for y, the next one for x. The filter sums along y, then along x, by
    chains of fma over ascending neighbours; neighbours beyond the edges are +0.
    """
    pixels = height * width
    words = stream.words(-(-pixels // 2)).reshape(-1, 4 * (-(-pixels // 2)) // 2, 2)[:, :pixels]
    field = (words >> 8).astype(dtype) * dtype.type(2.0**-23) - dtype.type(1)
    field = np.moveaxis(field, 2, 1).reshape(-1, 2, height, width)
    for axis, size in ((2, height), (3, width)):
        weights = gaussian(sigma, size - 1).astype(dtype)
        radius = len(weights) // 2
        padded = np.pad(field, [(radius, radius) if a == axis else (0, 0) for a in range(4)])
        field = np.zeros_like(field)
        for k, weight in enumerate(weights):
            part = padded[:, :, k : k + size] if axis == 2 else padded[:, :, :, k : k + size]
            field = fma(weight, part, field)
    return field


def sample(
    images: np.ndarray, matrix: np.ndarray, displacement: np.ndarray | None, alpha: float, fill: float
) -> np.ndarray:
    """Interpolates every image bilinearly where the matrix takes the displaced pixels; `fill` lies beyond its edges."""
    rows, height, width, channels = images.shape
    dtype = images.dtype
    m = matrix.astype(dtype)[:, :, :, np.newaxis, np.newaxis]
    y = np.broadcast_to(np.arange(height, dtype=dtype)[:, np.newaxis], (rows, height, width))
    x = np.broadcast_to(np.arange(width, dtype=dtype), (rows, height, width))
    if displacement is not None:
        y, x = (fma(dtype.type(alpha), displacement[:, axis], p) for axis, p in enumerate((y, x)))
    top, dy = _cell(fma(m[:, 0, 1], x, fma(m[:, 0, 0], y, m[:, 0, 2])), height)
    left, dx = _cell(fma(m[:, 1, 1], x, fma(m[:, 1, 0], y, m[:, 1, 2])), width)
    padded = np.full((rows, height + 5, width + 5, channels), fill, dtype)  # two pixels before, three behind
    padded[:, 2:-3, 2:-3] = images
    row = np.arange(rows)[:, np.newaxis, np.newaxis]

    def at(i: int, j: int) -> np.ndarray:
        return padded[row, top + 2 + i, left + 2 + j]

    dy, dx = dy[..., np.newaxis], dx[..., np.newaxis]
    upper = fma(dx, at(0, 1) - at(0, 0), at(0, 0))
    lower = fma(dx, at(1, 1) - at(1, 0), at(1, 0))
    return fma(dy, lower - upper, upper)


def _cell(position: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A position's floor and the rest, after it was brought within -2 … size + 1 (NaN: -2)."""
    dtype = position.dtype.type
    position = np.where(position > dtype(-2), position, dtype(-2))
    position = np.where(position < dtype(size + 1), position, dtype(size + 1))
    pixel = np.floor(position)
    return pixel.astype(np.int64), position - pixel


def noise(deviation: float, stream: _Stream, images: np.ndarray) -> np.ndarray:
    """Normal numbers times the deviation in float64, rounded once; element e of an image takes the stream's e-th."""
    n = int(np.prod(images.shape[1:], dtype=np.int64))
    p = stream.uniform(n) + 2.0**-54
    most = 1.0 - 2.0**-53
    normal = random.normal_quantile(np.where(p < most, p, most))
    return (deviation * normal).astype(images.dtype).reshape(images.shape)


def augmented(
    x: np.ndarray,
    augment: tuple[Sequence[tuple[str, Sequence[float]]], Sequence[int]],
    *,
    dtype: str,
    seed: int,
    epoch: int,
) -> np.ndarray:
    """The rows of x as a `fit` with these (steps, (height, width, channels)) sees them in that epoch: a new array."""
    x = round_to(np.asarray(x), np.dtype(dtype))
    return augment_rows(x, augment, seed, np.arange(len(x)), epoch)


def augment_rows(x: np.ndarray, request: Any, seed: int, row_ids: np.ndarray, epoch: int) -> np.ndarray:
    """`augment` for rows of any shape, each of which is an image."""
    steps, shape = request
    images = x.reshape(len(x), *shape)
    steps = [Step(kind, tuple(numbers)) for kind, numbers in steps]
    return augment(images, steps, seed, row_ids, random.AUGMENTATION, epoch).reshape(x.shape)
