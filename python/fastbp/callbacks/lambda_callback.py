"""`LambdaCallback`: hooks given as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._shared.nearest import look_up
from .callback import Callback


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
