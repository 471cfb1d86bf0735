"""`Monitor`: the base of callbacks that watch one figure, and know in which direction it gets better."""

from __future__ import annotations

import math
import warnings

from .._shared.arguments import real
from .._shared.nearest import look_up
from .callback import Callback, Logs


class Monitor(Callback):
    """Watches the figure `monitor` of each epoch.

    Parameters
    ----------
    monitor : str
        A key of the history.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better. "auto" asks the model when training begins.
    min_delta : float
        What counts as an improvement must be larger than this.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float) -> None:
        super().__init__()
        look_up("mode", mode, {m: m for m in ("auto", "min", "max")})
        self.monitor = monitor
        self.mode = _direction_of(monitor) or mode if mode == "auto" else mode
        self.min_delta = abs(real("min_delta", min_delta))
        self._missed = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._missed = False
        if self.mode == "auto":
            self.mode = self.model.direction_of(self.monitor)

    def current(self, logs: Logs | None) -> float | None:
        """The figure of this epoch; None, with one warning in a training, if the epoch has no such figure."""
        value = (logs or {}).get(self.monitor)
        if value is None and not self._missed:
            self._missed = True
            known = ", ".join(logs or {})
            what = f"{type(self).__name__} monitors {self.monitor!r}, which is not there: {known}"
            warnings.warn(what, stacklevel=3)
        return value

    def is_better(self, value: float, reference: float | None) -> bool:
        """Whether `value` is an improvement; compared with nothing, every number is."""
        if reference is None:
            return not math.isnan(value)
        return value > reference + self.min_delta if self.mode == "max" else value < reference - self.min_delta


def _direction_of(figure: str) -> str | None:
    """The direction of figures that every model has; None for others."""
    if figure.endswith(("acc", "accuracy")):
        return "max"
    return "min" if figure in ("loss", "val_loss") else None
