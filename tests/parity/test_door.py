"""The public interface: all activations, losses, optimisers and forms of data give equal bits in both backends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from compare import THREADS, assert_same, every_isa, finite, values
from fastbp import _core
from fastbp.activations import ACTIVATIONS
from fastbp.losses import LOSSES
from fastbp.optimizers import OPTIMIZERS
from layouts import DTYPES, LAYOUTS, draw

ROWS = (0, 1, 7, 129)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def assert_functions_are_same(make: Callable[[str], Any], calls: list[tuple[np.ndarray, ...]], what: object) -> None:
    """The function that `make` builds for each backend gives equal results for all calls, on every instruction set."""
    expected = [flat(make("reference")(*arrays)) for arrays in calls]
    _core.testing.share_always(True)
    for number, _ in enumerate(every_isa()):
        core = make("core")
        for arrays, twin in zip(calls, expected):
            _core.set_num_threads(THREADS[(number + len(arrays[0])) % len(THREADS)])
            for result, value in zip(flat(core(*arrays)), twin):
                assert_same(result, value, (what, len(arrays[0])))


def flat(result: Any) -> list[np.ndarray]:
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in flat(part)]
    return [np.asarray(result)]


# --- activations and functions


@both_dtypes
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_and_their_gradients(name: str, dtype: str) -> None:
    x, g = bp.input("x"), bp.input("g")
    value = ACTIVATIONS[name](x)
    cost = bp.sum(value * g)

    def make(backend: str) -> Callable[..., Any]:
        alone = bp.function([x, g], value, dtype=dtype, backend=backend)
        all_of_it = bp.function([x, g], cost, gradients=[x, value], dtype=dtype, backend=backend)
        return lambda *arrays: [alone(*arrays), all_of_it(*arrays)]

    shapes = [(rows, width) for rows, width in itertools.product(ROWS, (1, 17))] + [(6, 2, 5)]
    calls = [(data(shape, dtype, 1), data(shape, dtype, 2)) for shape in shapes for data in (finite, values)]
    assert_functions_are_same(make, calls, name)


# --- losses


def targets_for(name: str, rows: int, outputs: int) -> Iterator[np.ndarray]:
    """Every form of targets that a loss takes."""
    random = np.random.default_rng(outputs)
    labels = random.integers(0, outputs, rows)
    one_hot = (labels[:, np.newaxis] == np.arange(outputs)).astype(np.uint8)
    if "categorical" in name:
        yield labels
        yield labels.astype(np.uint8).reshape(-1, 1)
    if "sparse" not in name:
        yield one_hot
        yield random.random((rows, outputs))
        if outputs == 1:
            yield random.random(rows)


OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "softmax": bp.softmax,
    "sigmoid": bp.sigmoid,
    "abs": lambda z: bp.abs(z) * 0.125,
    "concatenated": lambda z: bp.sigmoid(bp.concatenate([z[:, :1], 2.0 * z[:, 1:]])),
}


@both_dtypes
@pytest.mark.parametrize("output", sorted(OUTPUTS))
@pytest.mark.parametrize("name", sorted({loss.__name__ for loss in LOSSES.values()}))
def test_losses_and_their_gradients(name: str, output: str, dtype: str) -> None:
    for rows, outputs in ((1, 2), (7, 1), (9, 33), (129, 1), (129, 10), (261, 3)):
        for target in targets_for(name, rows, outputs):
            y, z = bp.input("y"), bp.input("z")
            prediction = OUTPUTS[output](z)
            loss = LOSSES[name](y, prediction)

            def make(backend: str, y: Any = y, z: Any = z, p: Any = prediction, loss: Any = loss) -> Any:
                return bp.function([y, z], loss, gradients=[z, p], dtype=dtype, backend=backend)

            logits = [data((rows, outputs), dtype, 3) for data in ((finite, values) if rows < 20 else (finite,))]
            assert_functions_are_same(make, [(target, z) for z in logits], (name, output, target.shape))


# --- optimisers


def settings(name: str) -> Iterator[dict[str, Any]]:
    own: dict[str, list[dict[str, Any]]] = {
        "sgd": [{"momentum": m, "nesterov": n} for m, n in itertools.product((0.0, 0.9), (False, True))],
        "adagrad": [{}, {"initial_accumulator_value": 0.0, "epsilon": 1e-12}],
        "rmsprop": [{"momentum": m, "centered": c} for m, c in itertools.product((0.0, 0.9), (False, True))],
        "adam": [{"amsgrad": False}, {"amsgrad": True, "beta_1": 0.5}],
        "adamw": [{"weight_decay": 0.1}],
        "nadam": [{}, {"beta_2": 0.9}],
        "lion": [{}, {"beta_1": 0.5}],
    }
    common: list[dict[str, Any]] = [
        {"weight_decay": 0.007},
        {"clipvalue": 0.01, "use_ema": True, "ema_overwrite_frequency": 3},
        {"clipnorm": 0.1, "gradient_accumulation_steps": 3},
        {"global_clipnorm": 0.1, "gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.5},
        {"learning_rate": bp.Warmup(bp.CosineDecayRestarts(0.1, 3), 2)},
        {"learning_rate": lambda update: 0.1 / (1 + update), "clipvalue": 0.05, "gradient_accumulation_steps": 4},
        {"learning_rate": 0.0},
    ]
    for options in own[name]:
        yield {"learning_rate": 0.17, **options}
    for options in common:
        yield {"learning_rate": 0.17, **own[name][-1], **options}


@both_dtypes
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimisers(name: str, dtype: str) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(53, 7)), random.normal(size=(53, 3))

    def trained(backend: str, options: dict[str, Any]) -> list[np.ndarray]:
        first = bp.Dense(19, activation="tanh", learning_rate_multiplier=0.3, weight_decay_multiplier=2.0)
        net = bp.Sequential([first, bp.Dense(3)], dtype=dtype)
        net.compile(OPTIMIZERS[name](**options), loss="mse", backend=backend)
        figures = [np.float64(net.train_on_batch(x[:10], y[:10]))]
        history = net.fit(x, y, batch_size=16, epochs=2, verbose=0)
        figures += [np.float64(net.train_on_batch(x, y)), np.float64(net.evaluate(x, y, batch_size=20))]
        return [*net.get_weights(), *figures, np.array(history.history["loss"])]

    for options in settings(name):
        expected = trained("reference", options)
        _core.testing.share_always(True)
        for number, _ in enumerate(every_isa()):
            _core.set_num_threads(THREADS[number % len(THREADS)])
            for result, value in zip(trained("core", options), expected):
                assert_same(result, value, options)


# --- forms of data


@pytest.mark.parametrize("source", [*DTYPES, ">f4", ">f8", ">i4"])
@both_dtypes
def test_any_dtype_and_layout_of_the_data(dtype: str, source: str) -> None:
    random = np.random.default_rng(1)
    x, y = bp.input("x"), bp.input("y")
    w = bp.parameter(random.normal(size=(5, 4)), name="w")
    cost = bp.mean(bp.square(bp.tanh(x @ w) - y))
    for rows in (0, 1, 131):
        plain = draw((rows, 5), source, random), draw((rows, 4), source, random)
        functions = [
            bp.function([x, y], cost, [w, x], dtype=dtype, backend=backend) for backend in ("reference", "core")
        ]
        expected = flat(functions[0](*(array.astype(dtype) for array in plain)))
        for name, layout in LAYOUTS.items():
            for function in functions:
                for result, value in zip(flat(function(*map(layout, plain))), expected):
                    assert_same(result, value, (name, rows))
