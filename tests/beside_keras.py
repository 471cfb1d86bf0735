"""Keras for the tests beside it, and optimisers of both libraries over the same gradients."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import fastbp as bp
import numpy as np
import pytest

START = np.linspace(-1.0, 2.0, 7)  # of a kernel of shape (2, 2) and a vector of 3


def load_keras() -> tuple[Any, Any]:
    """Keras 3 on JAX, on the CPU, in float64; where one of them is missing, the module's tests are skipped."""
    if os.environ.setdefault("KERAS_BACKEND", "jax") != "jax":
        pytest.skip("needs KERAS_BACKEND=jax", allow_module_level=True)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("KERAS_HOME", tempfile.mkdtemp(prefix="fastbp-keras"))  # else it writes into the home folder
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    keras = pytest.importorskip("keras", minversion="3.15")
    keras.config.set_floatx("float64")
    return keras, jax


def optimized(optimizer: Any, gradients: np.ndarray, decay: bool = True) -> np.ndarray:
    """The weights, flat, after a step for each row of gradients by fastbp."""
    kernel = bp.parameter(START[:4].reshape(2, 2), decay=decay)
    vector = bp.parameter(START[4:], decay=decay)
    g, h = bp.input("g"), bp.input("h")
    cost = bp.sum(kernel * g) + bp.sum(vector * h)
    data = {"g": gradients[:, :4].reshape(-1, 2, 2), "h": gradients[:, 4:]}
    bp.minimize(cost, data, optimizer, batch_size=1, shuffle=False, dtype="float64")
    return np.concatenate([kernel.value.ravel(), vector.value.ravel()])


def keras_optimized(optimizer: Any, gradients: np.ndarray) -> np.ndarray:
    """The same by Keras: the weights after every step, the last of them with the average in their place."""
    import jax
    import keras

    variables = [keras.Variable(START[:4].reshape(2, 2)), keras.Variable(START[4:])]
    optimizer.build(variables)

    @jax.jit
    def step(weights: Any, state: Any, gradient: Any) -> Any:
        return optimizer.stateless_apply(state, [gradient[:4].reshape(2, 2), gradient[4:]], weights)

    def flat() -> np.ndarray:
        return np.concatenate([np.ravel(keras.ops.convert_to_numpy(v)) for v in variables])

    weights, state = [v.value for v in variables], [v.value for v in optimizer.variables]
    seen = []
    for gradient in gradients:
        weights, state = step(weights, state, gradient)
        for variable, value in zip([*variables, *optimizer.variables], [*weights, *state]):
            variable.assign(value)
        seen.append(flat())
    optimizer.finalize_variable_values(variables)
    seen[-1] = flat()
    return np.array(seen)
