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
        # What the last `on_epoch_end` appends: list, place in it, number. Done twice, it gives what it gives once.
        self._last: list[tuple[list[Any], int, Any]] = []

    def __getstate__(self) -> dict[str, Any]:
        """Pickles and copies hold the figures, not the model."""
        return {**vars(self), "model": None, "_last": []}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        figures = logs or {}
        lists: list[list[Any]] = [self.epoch, *(self.history.get(name, []) for name in figures)]
        self.history.update(zip(figures, lists[1:]))
        self._last = [(kept, len(kept), value) for kept, value in zip(lists, (epoch, *figures.values()))]
        self.complete()

    def complete(self) -> None:
        """Ends an `on_epoch_end` that an interrupt has cut short."""
        for kept, place, value in self._last:
            kept[place:] = [value]

    def put(self, first_epoch: int, names: Sequence[str], figures: np.ndarray) -> None:
        """Puts epochs from the first one on: ``figures`` has a row for each, a column for each of ``names``.

        Done twice, it gives what it gives once.
        """
        if len(figures):
            self.epoch[:] = range(first_epoch, first_epoch + len(figures))
            for name, column in zip(names, figures.T):
                self.history[name] = column.tolist()
