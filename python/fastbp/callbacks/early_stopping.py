"""`EarlyStopping`: ends training when a figure no longer improves or has reached a target."""

from __future__ import annotations

import math
from typing import Any

from .._shared.arguments import at_least, known_keywords, real, truth
from .callback import Logs
from .monitor import Monitor


class EarlyStopping(Monitor):
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
        Whether smaller or larger is better. "auto" knows: "loss" and losses smaller, accuracies larger. For any other
        figure training begins with a ValueError that asks for the mode.
    baseline : float, optional
        Epochs whose figure is not better than this count as epochs without improvement, even while the figure improves.
    restore_best_weights : bool
        Whether the weights at the end are those of the best epoch rather than of the last. Default False.
    start_from_epoch : int
        Epochs before this one are not looked at. Default 0.
    target : float, optional
        Training ends with the first epoch whose figure is at least this good.

    Attributes
    ----------
    stopped : bool
        Whether it ended training.
    stopped_epoch : int
        The epoch, from 0, after which it ended training; 0 if it did not.
    reached : bool
        Whether it ended training because the figure reached the target.
    best_epoch : int
        The epoch, from 0, of the best figure.
    best : float or None
        That figure.
    best_weights : list of array or None
        With `restore_best_weights`, the weights of that epoch. A `NonFiniteError` does not restore them: it says that
        they are here, from Python 3.11 on.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If `mode` is unknown, or `patience` or `start_from_epoch` negative.

    Notes
    -----
    docs/coming-from-keras.md says where it differs from Keras: `baseline`, NaN, figures that are not there. L.
    Prechelt, Early Stopping - But When?, 1998. A figure that is not among those of the epoch is a warning, and the
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

    wait: int
    stopped: bool
    stopped_epoch: int
    reached: bool
    best: float | None
    best_weights: list[Any] | None
    best_epoch: int

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
        super().__init__(monitor, mode, min_delta)
        self.target = None if target is None else real("target", target)
        unlimited = patience is None and target is not None
        self.patience = math.inf if unlimited else at_least("patience", 0 if patience is None else patience, 0)
        self.verbose = verbose
        self.baseline = None if baseline is None else real("baseline", baseline)
        self.restore_best_weights = truth("restore_best_weights", restore_best_weights)
        self.start_from_epoch = at_least("start_from_epoch", start_from_epoch, 0)
        self._forget()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self._forget()

    def _forget(self) -> None:
        self.wait = 0
        self.stopped = False
        self.stopped_epoch = 0
        self.reached = False
        self.best = None
        self.best_weights = None
        self.best_epoch = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = self.current(logs)
        if current is None:
            return
        if epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model._weights_to_leave(), epoch
        self.wait += 1
        if self.is_better(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model._weights_to_leave()
            if self.baseline is None or self.is_better(current, self.baseline):
                self.wait = 0
        if self.wait >= max(self.patience, 1):
            self._stop(epoch)
        if self.target is not None and (current >= self.target if self.mode == "max" else current <= self.target):
            self.reached = True
            self._stop(epoch)

    def _explain(self, error: Exception) -> None:
        if self.best_weights is not None and hasattr(error, "add_note"):  # from Python 3.11 on
            error.add_note(
                f"The weights of epoch {self.best_epoch}, the best one, are in the best_weights of this EarlyStopping: "
                "pass them to set_weights"
            )

    def _stop(self, epoch: int) -> None:
        self.stopped, self.stopped_epoch = True, epoch
        self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped and self.verbose:
            why = f"{self.monitor} has reached {self.target:g}" if self.reached else "early stopping"
            print(f"Epoch {self.stopped_epoch + 1}: {why}")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of epoch {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)
