"""`ReduceLROnPlateau`: reduces the learning rate when a figure has stopped improving."""

from __future__ import annotations

from .._shared.arguments import at_least, finite, known_keywords
from .callback import Logs
from .monitor import Monitor


class ReduceLROnPlateau(Monitor):
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
        Whether smaller or larger is better. "auto" knows: "loss" and losses smaller, accuracies larger. For any other
        figure training begins with a ValueError that asks for the mode.
    min_delta : float
        What counts as an improvement must be larger than this. Default 1e-4.
    cooldown : int
        Epochs after a reduction in which no epoch counts as one without improvement; better figures still become the
        best. Default 0.
    min_lr : float
        The rate does not go below this. Default 0.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind; while training, if the optimiser's learning rate is a schedule.
    ValueError
        If one is out of its range.

    Notes
    -----
    docs/coming-from-keras.md says where it differs from Keras: `cooldown`, NaN, no "learning_rate" in the history.

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

    best: float | None
    wait: int
    cooldown_counter: int

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
        super().__init__(monitor, mode, min_delta)
        self.factor = finite("factor", factor)
        if self.factor >= 1:
            raise ValueError(f"factor must be below 1, got {self.factor}")
        self.patience = at_least("patience", patience, 0)
        self.verbose = verbose
        self.cooldown = at_least("cooldown", cooldown, 0)
        self.min_lr = finite("min_lr", min_lr)
        self._forget()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self._forget()

    def _forget(self) -> None:
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        rate = getattr(self.model.optimizer, "learning_rate", None)
        if logs is not None and rate is not None and not callable(rate):
            logs["learning_rate"] = float(rate)  # of this epoch, as Keras has it in the history
        current = self.current(logs)
        if current is None:
            return
        counts = self.cooldown_counter == 0
        if not counts:
            self.cooldown_counter -= 1
        if self.is_better(current, self.best):
            self.best, self.wait = current, 0
        elif counts:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

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
