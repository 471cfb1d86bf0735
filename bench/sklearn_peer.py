"""scikit-learn's multilayer perceptron, for what it can do: cross entropy after softmax, and squared errors.

Its solver "sgd" without momentum is the same update: its squared error is Σ‖y−a‖²/(2m), so the learning rate is scaled,
and its penalty alpha/(2m) Σw² with m the rows of the batch is a decay of weights by learning rate · alpha/m.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from .workloads import LEARNING_RATE, WEIGHT_DECAY, Array, Workload

ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic", "none": "identity"}


class SklearnTraining:
    def __init__(self, workload: Workload, x: Array, y: NDArray[np.generic]) -> None:
        classifies = workload.loss == "softmax"
        learning_rate = LEARNING_RATE if classifies else LEARNING_RATE * 2 / workload.sizes[-1]
        self.network = (MLPClassifier if classifies else MLPRegressor)(
            hidden_layer_sizes=workload.sizes[1:-1],
            activation=ACTIVATIONS[workload.hidden],
            solver="sgd",
            momentum=0.0,
            nesterovs_momentum=False,
            learning_rate_init=learning_rate,
            alpha=WEIGHT_DECAY * LEARNING_RATE / learning_rate * workload.batch_size,
            batch_size=workload.batch_size,
            random_state=0,
            n_iter_no_change=10**9,
        )
        one_column = y.ndim == 2 and y.shape[1] == 1
        self.x, self.y = x, y[:, 0] if one_column else y
        first = slice(0, workload.batch_size)  # so that there are weights to set
        classes = {"classes": np.arange(workload.sizes[-1])} if classifies else {}
        self.network.partial_fit(self.x[first], self.y[first], **classes)
        initial = workload.initial_weights()
        self.network.coefs_, self.network.intercepts_ = initial[::2], initial[1::2]

    def train(self, epochs: int, shuffle: bool = True) -> float:
        self.network.set_params(max_iter=epochs, shuffle=shuffle, warm_start=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is not meant to converge
            self.network.fit(self.x, self.y)
        return float(self.network.loss_)

    def weights(self) -> list[Array]:
        pairs = zip(self.network.coefs_, self.network.intercepts_)
        return [np.asarray(array, np.float32).copy() for pair in pairs for array in pair]
