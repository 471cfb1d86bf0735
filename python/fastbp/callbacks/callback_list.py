"""`CallbackList`: calls the hooks of several callbacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .callback import Callback

_EPOCH_HOOKS = ("on_epoch_begin", "on_epoch_end")


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
        if not self.callbacks:  # as mostly; a generator takes 3 % of a small fit
            return False
        return any(_overridden(callback, hook) for callback in self.callbacks for hook in hooks)

    @property
    def wants_epochs(self) -> bool:
        return self.overrides(*_EPOCH_HOOKS)

    def call(self, hook: str, *arguments: Any) -> None:
        """Calls this hook of every callback, in order; each gets the logs as a dict of its own."""
        *numbers, logs = arguments
        for callback in self.callbacks:
            getattr(callback, hook)(*numbers, dict(logs))

    def end_epoch(self, epoch: int, logs: dict[str, Any]) -> dict[str, Any]:
        """Calls `on_epoch_end` of every callback, in order, and returns the logs with what callbacks added or set.

        Later callbacks see what earlier ones added.
        """
        logs = dict(logs)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)
        return logs

    def explain(self, error: Exception) -> None:
        """Lets each callback add a note to the error that ends the training."""
        for callback in self.callbacks:
            callback._explain(error)


def _overridden(callback: Any, hook: str) -> bool:
    function: Any = getattr(callback, hook)
    return getattr(function, "__func__", function) is not getattr(Callback, hook)
