"""Nine small networks that together use most kinds of layers, losses, penalties and SGD, and their data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import fastbp as bp
import numpy as np

BATCH = 16
ROWS = 83  # the last batch has 3 rows
FEATURES = 9
CLASSES = 4


class Net(NamedTuple):
    """build(dtype) makes the uncompiled model, settings() the arguments of `compile`, targets(x) the y."""

    build: Callable[[str], bp.Model]
    settings: Callable[[], dict[str, Any]]
    targets: Callable[[np.ndarray], np.ndarray]


def data() -> np.ndarray:
    """Bytes, which most dtypes can hold."""
    return np.random.default_rng(0).integers(0, 256, (ROWS, FEATURES), dtype=np.uint8)


def labels(x: np.ndarray) -> np.ndarray:
    return (x.astype(np.int64).sum(axis=1) % CLASSES).astype(np.uint8)


def one_hot(x: np.ndarray) -> np.ndarray:
    return (labels(x)[:, np.newaxis] == np.arange(CLASSES)).astype(np.uint8)


def bit(x: np.ndarray) -> np.ndarray:
    return (labels(x) % 2).astype(np.uint8)


def numbers(x: np.ndarray) -> np.ndarray:
    return (x[:, :2].astype(np.int16) - x[:, 2:4]).astype(np.int16) // 16


def sequential(*layers: Any, seed: int = 0) -> Callable[[str], bp.Model]:
    def build(dtype: str) -> bp.Model:
        made = [layer() if callable(layer) and not isinstance(layer, bp.Layer) else layer for layer in layers]
        return bp.Sequential([bp.Rescaling(1 / 256, -0.5), *made], seed=seed, dtype=dtype)

    return build


def dense(units: int, activation: str | None = None, **options: Any) -> Callable[[], bp.Layer]:
    return lambda: bp.Dense(units, activation=activation, **options)


def dropout(rate: float, **options: Any) -> Callable[[], bp.Layer]:
    return lambda: bp.Dropout(rate, **options)


def with_a_skip(dtype: str) -> bp.Model:
    x = bp.Input((FEATURES,), name="x")
    scaled = bp.Rescaling(1 / 256)(x)
    hidden = bp.Dense(FEATURES, activation="gelu")(scaled)
    joined = bp.concatenate([scaled + hidden, bp.Dense(5, activation="silu")(hidden)])
    return bp.Model(x, bp.Dense(2)(bp.Dropout(0.25)(joined)), seed=3, dtype=dtype)


def with_a_shared_layer(dtype: str) -> bp.Model:
    x = bp.Input((FEATURES,), name="x")
    scaled = bp.Rescaling(1 / 256)(x)
    shared = bp.Dense(FEATURES, activation="tanh", kernel_regularizer=bp.L2(0.003))
    return bp.Model(x, bp.Dense(1, activation="sigmoid")(shared(shared(scaled))), seed=4, dtype=dtype)


NETS: dict[str, Net] = {
    "dropout and momentum": Net(
        sequential(dense(33, "relu"), dropout(0.5), dense(17, "relu"), dropout(0.1), dense(CLASSES, "softmax")),
        lambda: {"optimizer": bp.SGD(0.1, momentum=0.9), "loss": "categorical_crossentropy", "metrics": ["accuracy"]},
        labels,
    ),
    "half of the nodes, for the whole batch": Net(
        sequential(
            dropout(0.2, exact=True),
            dense(33, "relu"),
            dropout(0.5, per="batch", exact=True, scaling="weights"),
            dense(40, "sigmoid"),
            dropout(0.25, per="batch"),
            dense(CLASSES, "softmax"),
        ),
        lambda: {"optimizer": bp.SGD(0.1, momentum=0.9), "loss": "categorical_crossentropy", "metrics": ["accuracy"]},
        labels,
    ),
    "Nesterov": Net(
        sequential(dense(16, "tanh"), dense(15, "elu"), dense(CLASSES, "softmax"), seed=1),
        lambda: {"optimizer": bp.SGD(0.05, 0.9, nesterov=True), "loss": "categorical_crossentropy"},
        one_hot,
    ),
    "decay": Net(
        sequential(dense(31, "leaky_relu"), dense(CLASSES, "softmax"), seed=2),
        lambda: {"optimizer": bp.SGD(0.2, weight_decay=0.01), "loss": "sparse_categorical_crossentropy"},
        labels,
    ),
    "penalties of layers, decay and momentum": Net(
        sequential(dense(12, "softplus", kernel_regularizer="l1"), dense(1, "sigmoid", bias_regularizer="l2")),
        lambda: {"optimizer": bp.SGD(0.1, 0.5, True, 0.001), "loss": "binary_crossentropy", "metrics": ["mse"]},
        bit,
    ),
    "the lecture's costs and penalties": Net(
        sequential(dense(30, "sigmoid"), dense(CLASSES, "sigmoid"), seed=5),
        lambda: {"optimizer": bp.SGD(0.5), "loss": "cross_entropy", "l1": 0.01, "l2": 0.1, "metrics": ["quadratic"]},
        one_hot,
    ),
    "quadratic, no bias": Net(
        sequential(dense(8, "mish", use_bias=False), dropout(0.3), dense(CLASSES, "hard_sigmoid"), seed=6),
        lambda: {"optimizer": bp.SGD(0.3, momentum=0.5), "loss": "quadratic"},
        one_hot,
    ),
    "a skip": Net(with_a_skip, lambda: {"optimizer": bp.SGD(0.001, 0.9, weight_decay=0.1), "loss": "mse"}, numbers),
    "a layer called twice": Net(
        with_a_shared_layer, lambda: {"optimizer": bp.SGD(0.3, 0.9), "loss": "mean_absolute_error", "l2": 0.5}, bit
    ),
}


def compiled(name: str, dtype: str, backend: str = "core") -> bp.Model:
    net = NETS[name]
    model = net.build(dtype)
    model.compile(**net.settings(), backend=backend)
    return model


def everything_of(model: bp.Model, history: bp.callbacks.History | None = None) -> list[np.ndarray]:
    """The weights, and the figures that `fit` returned."""
    told = [] if history is None else [np.array(history.history[key]) for key in sorted(history.history)]
    return [*model.get_weights(), *told]
