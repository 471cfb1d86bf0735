"""The README's digits network trains to the same, accurate weights on every instruction set and number of threads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core
from fastbp.cli.train_examples import DIGITS, Outcome, digits, train

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.fixture
def machine() -> Iterator[None]:
    """Restores instruction set and threads."""
    isa = _core.isa()
    yield
    _core.set_isa(isa)
    bp.set_num_threads(0)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return train(DIGITS, *digits())


def test_the_hash_is_that_of_the_readme(outcome: Outcome) -> None:
    (shown,) = set(re.findall(r"\b[0-9a-f]{64}\b", README.read_text(encoding="utf-8")))
    assert outcome.hash == shown


def test_at_least_975_of_1000_test_images_are_recognised(outcome: Outcome) -> None:
    assert outcome.tested == 359
    assert outcome.accuracy >= 0.975


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("isa", _core.available_isas())
def test_the_hash_is_equal_on_every_instruction_set_and_number_of_threads(
    isa: str, threads: int, outcome: Outcome
) -> None:
    _core.set_isa(isa)
    bp.set_num_threads(threads)
    assert train(DIGITS, *digits()).hash == outcome.hash


def test_the_reference_trains_the_same_weights() -> None:
    (x, y), test = digits()
    part = x[::10], y[::10]  # 719 rows: the last batch is short
    core, reference = (train(DIGITS, part, test, epochs=4, seed=5, backend=name) for name in ("core", "reference"))
    assert core.hash == reference.hash
    assert core.correct == reference.correct


def test_another_seed_trains_other_weights(outcome: Outcome) -> None:
    assert train(DIGITS, *digits(), seed=1).hash != outcome.hash


def test_the_hash_is_of_little_endian_bytes_in_order() -> None:
    first, second = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.float64)
    expected = hashlib.sha256(first.astype("<f4").tobytes() + second.astype("<f8").tobytes()).hexdigest()
    assert bp.weights_hash([first, second]) == expected
    assert bp.weights_hash([np.asfortranarray(first), second.astype(">f8")]) == expected
    assert bp.weights_hash([second, first]) != expected


@pytest.mark.parametrize(("dtype", "bits"), [("f4", 0xFFC00001), ("f8", 0xFFF8000000000001)])
def test_the_hash_does_not_see_which_nan(dtype: str, bits: int) -> None:
    odd = np.array([1, np.nan], dtype)
    odd.view(f"u{odd.itemsize}")[1] = bits
    assert bp.weights_hash([odd]) == bp.weights_hash([np.array([1, np.nan], dtype)])


def test_the_hash_refuses_what_are_not_weights() -> None:
    with pytest.raises(TypeError, match="weights must be float32 or float64 arrays, but number 1 is int64"):
        bp.weights_hash([np.zeros(2), np.zeros(2, np.int64)])
    with pytest.raises(TypeError, match=r"weights must be a list of arrays, got Sequential, pass its get_weights\(\)"):
        bp.weights_hash(bp.Sequential([bp.Dense(1)]))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"weights must be a list of arrays, got int$"):
        bp.weights_hash(3)  # type: ignore[arg-type]
