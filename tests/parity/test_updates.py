"""The kernels of the optimisers' updates give the reference's bits, on every instruction set of this machine."""

from __future__ import annotations

from typing import Any

import fastbp as bp
import numpy as np
import pytest
from compare import assert_same, every_isa, everywhere, finite, values
from fastbp import _core
from fastbp.reference import elementwise, reduce, update

kernel = _core.testing

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
WIDTHS = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 67, 131)

EPSILON = 1e-7
UPDATES: dict[str, list[float]] = {  # the scalars of each rule
    "sgd": [0.1],
    "momentum": [0.1, 0.9],
    "nesterov": [0.1, 0.9],
    "adagrad": [0.1, EPSILON],
    "rmsprop": [0.1, EPSILON, 0.9, 0.1],
    "rmsprop_momentum": [0.1, EPSILON, 0.9, 0.1, 0.8],
    "rmsprop_centered": [0.1, EPSILON, 0.9, 0.1],
    "rmsprop_centered_momentum": [0.1, EPSILON, 0.9, 0.1, 0.8],
    "adam": [0.07, EPSILON, 0.1, 0.001],
    "amsgrad": [0.07, EPSILON, 0.1, 0.001],
    "nadam": [0.07, 0.02, EPSILON, 0.1, 0.001, 17.0],
    "lion": [0.1, 0.9, 0.1, 0.99, 0.01],
}
MORE = {
    "accumulated": {"count": 3.0},
    "cut": {"limit": 0.5},
    "scaled": {"scale": 0.3},
    "averaged": {"keep": 0.9},
    "shrunk": {"shrink": 0.4},
}


def test_every_update_rule_of_the_reference_is_tested() -> None:
    assert list(UPDATES) == list(update.RULES)


def test_a_rule_has_as_many_states_in_the_core_as_in_the_reference() -> None:
    rules = kernel.update_rules()
    assert [(name, states) for name, (states, _, _) in rules.items()] == [
        (n, len(r[1])) for n, r in update.RULES.items()
    ]
    assert [scalars for _, scalars, _ in rules.values()] == [len(scalars) for scalars in UPDATES.values()]


@pytest.mark.parametrize("rule", UPDATES)
def test_a_rule_divides_if_an_epsilon_of_0_can_make_a_step_not_finite(rule: str) -> None:
    states, _, divides = kernel.update_rules()[rule]
    zeros = [np.zeros((1, 3), "float32") for _ in range(2 + states)]
    scalars = [0.0 if scalar == EPSILON else scalar for scalar in UPDATES[rule]]
    finite_step, _ = kernel.update(rule, zeros[0], zeros[1:-1], zeros[-1], 0.0, scalars)
    assert finite_step is not divides


def is_finite(arrays: list[np.ndarray]) -> bool:
    return all(bool(np.isfinite(x).all()) for x in arrays)


def is_within(arrays: list[np.ndarray]) -> bool:
    return all(update.within(x, update.WITHIN) for x in arrays)


@DTYPES
@pytest.mark.parametrize("decay", [0.0, 0.001])
@pytest.mark.parametrize("rule", UPDATES)
def test_updates(rule: str, decay: float, dtype: str) -> None:
    count, scalars = len(update.RULES[rule][1]), UPDATES[rule]
    for rows, cols in [*((1, n) for n in WIDTHS), (3, 5), (7, 33)]:
        for make in (finite, values):
            wide = [make((rows, cols + 3), dtype, seed) for seed in range(2 + count)]  # the rows lie 3 elements apart
            g, w, *states = (x[:, :cols] for x in wide)
            weight_after, states_after = update.update(rule, w, states, g, decay, scalars)
            after = [weight_after, *states_after]
            answers = is_finite(after), is_within(after)
            for _ in every_isa():
                copies = [x.copy() for x in wide]
                g_copy, *written = (x[:, :cols] for x in copies)
                assert kernel.update(rule, written[0], written[1:], g_copy, decay, scalars) == answers
                for result, expected in zip(written, after, strict=True):
                    assert_same(result, expected, (rows, cols))
                for copy, before in zip(copies, wide):
                    assert_same(copy[:, cols:], before[:, cols:], (rows, cols))


@DTYPES
@pytest.mark.parametrize("asked", [*([name] for name in MORE), list(MORE)], ids="+".join)
def test_updates_that_do_more(asked: list[str], dtype: str) -> None:
    options = {key: value for name in asked for key, value in MORE[name].items()}
    keep, shrink = options.pop("keep", 0.0), options.pop("shrink", 0.0)
    for rows, cols in [*((1, n) for n in WIDTHS), (7, 33)]:
        for make in (finite, values):
            g, w, v, sums, average = (make((rows, cols), dtype, seed) for seed in range(5))
            prepare = update.Preparation(**options)
            weight, states = update.update(
                "momentum", w, [v], prepare(g, sums if "accumulated" in asked else None), 0.001, [0.1, 0.9]
            )
            weight = update.shrunk(weight, shrink)
            after = [weight, *states]
            if "averaged" in asked:
                after.append(update.averaged(average, weight, keep))
            for _ in every_isa():
                for overwrite in (False, True):
                    mine = [x.copy() for x in (w, v, sums, average)]
                    kept: dict[str, Any] = {"accumulated": mine[2]} if "accumulated" in asked else {}
                    if "averaged" in asked:
                        kept.update(average=mine[3], keep=keep, overwrite=overwrite)
                    answers = kernel.update(
                        "momentum", mine[0], [mine[1]], g, 0.001, [0.1, 0.9], shrink=shrink, **options, **kept
                    )
                    assert answers == (is_finite(after), is_within(after))
                    assert_same(mine[0], after[-1] if overwrite and "averaged" in asked else weight, asked)
                    assert_same(mine[1], states[0], asked)
                    if "accumulated" in asked:
                        assert_same(mine[2], np.zeros_like(sums), asked)
                    if "averaged" in asked:
                        assert_same(mine[3], after[-1], asked)


@DTYPES
def test_accumulated_gradients_and_sums_of_squares(dtype: str) -> None:
    for n in WIDTHS:
        for make in (finite, values):
            sums, g = (make((n,), dtype, seed) for seed in range(2))
            after = elementwise.add(sums, g)
            mean = update.Preparation(3.0).collected(g, sums)
            with np.errstate(all="ignore"):
                squares = [np.square(x.astype(np.float64)) for x in (g, mean)]
            for _ in every_isa():
                copy = sums[np.newaxis].copy()
                assert kernel.accumulate(copy, g[np.newaxis]) == (is_finite([after]), is_within([after]))
                assert_same(copy[0], after, n)
                assert_same(kernel.square_sum(g), reduce.sum_flat(squares[0]), n)
                assert_same(kernel.square_sum(g, sums, 3.0), reduce.sum_flat(squares[1]), n)


@DTYPES
def test_norms_of_columns_are_limited(dtype: str) -> None:
    for rows, cols in [(1, 1), (300, 1), (5, 3), *((7, n) for n in WIDTHS), (2, 200), (0, 3)]:
        for make, most in ((finite, 1.5), (finite, 1e30), (values, 2.0)):
            wide = make((rows, cols + 3), dtype, 0)
            with np.errstate(all="ignore"):
                expected = update.limit_norms(wide[:, :cols], most)
            for _ in every_isa():
                x = wide.copy()
                kernel.limit_norms(x[:, :cols], most)
                assert_same(x[:, :cols], expected, (rows, cols, most))
                assert_same(x[:, cols:], wide[:, cols:], (rows, cols))


@DTYPES
def test_one_large_value_anywhere_is_not_within(dtype: str) -> None:
    for n in WIDTHS:
        for place in {0, n // 2, n - 1} if n else set():
            for large in (1.5, -1.5, np.inf, np.nan):
                x = np.full(n, 1.0, dtype)
                x[place] = large
                for _ in every_isa():
                    assert not kernel.within(x, 1.0)
                    assert kernel.within(np.full(n, -1.0, dtype), 1.0)
                    gradient = np.zeros(n, dtype)
                    gradient[place] = 2.0**61 * large
                    assert not kernel.update("sgd", np.ones((1, n), dtype), [], gradient[np.newaxis], 0.0, [1.0])[1]


@DTYPES
@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
def test_norms_over_several_blocks_however_threads_share_them(clip: str, dtype: str) -> None:
    x, y = (finite((24, n), dtype, n) for n in (150, 85))  # 12,750 weights: 4 blocks of 4,096, the last one short

    def trained(backend: str) -> list[np.ndarray]:
        net = bp.Sequential([bp.Dense(85, activation="tanh"), bp.Dense(85)], dtype=dtype)
        options = {clip: 0.3, "gradient_accumulation_steps": 2, "use_ema": True, "weight_decay": 0.1}
        net.compile(bp.Adam(0.01, **options), "mse", backend=backend)
        net.fit(x, y, batch_size=5, epochs=2, verbose=0)
        return net.get_weights()

    expected = trained("reference")
    for place in everywhere():
        for weight, value in zip(trained("core"), expected, strict=True):
            assert_same(weight, value, place)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_largest_magnitude(dtype: str) -> None:
    random = np.random.default_rng(5)
    for _ in everywhere():
        for rows, columns in [(0, 3), (1, 1), (3, 7), (2, 64), (5, 131)]:
            wide = random.normal(size=(rows, columns + 9)).astype(dtype)
            wide[:, columns:] = np.nan  # not part of it
            x = wide[:, :columns]
            for part in (x, x.copy()):
                most = np.abs(part).max(initial=0)
                assert _core.testing.magnitude(part) == most
                assert _core.testing.magnitude(part, most + 1) == np.dtype(dtype).type(most + 1)
                for special in (np.inf, -np.inf, np.nan):
                    if part.size:
                        part[rows // 2, columns // 2] = special
                        assert_same(np.array(_core.testing.magnitude(part)), np.abs(np.array(special)), part.shape)
                assert np.isnan(_core.testing.magnitude(part, np.nan))
