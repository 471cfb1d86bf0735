"""`History`: the figures of every epoch of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .callback import Callback, Logs


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

    __setattr__ = object.__setattr__  # type: ignore[assignment]  # every `fit` makes one: names are not looked at

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        # What the last `on_epoch_end` appends: the epoch and its figures; and the lengths before, in order.
        self._last: tuple[int, Logs, int, list[int]] = 0, {}, 0, []

    def __getstate__(self) -> dict[str, Any]:
        """Pickles and copies hold the figures, not the model."""
        return {**vars(self), "model": None, "_last": (0, {}, 0, [])}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        figures = logs or {}
        self._last = epoch, figures, len(self.epoch), [*map(len, self.history.values())]
        self.epoch.append(epoch)
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)

    def amend(self, figures: Logs) -> None:
        """Gives the last epoch these figures instead: those that callbacks have added to or changed."""
        epoch, _, place, lengths = self._last
        self._last = epoch, figures, place, lengths
        self.complete()

    def complete(self) -> None:
        """Ends an `on_epoch_end` that an interrupt has cut short. Done twice, it gives what it gives once."""
        epoch, figures, place, lengths = self._last
        if figures:
            places = dict(zip(self.history, lengths))
            self.epoch[place:] = [epoch]
            for name, value in figures.items():
                self.history.setdefault(name, [])[places.get(name, 0) :] = [value]

    def put(self, first_epoch: int, names: Sequence[str], figures: np.ndarray) -> None:
        """Puts epochs from the first one on: ``figures`` has a row for each, a column for each of ``names``.

        Done twice, it gives what it gives once.
        """
        if len(figures):
            self.epoch[:] = range(first_epoch, first_epoch + len(figures))
            for name, column in zip(names, figures.T):
                self.history[name] = column.tolist()
