"""Rule 12: the core augments images to the reference's bits, in an array and in `fit`."""

from __future__ import annotations

import itertools
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same, every_isa, everywhere, specials
from fastbp import _core, reference

AFFINE = ("affine", (-15.0, 25.0, 0.1, 0.2, 0.8, 1.1, 5.0, 7.0, 0.25))
FLIP = ("flip", (0.5, 0.5))
ELASTIC = ("elastic", (8.0, 4.0, -0.5))
ROUGH = ("elastic", (3.0, 0.7, 1.0))
WIDE = ("elastic", (200.0, 30.0, 0.0))
POINT = ("elastic", (1.5, 0.001, 0.0))  # a filter of one weight
NOISE = ("noise", (0.3,))
FAR = ("affine", (0.0, 360.0, 100.0, 100.0, 1e-3, 1e3, 44.0, 44.0, 2.0))

KINDS = (AFFINE, FLIP, ELASTIC, NOISE)
PIPELINES: list[list[Any]] = [
    *([step] for step in (*KINDS, ROUGH, WIDE, POINT, FAR)),
    *(list(pair) for pair in itertools.permutations(KINDS, 2)),
    [AFFINE, AFFINE, FLIP],
    [ROUGH, WIDE, ELASTIC],
    [ELASTIC, AFFINE, FLIP, NOISE, AFFINE, NOISE],
    [FLIP, AFFINE, WIDE, FAR, ROUGH],
]
SHAPES = [(1, 1, 1), (1, 9, 2), (5, 7, 1), (28, 28, 1), (33, 40, 3), (3, 131, 1)]


def kinds_of(steps: list[Any]) -> str:
    return "-".join(f"{kind}{numbers[0]:g}" for kind, numbers in steps)


def images(shape: tuple[int, ...], rows: int = 4) -> np.ndarray:
    """Ordinary numbers; one image with negative zeros."""
    x = np.random.default_rng(7).normal(size=(rows, *shape))
    x[0] = np.where(x[0] > 0, x[0], -0.0)
    return x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_core_makes_the_references_images(shape: tuple[int, ...], dtype: str) -> None:
    x = images(shape)
    for steps in PIPELINES:
        options: Any = {"dtype": dtype, "seed": 2**40 + 3, "epoch": 5}
        expected = reference.augmented(x, (steps, shape), **options)
        for _ in every_isa():
            assert_same(_core.augmented(x, (steps, shape), **options), expected, steps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinities_and_nan_spread_alike(dtype: str) -> None:
    special = specials(dtype)
    x = np.resize(special, (5, 11, 9, 1)) * np.where(np.arange(5) % 2, 1, -1)[:, None, None, None]
    for steps in ([AFFINE], [ELASTIC, FLIP], [ROUGH, NOISE]):
        expected = reference.augmented(x, (steps, (11, 9, 1)), dtype=dtype, seed=1, epoch=0)
        for _ in every_isa():
            assert_same(_core.augmented(x, (steps, (11, 9, 1)), dtype=dtype, seed=1, epoch=0), expected, steps)


def test_threads_change_no_bit() -> None:
    steps, shape = [AFFINE, ROUGH, NOISE], (9, 7, 2)
    x = images(shape, 600)  # more than a team augments at a time
    expected = reference.augmented(x, (steps, shape), dtype="float32", seed=4, epoch=1)
    for _ in everywhere():
        assert_same(_core.augmented(x, (steps, shape), dtype="float32", seed=4, epoch=1), expected)


def trained(backend: str, dtype: str, batch_size: int, shuffle: bool, rows: int) -> list[np.ndarray]:
    """Weights and history of two epochs with new images."""
    x, y = images((6, 5, 1), rows)[..., 0], np.arange(rows) % 3
    transform = bp.augment.Compose(
        [bp.augment.RandomAffine(20, (0.1, 0.1)), bp.augment.ElasticTransform(3, 1), bp.augment.GaussianNoise(0.1)]
    )
    net = bp.Sequential([bp.Flatten(), bp.Dense(8, activation="relu"), bp.Dense(3, activation="softmax")], dtype=dtype)
    net.compile(bp.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", backend=backend)
    history = net.fit(x, y, batch_size=batch_size, epochs=2, shuffle=shuffle, verbose=0, augment=transform)
    return [*net.get_weights(), np.array(history.history["loss"])]


@pytest.mark.parametrize(
    ("dtype", "batch_size", "shuffle", "rows"),
    [
        ("float32", 16, True, 50),  # a short last batch
        ("float32", 50, False, 50),  # rows that could be read in place
        ("float32", 300, True, 700),  # the block loop, with a short last block
        ("float64", 300, False, 320),
    ],
)
def test_training_on_new_images_gives_the_references_bits(
    dtype: str, batch_size: int, shuffle: bool, rows: int
) -> None:
    expected = trained("reference", dtype, batch_size, shuffle, rows)
    for _ in everywhere():
        for result, value in zip(trained("core", dtype, batch_size, shuffle, rows), expected):
            assert_same(result, value)
