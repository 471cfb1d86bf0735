"""Data to try fastbp on: the 8×8 digits that it ships, MNIST's files where you have them, and a split for both."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._shared.arguments import at_least, known_keywords, real
from .._shared.memory import require_memory

__all__ = ["load_digits", "load_mnist", "stratified_split"]

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]


def load_digits() -> tuple[Bytes, Bytes]:
    """The 1,797 handwritten digits that come with fastbp.

    Returns
    -------
    x : uint8 array of shape (1797, 64)
        Images of 8×8 pixels, row by row, values 0 (paper) to 16 (ink).
    y : uint8 array of shape (1797,)
        The digits, 0 to 9.

    Notes
    -----
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    doi:10.24432/C50P49; the test part, in scikit-learn's order. Licence: CC BY 4.0.

    Examples
    --------
    >>> from fastbp.datasets import load_digits
    >>> x, y = load_digits()
    >>> x.shape, y.shape, int(x.max())
    ((1797, 64), (1797,), 16)
    """
    with resources.files(__name__).joinpath("digits.npz").open("rb") as file, np.load(file, allow_pickle=False) as data:
        return data["x"], data["y"]


def load_mnist(folder: str | os.PathLike[str]) -> tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]:
    """MNIST from its four files, as they are published (``.gz``) or unpacked.

    Parameters
    ----------
    folder : path
        Where ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte`` lie, each with or without ``.gz``. Data sets in the same form (Fashion-MNIST, KMNIST)
        load as well.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: uint8 of shape (images, pixels), for MNIST (60000, 784) and (10000, 784), values 0 to 255;
        y: uint8 of shape (images,), values 0 to 9.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the files is missing; the message names all that are.
    ValueError
        If a file is not in the idx format, is cut short, or its images and labels differ in number.

    Notes
    -----
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-Based Learning Applied to Document Recognition, 1998; the
    format is described with the files. fastbp downloads nothing.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from fastbp.datasets import load_mnist
    >>> with tempfile.TemporaryDirectory() as folder:  # two images of 1×2 pixels, twice
    ...     for part in ("train", "t10k"):
    ...         images, labels = (f"{part}-{what}-ubyte" for what in ("images-idx3", "labels-idx1"))
    ...         sizes = b"".join(size.to_bytes(4, "big") for size in (2, 1, 2))
    ...         _ = pathlib.Path(folder, images).write_bytes(bytes([0, 0, 8, 3]) + sizes + bytes([0, 255, 128, 0]))
    ...         _ = pathlib.Path(folder, labels).write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 3]))
    ...     (x, y), test = load_mnist(folder)
    >>> x, y
    (array([[  0, 255],
           [128,   0]], dtype=uint8), array([7, 3], dtype=uint8))
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"folder must hold MNIST's four files, but there is no folder {str(folder)!r}")
    names = [f"{part}-{what}" for part in ("train", "t10k") for what in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    missing = [name for name in names if _find(folder, name) is None]
    if missing:
        raise FileNotFoundError(f"{str(folder)!r} lacks {', '.join(missing)} (each with or without .gz)")
    train_images, train_labels, test_images, test_labels = (_read_idx(folder, name) for name in names)
    return _pair(train_images, train_labels, "train"), _pair(test_images, test_labels, "t10k")


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _read_idx(folder: Path, name: str) -> Bytes:
    """Reads an idx file: 0, 0, 8 (the code of uint8), the number of axes, each size as a big-endian uint32, bytes."""
    path = _find(folder, name)
    assert path is not None
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is not a whole gzip file: {error}") from None
    axes = 3 if "idx3" in name else 1
    header = 4 + 4 * axes
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) < header:
        raise ValueError(
            f"{path} must begin with the idx header of uint8 data with {axes} axes "
            f"({bytes([0, 0, 8, axes]).hex(' ')}), but begins with {content[:4].hex(' ') or 'nothing'}"
        )
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4))
    size, held = math.prod(shape), len(content) - header
    if held != size:
        raise ValueError(f"{path} must hold {size} bytes of data for its shape {shape}, but holds {held}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _pair(images: Bytes, labels: Bytes, part: str) -> tuple[Bytes, Bytes]:
    if len(images) != len(labels):
        raise ValueError(f"the {part} files must agree, but there are {len(images)} images and {len(labels)} labels")
    return images.reshape(len(images), math.prod(images.shape[1:])), labels


@known_keywords
def stratified_split(y: ArrayLike, fraction: float, seed: int = 0) -> tuple[Indices, Indices]:
    """Indices of rows to keep and rows to hold out, with every class in proportion.

    Parameters
    ----------
    y : array of shape (rows,)
        One class per row; integers or anything else that sorts.
    fraction : float
        The part of each class that is held out, rounded to whole rows (half up); 0 < fraction < 1.
    seed : int
        Of the shuffles. The same seed gives the same split on every machine.

    Returns
    -------
    kept, held_out : int64 arrays, ascending
        Together every index once.

    Raises
    ------
    TypeError
        If the fraction is no number or the seed no whole number.
    ValueError
        If y has not one axis, the fraction does not lie between 0 and 1, or the seed is out of range.

    Notes
    -----
    The rows of the c-th class (in sorted order), shuffled as rule 9 of ``docs/numerics.md`` shuffles a data set in
    epoch c; the first ones are held out.

    Examples
    --------
    >>> from fastbp.datasets import stratified_split
    >>> kept, held_out = stratified_split([0, 0, 0, 0, 1, 1], 0.5)
    >>> len(kept), len(held_out)
    (3, 3)
    """
    labels: NDArray[Any] = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"y must have one axis, a class per row, but has shape {labels.shape}")
    fraction, seed = real("fraction", fraction), at_least("seed", seed, 0, 2**64 - 1)
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    from ..reference.random import shuffle

    require_memory((2 * labels.itemsize + 32) * len(labels))  # sorted labels, and indices of a class and of all rows
    held_out = np.zeros(len(labels), bool)
    for epoch, label in enumerate(np.unique(labels)):
        members = np.flatnonzero(labels == label)
        order = shuffle(seed, epoch, len(members))
        held_out[members[order[: math.floor(fraction * len(members) + 0.5)]]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
