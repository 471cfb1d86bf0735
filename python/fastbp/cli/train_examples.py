"""The commands `fastbp train digits` and `fastbp train mnist`: small networks on real data, from bytes to a hash."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import fastbp as bp

from .._shared.hashing import weights_hash
from ..datasets import load_digits, load_mnist, stratified_split

Data = tuple[NDArray[np.uint8], NDArray[np.uint8]]

SPLIT_SEED = 0  # draws the fifth of the digits that is held out for the test; fixed before anything was tuned


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the trained bits, besides the data and the seed."""

    hidden: int
    scale: float  # the network sees pixels × scale + offset
    offset: float
    input_dropout: float
    dropout: float
    learning_rate: float  # divided by 10 in the last quarter of the epochs
    momentum: float
    weight_decay: float
    batch_size: int
    epochs: int

    def network(self, seed: int) -> bp.Sequential:
        return bp.Sequential(
            [
                bp.Rescaling(self.scale, offset=self.offset),
                bp.Dropout(self.input_dropout),
                bp.Dense(self.hidden, activation="relu"),
                bp.Dropout(self.dropout),
                bp.Dense(10, activation="softmax"),
            ],
            seed=seed,
        )

    def optimizer(self) -> bp.SGD:
        return bp.SGD(self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay)


# Tuned on splits of the training images alone.
DIGITS = Recipe(
    hidden=96, scale=1 / 16, offset=-1.0, input_dropout=0.1, dropout=0.2,
    learning_rate=0.1, momentum=0.9, weight_decay=1e-3, batch_size=64, epochs=8,
)  # fmt: skip
MNIST = Recipe(
    hidden=100, scale=1 / 255, offset=0.0, input_dropout=0.0, dropout=0.2,
    learning_rate=0.05, momentum=0.9, weight_decay=1e-4, batch_size=128, epochs=10,
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    correct: int  # of the test images
    tested: int
    seconds: float  # of `fit` alone
    rows: int  # trained on, over all epochs
    hash: str

    @property
    def accuracy(self) -> float:
        return self.correct / self.tested

    def __str__(self) -> str:
        return (
            f"test accuracy  {100 * self.accuracy:.2f} %  ({self.correct} of {self.tested} images)\n"
            f"time           {self.seconds:.2f} s  ({self.rows / self.seconds:,.0f} rows/s)\n"
            f"weights        SHA-256 {self.hash}"
        )


def digits() -> tuple[Data, Data]:
    """(x, y) to train on and (x, y) for the test: four fifths and one fifth of every digit.

    Values are doubled, 0 to 32. Each training image comes five times: unchanged, and shifted by half a pixel in each
    of four directions.
    """
    x, y = load_digits()
    kept, held_out = stratified_split(y, 0.2, SPLIT_SEED)
    return (_nudged(x[kept]), np.tile(y[kept], 5)), (2 * x[held_out], y[held_out])


def _nudged(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twice the images, and twice the means of each image and its shift by a pixel: (rows, 64) -> (5·rows, 64)."""
    images = x.reshape(-1, 8, 8)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    shifts = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
    nudged = [images + padded[:, 1 + down : 9 + down, 1 + right : 9 + right] for down, right in shifts]
    return np.concatenate(nudged).reshape(-1, 64)


def train(
    recipe: Recipe,
    training: Data,
    test: Data,
    *,
    epochs: int | None = None,
    seed: int = 0,
    backend: str = "core",
    verbose: int | str = 0,
) -> Outcome:
    """Trains the recipe's network once and tests it."""
    network, optimizer = recipe.network(seed), recipe.optimizer()
    network.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"], backend=backend)
    epochs = recipe.epochs if epochs is None else epochs

    def slow_down(epoch: int, logs: object) -> None:
        if epoch == epochs - epochs // 4:
            optimizer.learning_rate = recipe.learning_rate / 10

    start = time.perf_counter()
    network.fit(
        *training,
        batch_size=recipe.batch_size,
        epochs=epochs,
        verbose=verbose,
        callbacks=[bp.LambdaCallback(on_epoch_begin=slow_down)],
    )
    seconds = time.perf_counter() - start
    x, y = test
    correct = int(np.count_nonzero(np.argmax(network.predict(x, verbose=0), axis=1) == y))
    return Outcome(correct, len(y), seconds, epochs * len(training[0]), weights_hash(network.get_weights()))


def main_digits(arguments: argparse.Namespace) -> int:
    """``fastbp train digits``"""
    return _main(DIGITS, *digits(), "digits", arguments)


def main_mnist(arguments: argparse.Namespace) -> int:
    """``fastbp train mnist --data FOLDER``"""
    return _main(MNIST, *load_mnist(arguments.data), "mnist", arguments)


def _main(recipe: Recipe, training: Data, test: Data, name: str, arguments: argparse.Namespace) -> int:
    if arguments.threads is not None:
        bp.set_num_threads(arguments.threads)
    features = training[0].shape[1]
    print(f"{name}: {features}-{recipe.hidden}-10, {len(training[0])} images to train on, {len(test[0])} for the test")
    outcome = train(
        recipe,
        training,
        test,
        epochs=arguments.epochs,
        seed=arguments.seed,
        backend=arguments.backend,
        verbose=0 if arguments.quiet else "auto",
    )
    print(outcome)
    return 0
