"""`Callback`: Keras' hooks. A hook that nothing overrides costs nothing: the trainer does not enter Python for it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from .._shared.known_attributes import KnownAttributes

Logs = MutableMapping[str, float]


class Callback(KnownAttributes):
    """Base of all callbacks: derive from it and override the hooks that are needed.

    Attributes
    ----------
    model : Model
        What is being trained; set ``self.model.stop_training = True`` to end training after the current step or epoch.
    params : dict
        "epochs", "steps" (per epoch), "verbose".

    Notes
    -----
    Each hook gets `logs`, a dict of loss and metrics (empty where there are none yet). Those of ``on_train_batch_end``
    are means over the epoch so far. What ``on_epoch_end`` adds to its logs is a figure of the history, which later
    callbacks see. They are Keras' hooks. From within one the model cannot be trained: `RuntimeError`.

    Examples
    --------
    >>> import fastbp as bp
    >>> class Halve(bp.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.optimizer.learning_rate /= 2
    >>> net = bp.Sequential([bp.Dense(1)])
    >>> net.compile(bp.SGD(0.1), loss="mse", backend="reference")
    >>> history = net.fit([[0.0], [1.0]], [1.0, 2.0], epochs=2, verbose=0, callbacks=[Halve()])
    >>> net.optimizer.learning_rate
    0.025
    """

    model: Any
    params: dict[str, Any]

    def __init__(self) -> None:
        self.model = None
        self.params = {}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def _explain(self, error: Exception) -> None:
        """Adds a note to the error that ends the training, if this callback knows a way out."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch of a `fit`."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch. As in Keras, not when `fit` raises: the weights stay those of the last good step."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """`epoch` counts from 0 (from `initial_epoch`) in each `fit`."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After the epoch's validation, whose figures `logs` hold as val_…"""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before step `batch` of the epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After step `batch` of the epoch."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before `evaluate`, and before validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After `evaluate`, and after validation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `evaluate`."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of `evaluate`."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of `predict`."""
