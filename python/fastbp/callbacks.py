"""Callbacks: Keras' hooks. What is not overridden costs nothing: the engine then runs on without entering Python."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .arguments import at_least, known_keywords, real, truth
from .names import look_up

Logs = Mapping[str, float]

_EPOCH_HOOKS = ("on_epoch_begin", "on_epoch_end")


class Callback:
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
    are means over the epoch so far. They are Keras' hooks. From within one the model cannot be trained: `RuntimeError`.

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

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

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


class History(Callback):
    """What `fit` returns: the figures of its epochs.

    Attributes
    ----------
    history : dict of str to list of float
        One number per epoch: "loss", the metrics, and the same of the validation with "val_" before. An epoch that was
        not validated has none of those.
    epoch : list of int
        The epochs' numbers, from 0.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Dense(1, kernel_initializer="zeros")])
    >>> net.compile(bp.SGD(0.1), loss="mse", metrics=["mae"], backend="reference")
    >>> run = net.fit([[0.0], [1.0]], [1.0, 2.0], epochs=2, verbose=0)
    >>> run.epoch, list(run.history), run.history["loss"][0]
    ([0, 1], ['loss', 'mae'], 2.5)
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def __getstate__(self) -> dict[str, Any]:
        """Pickles and copies have the figures, not the model."""
        return {**vars(self), "model": None}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def extend(self, first_epoch: int, names: Sequence[str], figures: np.ndarray) -> None:
        """Appends many epochs at once: ``figures`` has a row for each, a column for each of ``names``."""
        self.epoch.extend(range(first_epoch, first_epoch + len(figures)))
        if len(figures):
            for name, column in zip(names, figures.T):
                self.history.setdefault(name, []).extend(column.tolist())


class LambdaCallback(Callback):
    """Hooks given as functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end, on_train_begin, on_train_end, … : callable, optional
        Any hook of `Callback` by name: called as the hook would be, without `self`.

    Raises
    ------
    ValueError
        If there is no hook of such a name.

    Examples
    --------
    >>> import fastbp as bp
    >>> shout = bp.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    >>> net = bp.Sequential([bp.Dense(1, kernel_initializer="zeros")])
    >>> net.compile(bp.SGD(0.0), loss="mse", backend="reference")
    >>> history = net.fit([[0.0], [1.0]], [1.0, 2.0], epochs=2, verbose=0, callbacks=[shout])
    0 2.5
    1 2.5
    """

    def __init__(self, **hooks: Callable[..., Any]) -> None:
        super().__init__()
        for name, function in hooks.items():
            look_up("a hook of LambdaCallback", name, {n: n for n in dir(Callback) if n.startswith("on_")})
            if function is not None:
                setattr(self, name, function)


class EarlyStopping(Callback):
    """Ends training when a figure has stopped improving, as in Keras, or has reached a target.

    Parameters
    ----------
    monitor : str
        A key of the history. Default "val_loss".
    min_delta : float
        What counts as an improvement must be larger than this. Default 0.
    patience : int, optional
        Epochs without improvement after which training ends. Default 0; with a `target`, no end for that reason.
    verbose : int
        1 prints a line when it acts. Default 0.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" decides by the name: accuracies larger, all else smaller.
    baseline : float, optional
        Training ends if the figure does not get better than this.
    restore_best_weights : bool
        Whether the weights at the end are those of the best epoch rather than of the last. Default False.
    start_from_epoch : int
        Epochs before this one are not looked at. Default 0.
    target : float, optional
        Training ends with the first epoch whose figure is at least this good.

    Attributes
    ----------
    stopped_epoch : int
        The epoch, from 0, after which it ended training; 0 if it did not.
    reached : bool
        Whether it ended training because the figure reached the target.
    best_epoch : int
        The epoch, from 0, of the best figure.
    best : float or None
        That figure.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `mode` is unknown, or `patience` or `start_from_epoch` negative.

    Notes
    -----
    L. Prechelt, Early Stopping - But When?, 1998. A figure that is not among those of the epoch is a warning, and the
    epoch is not looked at.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Dense(1, kernel_initializer="zeros")])
    >>> net.compile(bp.SGD(0.0), loss="mse", backend="reference")
    >>> stop = bp.EarlyStopping("loss", patience=3)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 2.0], epochs=50, verbose=0, callbacks=[stop])
    >>> stop.stopped_epoch, stop.best_epoch, stop.best
    (3, 0, 2.5)

    Until the figure satisfies:

    >>> net.compile(bp.SGD(0.25), loss="mse", backend="reference")
    >>> satisfied = bp.EarlyStopping("loss", target=0.2)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 2.0], epochs=50, verbose=0, callbacks=[satisfied])
    >>> history.history["loss"][-1] <= 0.2 < history.history["loss"][-2]
    True
    """

    @known_keywords
    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int | None = None,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        target: float | None = None,
    ) -> None:
        super().__init__()
        look_up("mode", mode, {m: m for m in ("auto", "min", "max")})
        self.monitor = monitor
        self.target = None if target is None else real("target", target)
        unlimited = patience is None and target is not None
        self.patience = math.inf if unlimited else at_least("patience", 0 if patience is None else patience, 0)
        self.verbose = verbose
        self.baseline = None if baseline is None else real("baseline", baseline)
        self.min_delta = abs(real("min_delta", min_delta))
        self.restore_best_weights = truth("restore_best_weights", restore_best_weights)
        self.start_from_epoch = at_least("start_from_epoch", start_from_epoch, 0)
        if mode == "auto":
            mode = "max" if monitor.endswith(("acc", "accuracy")) else "min"
        self.mode = mode
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.reached = False
        self.best: float | None = None
        self.best_weights: list[Any] | None = None
        self.best_epoch = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = (logs or {}).get(self.monitor)
        if current is None:
            known = ", ".join(logs or {})
            warnings.warn(f"EarlyStopping monitors {self.monitor!r}, which is not there: {known}", stacklevel=2)
            return
        if epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._better(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._better(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self._stop(epoch)
        if self.target is not None and (current >= self.target if self.mode == "max" else current <= self.target):
            self.reached = True
            self._stop(epoch)

    def _stop(self, epoch: int) -> None:
        self.stopped_epoch = epoch
        self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if (self.stopped_epoch > 0 or self.reached) and self.verbose:
            why = f"{self.monitor} has reached {self.target:g}" if self.reached else "early stopping"
            print(f"Epoch {self.stopped_epoch + 1}: {why}")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of epoch {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)

    def _better(self, value: float, reference: float | None) -> bool:
        if reference is None:
            return not math.isnan(value)
        return value > reference + self.min_delta if self.mode == "max" else value < reference - self.min_delta


class CallbackList:
    """Calls the hooks of several callbacks, and knows which hooks any of them overrides."""

    def __init__(self, callbacks: Any, model: Any, params: dict[str, Any]) -> None:
        if callbacks is None:
            callbacks = []
        elif isinstance(callbacks, Callback):
            callbacks = [callbacks]
        elif not isinstance(callbacks, Iterable):
            raise TypeError(f"callbacks must be a list of bp.Callback, got {callbacks!r}")
        self.callbacks: list[Any] = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks must be instances of bp.Callback, got {callback!r}")
            callback.set_params(params)
            callback.set_model(model)

    def overrides(self, *hooks: str) -> bool:
        """Whether any callback does something in one of `hooks`."""
        return any(_overridden(callback, hook) for callback in self.callbacks for hook in hooks)

    @property
    def wants_epochs(self) -> bool:
        return self.overrides(*_EPOCH_HOOKS)

    def call(self, hook: str, *arguments: Any) -> None:
        """The hook of every callback, in order; logs are passed as a fresh dict."""
        *numbers, logs = arguments
        for callback in self.callbacks:
            getattr(callback, hook)(*numbers, dict(logs))


def _overridden(callback: Any, hook: str) -> bool:
    function: Any = getattr(callback, hook)
    return getattr(function, "__func__", function) is not getattr(Callback, hook)


def batches(rows: int, batch_size: int) -> Iterable[tuple[int, slice]]:
    """(number, rows) of each batch, in order."""
    for number, start in enumerate(range(0, rows, batch_size)):
        yield number, slice(start, min(start + batch_size, rows))
