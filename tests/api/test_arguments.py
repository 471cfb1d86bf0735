"""Wrong arguments: a typed error that names the argument, what came and what would be right."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core
from fastbp.datasets import stratified_split

X = np.ones((4, 2))
X_INPUT, W = bp.input("x"), bp.parameter(1.0)
COST = bp.mean((X_INPUT * W) ** 2)


def compiled() -> bp.Sequential:
    net = bp.Sequential([bp.Input((2,)), bp.Dense(1)])
    net.compile(loss="mse", backend="reference")
    return net


MISSPELT: dict[str, tuple[Callable[[], Any], str]] = {
    "Dense": (lambda: bp.Dense(3, activaton="relu"), "activation"),
    "Dense, a base's": (lambda: bp.Dense(3, trainble=False), "trainable"),
    "Dropout": (lambda: bp.Dropout(0.5, nme="d"), "name"),
    "Activation": (lambda: bp.Activation("relu", nam="d"), "name"),
    "Rescaling": (lambda: bp.Rescaling(2.0, ofset=1), "offset"),
    "Flatten": (lambda: bp.Flatten(inputshape=(2,)), "input_shape"),
    "Input": (lambda: bp.Input(shap=(2,)), "shape"),
    "Sequential": (lambda: bp.Sequential([], sed=1), "seed"),
    "Model": (lambda: bp.Model(X_INPUT, X_INPUT, dtyp="float64"), "dtype"),
    "compile": (lambda: compiled().compile(los="mse"), "loss"),
    "fit": (lambda: compiled().fit(X, X[:, :1], epoch=3), "epochs"),
    "evaluate": (lambda: compiled().evaluate(X, X[:, :1], batchsize=3), "batch_size"),
    "predict": (lambda: compiled().predict(X, batchsize=3), "batch_size"),
    "SGD": (lambda: bp.SGD(learningrate=0.1), "learning_rate"),
    "L1L2": (lambda: bp.L1L2(l_1=0.1), "l1"),
    "RandomNormal": (lambda: bp.RandomNormal(stdev=0.1), "stddev"),
    "VarianceScaling": (lambda: bp.VarianceScaling(mod="fan_in"), "mode"),
    "EarlyStopping": (lambda: bp.EarlyStopping(patients=3), "patience"),
    "input": (lambda: bp.input("x", shap=()), "shape"),
    "parameter": (lambda: bp.parameter(1.0, trainble=False), "trainable"),
    "function": (lambda: bp.function([X_INPUT], X_INPUT, gradient=W), "gradients"),
    "gradients": (lambda: bp.gradients(COST, wtr=W), "wrt"),
    "minimize": (lambda: bp.minimize(COST, {"x": [1.0]}, epoch=3), "epochs"),
    "sum": (lambda: bp.sum(X_INPUT, axes=0), "axis"),
    "mean": (lambda: bp.mean(X_INPUT, keepdim=True), "keepdims"),
    "leaky_relu": (lambda: bp.leaky_relu(X_INPUT, negativeslope=0.1), "negative_slope"),
    "stratified_split": (lambda: stratified_split([0, 1], 0.5, sed=1), "seed"),
    "gelu": (lambda: bp.gelu(X_INPUT, aproximate=True), "approximate"),
}


@pytest.mark.parametrize("name", MISSPELT)
def test_a_misspelt_keyword_is_answered_with_the_right_one(name: str) -> None:
    build, right = MISSPELT[name]
    with pytest.raises(TypeError, match=rf"^\w+\(\) has no argument '\w+': did you mean '{right}'\?$"):
        build()


def test_a_users_layer_has_its_own_keywords() -> None:
    class Scaled(bp.Dense):
        def __init__(self, units: int, strength: float = 1.0, **options: Any) -> None:
            super().__init__(units, **options)

    with pytest.raises(TypeError, match=r"^Scaled\(\) has no argument 'strenght': did you mean 'strength'\?$"):
        Scaled(2, strenght=2.0)
    assert Scaled(2, strength=2.0, use_bias=False).use_bias is False


def test_a_keyword_that_is_like_none_is_answered_with_all() -> None:
    with pytest.raises(TypeError, match=r"^SGD\(\) has no argument 'xyz': it takes learning_rate, momentum, nesterov"):
        bp.SGD(xyz=1)  # type: ignore[call-arg]


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "Dropout('x')": (lambda: bp.Dropout("x"), TypeError, "rate must be a number, got str"),
    "Dropout(True)": (lambda: bp.Dropout(True), TypeError, "rate must be a number, got bool"),
    "Dropout(1)": (lambda: bp.Dropout(1), ValueError, "rate must be at least 0 and below 1, got 1"),
    "Dropout(nan)": (lambda: bp.Dropout(float("nan")), ValueError, "rate must be at least 0 and below 1, got nan"),
    "dropout('x')": (lambda: bp.dropout(X_INPUT, "x"), TypeError, "rate must be a number, got str"),
    "Dense(True)": (lambda: bp.Dense(True), TypeError, "units must be a whole number, got True"),
    "Dense(2.0)": (lambda: bp.Dense(2.0), TypeError, "units must be a whole number, got 2.0"),
    "Dense(0)": (lambda: bp.Dense(0), ValueError, "units must be at least 1, got 0"),
    "Sequential(None)": (
        lambda: bp.Sequential(None), TypeError, "layers must be a list of layers, got None"),
    "Sequential(layer)": (
        lambda: bp.Sequential(bp.Dense(2)), TypeError, "layers must be a list of layers, got <Dense>: put it in"),
    "minimize without data": (
        lambda: bp.minimize(COST, None), TypeError, "data must be given for the input 'x', got None"),
    "minimize(seed=-1)": (
        lambda: bp.minimize(W**2, seed=-1), ValueError, "seed must be at least 0, got -1"),
    "minimize(seed='a')": (
        lambda: bp.minimize(W**2, seed="a"), TypeError, "seed must be a whole number, got 'a'"),
    "minimize(shuffle='no')": (
        lambda: bp.minimize(W**2, shuffle="no"), TypeError, "shuffle must be True or False, got 'no'"),
    "SGD(nesterov)": (lambda: bp.SGD(nesterov="x"), TypeError, "nesterov must be True or False, got 'x'"),
    "SGD('0.1')": (lambda: bp.SGD("0.1"), TypeError, "learning_rate must be a number, got str"),
    "SGD(True)": (lambda: bp.SGD(True), TypeError, "learning_rate must be a number, got bool"),
    "SGD(huge)": (
        lambda: bp.SGD(10**400), ValueError, "learning_rate must be within the range of float64"),
    "L2('x')": (lambda: bp.L2("x"), TypeError, "l2 must be a number, got str"),
    "L2(inf)": (lambda: bp.L2(float("inf")), ValueError, "l2 must be finite and at least 0, got inf"),
    "RandomNormal": (lambda: bp.RandomNormal(stddev="x"), TypeError, "stddev must be a number, got str"),
    "EarlyStopping(patience)": (
        lambda: bp.EarlyStopping(patience="x"), TypeError, "patience must be a whole number, got 'x'"),
    "x[:, True]": (
        lambda: X_INPUT[:, True], TypeError, "an expression is indexed by whole numbers and slices, got bool"),
    "x[:, 'a':]": (
        lambda: X_INPUT[:, "a":], TypeError, "an expression is indexed by whole numbers and slices, got str"),
    "x[:, ::True]": (
        lambda: X_INPUT[:, ::True], TypeError, "an expression is indexed by whole numbers and slices, got bool"),
    "sum(axis='a')": (lambda: bp.sum(X_INPUT, axis="a"), TypeError, "axis must be a whole number, got 'a'"),
    "max(axis=True)": (lambda: bp.max(X_INPUT, axis=True), TypeError, "axis must be a whole number, got True"),
    "softmax(axis=None)": (lambda: bp.softmax(X_INPUT, axis=None), TypeError, "axis must be a whole number, got None"),
    "input(shape=True)": (
        lambda: bp.input("x", True), TypeError, "shape must be a tuple of whole numbers, got True"),
    "input(shape=(True,))": (
        lambda: bp.input("x", (True,)), TypeError, r"shape must be a tuple of whole numbers, got (True,)"),
    "reshape('x')": (
        lambda: bp.reshape(X_INPUT, "x"), TypeError, "shape must be a tuple of whole numbers, got 'x'"),
    "concatenate(3)": (
        lambda: bp.concatenate(3), TypeError, "expressions must be a list of at least one expression, got 3"),
    "function(inputs=3)": (
        lambda: bp.function(3, X_INPUT), TypeError, "inputs must be a list of inputs made by bp.input, got 3"),
    "stratified_split(seed=-1)": (
        lambda: stratified_split([0, 1], 0.5, -1), ValueError, "seed must be at least 0, got -1"),
    "set_num_threads(True)": (lambda: bp.set_num_threads(True), TypeError, "n must be a whole number, got True"),
    "set_num_threads(2**80)": (
        lambda: bp.set_num_threads(2**80), ValueError,
        "n must be between 0 (the default) and 1024, got 1208925819614629174706176"),
    "set_num_threads(-1)": (
        lambda: bp.set_num_threads(-1), ValueError, "n must be between 0 (the default) and 1024, got -1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_an_argument_is_said_at_once(name: str) -> None:
    call, kind, message = WRONG[name]
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value).startswith(message)


def test_numbers_of_numpy_are_numbers() -> None:
    sgd = bp.SGD(np.float32(0.5), momentum=np.array(0.5), nesterov=np.bool_(True), clipnorm=np.int32(2))
    settings = sgd.configuration()
    assert {name: settings[name] for name in ("learning_rate", "momentum", "nesterov", "clipnorm")} == {
        "learning_rate": 0.5, "momentum": 0.5, "nesterov": True, "clipnorm": 2.0}  # fmt: skip
    assert bp.Dense(np.int64(3)).units == 3
    assert bp.Dropout(np.float64(0.25)).rate == 0.25


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_a_cost_without_inputs_needs_no_data(backend: str) -> None:
    w = bp.parameter(4.0)
    bp.minimize((w - 3) ** 2, optimizer=bp.SGD(0.25), epochs=2, backend=backend)
    assert w.value == 3.25
    bp.minimize((w - 3) ** 2, None, bp.SGD(0.5), backend=backend)
    assert w.value == 3.0


def test_an_instruction_set_in_capitals_is_recognised() -> None:
    with pytest.raises(ValueError, match=r"got 'AVX2': did you mean 'avx2'\?$"):
        _core.set_isa("AVX2")
    done = subprocess.run(
        [sys.executable, "-c", "import fastbp"],
        env={**os.environ, "FASTBP_ISA": "Generic"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.strip().endswith("got 'Generic': did you mean 'generic'?")
