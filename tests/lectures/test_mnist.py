"""Lecture B: its network for handwritten digits. M. Nielsen, Neural Networks and Deep Learning, 2015, chapter 1."""

from __future__ import annotations

import os

import fastbp as bp
import numpy as np
import pytest
from fastbp.datasets import load_mnist


@pytest.mark.skipif("FASTBP_DATA" not in os.environ, reason="FASTBP_DATA names no folder with MNIST's four files")
def test_the_lectures_network_gets_about_95_percent_right() -> None:
    (x, y), (x_test, y_test) = load_mnist(os.environ["FASTBP_DATA"])
    normal = {"kernel_initializer": bp.RandomNormal(stddev=1.0), "bias_initializer": bp.RandomNormal(stddev=1.0)}
    layers = [bp.Dense(30, "sigmoid", **normal), bp.Dense(10, "sigmoid", **normal)]
    net = bp.Sequential([bp.Rescaling(1 / 255), *layers], seed=2)
    net.compile(bp.SGD(3.0), "quadratic")
    net.fit(x, np.eye(10, dtype=np.uint8)[y], batch_size=10, epochs=30, verbose=0)
    accuracy = np.mean(net.predict(x_test).argmax(axis=1) == y_test)
    assert 0.94 < accuracy < 0.965
