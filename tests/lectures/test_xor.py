"""Lecture A: the exclusive or. Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.1."""

from __future__ import annotations

import fastbp as bp
import numpy as np
import pytest

BACKENDS = ["core", "reference"]
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
Y = np.array([0, 1, 1, 0])


def net(activation: str, seed: int = 0) -> bp.Model:
    model = bp.Sequential([bp.Input((2,)), bp.Dense(2, activation), bp.Dense(1, "sigmoid")], seed=seed)
    model.compile(bp.SGD(0.5, momentum=0.9), "binary_crossentropy")
    return model


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("loss", ["mse", "quadratic"])
def test_a_linear_net_gives_one_half_everywhere(loss: str, layers: int) -> None:
    """However many linear layers: the normal equations' answer is w = 0, b = 1/2."""
    model = bp.Sequential([bp.Dense(2) for _ in range(layers - 1)] + [bp.Dense(1)], seed=3, dtype="float64")
    model.compile(bp.SGD(0.1, momentum=0.9), loss)
    model.fit(X, Y, batch_size=4, epochs=3000, verbose=0)
    np.testing.assert_allclose(model.predict(X)[:, 0], 0.5, atol=1e-3)
    design = np.column_stack([X, np.ones(4)])
    np.testing.assert_allclose(np.linalg.lstsq(design, Y, rcond=None)[0], [0, 0, 0.5], atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_textbooks_relu_solution_is_exact(dtype: str, backend: str) -> None:
    model = bp.Sequential([bp.Input((2,)), bp.Dense(2, "relu"), bp.Dense(1)], dtype=dtype)
    model.compile(loss="mse", backend=backend)
    model.set_weights([[[1, 1], [1, 1]], [0, -1], [[1], [-2]], [0]])
    assert model.predict(X)[:, 0].tolist() == Y.tolist()
    back = model.backpropagate(X, Y)
    assert back.z[2].tolist() == [[0, -1], [1, 0], [1, 0], [2, 1]]  # XW + c, as the textbook prints it
    assert back.a[2].tolist() == [[0, 0], [1, 0], [1, 0], [2, 1]]  # h: the middle two points coincide
    assert back.loss == 0
    assert not any(back.delta[layer].any() for layer in (2, 3))


def solved(activation: str, seeds: int = 100) -> int:
    count = 0
    for seed in range(seeds):
        model = net(activation, seed)
        model.fit(X, Y, batch_size=4, epochs=1000, verbose=0)
        count += bool(np.all(np.abs(model.predict(X)[:, 0] - Y) < 0.1))
    return count


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid", "softplus"])
def test_two_hidden_units_learn_it_from_some_of_100_seeds(activation: str) -> None:
    assert 5 <= solved(activation) < 100  # of two relus, one is often dead; and there are local minima


def test_two_hidden_linear_units_never_learn_it() -> None:
    assert solved("linear") == 0


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_which_seeds_learn_it_is_the_same_for_both_backends(activation: str) -> None:
    for seed in range(3):
        results = []
        for backend in BACKENDS:
            model = net(activation, seed)
            model.compile(bp.SGD(0.5, momentum=0.9), "binary_crossentropy", backend=backend)
            model.fit(X, Y, batch_size=4, epochs=30, verbose=0)
            results.append(model.predict(X).tobytes())
        assert results[0] == results[1]
