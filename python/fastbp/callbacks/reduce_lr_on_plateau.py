"""`ReduceLROnPlateau`: reduces the learning rate when a figure has stopped improving."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .._shared.arguments import at_least, finite, known_keywords, real
from .._shared.nearest import look_up
from .callback import Callback, Logs


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` when a figure has stopped improving, as in Keras.

    Parameters
    ----------
    monitor : str
        A key of the history. Default "val_loss".
    factor : float
        At least 0 and below 1. Default 0.1.
    patience : int
        Epochs without improvement after which the rate is reduced. Default 10.
    verbose : int
        1 prints a line when it acts. Default 0.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" decides by the name: accuracies larger, all else smaller.
    min_delta : float
        What counts as an improvement must be larger than this. Default 1e-4.
    cooldown : int
        Epochs after a reduction in which nothing is counted. Default 0.
    min_lr : float
        The rate does not go below this. Default 0.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind; while training, if the optimiser's learning rate is a schedule.
    ValueError
        If one is out of its range.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Dense(1, kernel_initializer="zeros")])
    >>> net.compile(bp.SGD(0.0), loss="mse", backend="reference")
    >>> net.optimizer.learning_rate = 1e-30
    >>> plateau = bp.ReduceLROnPlateau("loss", factor=0.5, patience=2)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 2.0], epochs=5, verbose=0, callbacks=[plateau])
    >>> net.optimizer.learning_rate
    2.5e-31
    """

    @known_keywords
    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__()
        look_up("mode", mode, {m: m for m in ("auto", "min", "max")})
        self.monitor = monitor
        self.factor = finite("factor", factor)
        if self.factor >= 1:
            raise ValueError(f"factor must be below 1, got {self.factor}")
        self.patience = at_least("patience", patience, 0)
        self.verbose = verbose
        self.mode = ("max" if monitor.endswith(("acc", "accuracy")) else "min") if mode == "auto" else mode
        self.min_delta = abs(real("min_delta", min_delta))
        self.cooldown = at_least("cooldown", cooldown, 0)
        self.min_lr = finite("min_lr", min_lr)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best: float | None = None
        self.wait = 0
        self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        current = (logs or {}).get(self.monitor)
        if current is None:
            known = ", ".join(logs or {})
            warnings.warn(f"ReduceLROnPlateau monitors {self.monitor!r}, which is not there: {known}", stacklevel=2)
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._better(current):
            self.best, self.wait = current, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _better(self, value: float) -> bool:
        if self.best is None:
            return value == value  # not NaN
        better: Callable[[Any, Any], bool] = float.__gt__ if self.mode == "max" else float.__lt__
        margin = self.min_delta if self.mode == "max" else -self.min_delta
        return better(float(value), self.best + margin)

    def _reduce(self, epoch: int) -> None:
        optimizer = self.model.optimizer
        if callable(optimizer.learning_rate):
            raise TypeError("ReduceLROnPlateau needs a learning_rate that is a number, got a schedule")
        old = float(optimizer.learning_rate)
        if old <= self.min_lr:
            return
        optimizer.learning_rate = max(old * self.factor, self.min_lr)
        if self.verbose:
            print(f"Epoch {epoch + 1}: ReduceLROnPlateau reduces the learning rate to {optimizer.learning_rate}.")
        self.cooldown_counter, self.wait = self.cooldown, 0
