"""Sizes of any magnitude end in MemoryError or ValueError, at once; nothing ends the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core, reference

CAMPAIGN = Path(__file__).resolve().parents[2] / "tools" / "campaigns" / "sizes.py"


def predict(features: int, units: int, dtype: str = "float32", backend: str = "core") -> Any:
    net = bp.Sequential([bp.Input((features,)), bp.Dense(units)], dtype=dtype)
    net.compile(loss="mse", backend=backend)
    return net.predict(np.ones((2, features)))


@pytest.mark.parametrize("backend", ["core", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("features", "units"), [(1, 2**62), (2, 2**61), (4, 2**62), (16, 2**60), (1, 2**63 - 1), (1, 2**46), (3, 2**40)]
)
def test_a_layer_larger_than_memory_is_a_memory_error(features: int, units: int, dtype: str, backend: str) -> None:
    with pytest.raises(MemoryError, match="out of memory"):
        predict(features, units, dtype, backend)


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_a_parameter_larger_than_memory_is_a_memory_error(backend: str) -> None:
    for shape in ((2**62,), (2**31, 2**31), (2**62, 4)):
        with pytest.raises(MemoryError, match="out of memory"):
            bp.function([], bp.sum(bp.Parameter(shape=shape, initializer=bp.Zeros())), backend=backend)()
    empty = bp.Parameter(shape=(2**62, 4, 0), initializer=bp.Zeros())  # no elements at all: 0 bytes
    with pytest.raises(ValueError, match="size"):
        bp.function([], bp.sum(empty), backend=backend)()


@pytest.mark.parametrize("units", [2**63, 2**64, 10**30])
def test_sizes_beyond_64_bits_are_named(units: int) -> None:
    with pytest.raises(ValueError, match=r"units must be at most 9223372036854775807, got \d+"):
        bp.Dense(units)
    with pytest.raises(ValueError, match=r"shape must have sizes of at most 9223372036854775807, got"):
        bp.input("x", (units,))
    with pytest.raises(ValueError, match=r"input_shape must have sizes of at most"):
        bp.Sequential([bp.Dense(1)]).build((units,))


def test_shapes_have_at_most_64_sizes() -> None:
    endless = np.broadcast_to(np.int64(1), (2**50,))
    for make in (lambda: bp.input("x", endless), lambda: bp.Sequential([bp.Dense(1)]).build(endless)):
        with pytest.raises(ValueError, match="shape must have at most 64 sizes, got more"):
            make()
    assert bp.Sequential([bp.Input((1,) * 64), bp.Flatten()]).input_shape == (1,) * 64


def test_what_fits_the_address_space_but_not_the_machine_is_refused_before_it_is_touched() -> None:
    before = _core.testing.allocated()
    _core.testing.limit_memory(64 << 20)
    try:
        with pytest.raises(MemoryError, match=r"are more than the 0\.\d GiB that are left of 0\.1 GiB"):
            predict(1, 2**26)
    finally:
        _core.testing.limit_memory(0)
    assert _core.testing.allocated()[0] <= before[0] + 1000


def test_results_larger_than_memory_are_refused() -> None:
    many = np.broadcast_to(np.float32(1), (2**50, 1))
    net = bp.Sequential([bp.Input((1,)), bp.Dense(1)])
    with pytest.raises(MemoryError, match="out of memory"):
        net.predict(many)
    with pytest.raises(MemoryError):
        bp.augment.RandomFlip(0.5, image_shape=(1, 1))(many)
    for draw in (_core.uniform, _core.normal):
        with pytest.raises(MemoryError, match="out of memory"):
            draw(0, 0, 2**60)


# --- the private extension


@pytest.mark.parametrize("backend", [_core, reference])
def test_wild_slots_are_refused(backend: Any) -> None:
    for operation in ("input", "parameter"):
        graph = backend.Graph()
        with pytest.raises(ValueError, match="slot must be at most 1048575, got 9223372036854775807"):
            graph.add(operation, (), [2**63 - 1, 1], ())
        assert len(graph) == 0


def test_parameters_check_their_sizes() -> None:
    for shape in ([2**62], [2**62, 2**62]):
        with pytest.raises(MemoryError, match="out of memory"):
            _core.Parameters("float32").add_parts(shape, [np.ones(100)], "n")
    with pytest.raises(ValueError, match="parameter 'n' must have no negative sizes, got -9223372036854775808"):
        _core.Parameters("float32").add_parts([-(2**63)], [np.ones(100)], "n")


UNMADE: dict[str, Callable[[], Any]] = {
    "Graph.shape": lambda: _core.Graph.__new__(_core.Graph).shape(0),
    "Graph.add": lambda: _core.Graph.__new__(_core.Graph).add("constant", (), (), [1.0]),
    "Graph.gradients": lambda: _core.Graph.__new__(_core.Graph).gradients(0, []),
    "Graph.__len__": lambda: len(_core.Graph.__new__(_core.Graph)),
    "Parameters.add": lambda: _core.Parameters.__new__(_core.Parameters).add(1.0),
    "Parameters.get": lambda: _core.Parameters.__new__(_core.Parameters).get(0),
    "Parameters.set": lambda: _core.Parameters.__new__(_core.Parameters).set(0, 1.0),
    "Parameters.writes": lambda: _core.Parameters.__new__(_core.Parameters).writes,
    "Parameters.__len__": lambda: len(_core.Parameters.__new__(_core.Parameters)),
    "Function()": lambda: _core.Function.__new__(_core.Function)([]),
    "Function.means": lambda: _core.Function.__new__(_core.Function).means([], batch_size=1),
    "Trainer.state": lambda: _core.Trainer.__new__(_core.Trainer).state(),
    "Trainer.step": lambda: _core.Trainer.__new__(_core.Trainer).step([]),
    "Trainer.fit": lambda: _core.Trainer.__new__(_core.Trainer).fit([], batch_size=1),
    "Trainer.epoch": lambda: setattr(_core.Trainer.__new__(_core.Trainer), "epoch", 1),
    "Trainer.set_weights": lambda: _core.Trainer.__new__(_core.Trainer).set_weights([]),
    "Function of no graph": lambda: _core.Function(_core.Graph.__new__(_core.Graph), [], _core.Parameters("float32")),
    "Function of None": lambda: _core.Function(_core.Graph(), [], None),  # type: ignore[arg-type]
    "Function of no parameters": lambda: _core.Function(_core.Graph(), [], _core.Parameters.__new__(_core.Parameters)),
    "Trainer of None": lambda: _core.Trainer(_core.Graph(), 0, [], None, [], {"name": "sgd"}, 0),  # type: ignore[arg-type]
    "a number as name": lambda: _core.Trainer(_core.Graph(), 0, [], _core.Parameters("float32"), [], {"name": 1}, 0),
}


@pytest.mark.parametrize("name", UNMADE)
def test_objects_that_were_never_made_are_a_type_error(name: str) -> None:
    with pytest.raises(TypeError):
        UNMADE[name]()


# --- random calls, in processes of their own


@pytest.mark.parametrize("kind", ["public", "private"])
def test_random_sizes_end_no_process(kind: str) -> None:
    command = [sys.executable, str(CAMPAIGN), f"--{kind}", "300" if kind == "public" else "4000", "--seed", "10000000"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 failures" in result.stdout
