"""`EarlyStopping`: ends training when a figure no longer improves or has reached a target."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .._shared.arguments import at_least, known_keywords, real, truth
from .._shared.nearest import look_up
from .callback import Callback, Logs


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
