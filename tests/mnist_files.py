"""Small files in MNIST's form, for tests."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def write_mnist(folder: Path, rows: tuple[int, int] = (40, 20)) -> dict[str, np.ndarray]:
    """Writes four small files in MNIST's form, the labels' zipped. Returns the arrays. Images show their labels."""
    random, arrays = np.random.default_rng(0), {}
    for part, count in zip(("train", "t10k"), rows, strict=True):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = random.integers(0, 64, (count, 28, 28), dtype=np.uint8)
        images[np.arange(count), labels] = 255
        arrays |= {f"{part}-images-idx3-ubyte": images, f"{part}-labels-idx1-ubyte": labels}
    for name, array in arrays.items():
        zipped = "labels" in name
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    return arrays
