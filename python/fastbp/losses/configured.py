"""Losses with settings as classes, as Keras has them: each is made of its function's name and arguments."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from .._shared.arguments import known_keywords, text_or_none
from .._shared.known_attributes import KnownAttributes
from ..expressions.expression import Expression, input
from .reduction import MEAN, checked_reduction

OF_A_CALL = ("y_true", "y_pred", "sample_weight", "reduction")  # arguments of a loss that are no settings
OWN = "own"


class ConfiguredLoss(KnownAttributes):
    """Base of losses with settings: of `MeanSquaredError`, `Huber` and the other classes of ``bp.losses``.

    Attributes
    ----------
    name : str
        Of the figure, where it is a metric.
    reduction : str or None
        How the rows' values become one number, if a call does not say it.

    Notes
    -----
    The other attributes are the settings: the arguments of the function, which are read when the loss is called.

    Examples
    --------
    >>> import fastbp as bp
    >>> loss = bp.losses.Huber(delta=2.0)
    >>> loss
    Huber(delta=2.0)
    >>> y, a = bp.input("y"), bp.input("a")
    >>> bp.function([y, a], loss(y, a), backend="reference")([0.0], [3.0])
    np.float32(4.0)
    """

    function: Callable[..., Expression]  # what the class is made of
    name: str
    reduction: str | None

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None, reduction: str | None = OWN) -> Expression:
        """The loss as an expression; of the loss' own reduction, unless another is given."""
        reduction = self.reduction if reduction == OWN else reduction
        return type(self).function(y_true, y_pred, **self._settings(), sample_weight=sample_weight, reduction=reduction)

    @property
    def __name__(self) -> str:
        return self.name

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in settings_of(type(self).function)}

    def __repr__(self) -> str:
        given = self._settings()
        if self.reduction != MEAN:
            given["reduction"] = self.reduction
        if self.name != type(self).function.__name__:
            given["name"] = self.name
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def settings_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments of a loss, but those that say what it is computed of."""
    return {
        name: parameter for name, parameter in inspect.signature(function).parameters.items() if name not in OF_A_CALL
    }


def configured(name: str, function: Callable[..., Expression]) -> type[Any]:
    """The class of this name, whose instances are `function` with settings."""
    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [
            inspect.Parameter("self", keyword),
            *settings_of(function).values(),
            inspect.Parameter("reduction", keyword, default=MEAN, annotation="str | None"),
            inspect.Parameter("name", keyword, default=None, annotation="str | None"),
        ]
    )

    def __init__(self: ConfiguredLoss, *values: Any, **keywords: Any) -> None:
        given = signature.bind(self, *values, **keywords)
        given.apply_defaults()
        own_name = text_or_none("name", given.arguments.pop("name"))
        del given.arguments["self"]
        checked_reduction(given.arguments["reduction"])
        for argument, value in given.arguments.items():
            setattr(self, argument, value)
        self.name = function.__name__ if own_name is None else own_name
        self(input("y_true"), input("y_pred"))  # raises what the function says of its arguments

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{name}.__init__"
    body = {
        "__init__": known_keywords(__init__),
        "__doc__": _documentation(name, function),
        "__module__": __package__,  # pickles name it by this path
        "__qualname__": name,
        "function": staticmethod(function),
    }
    return type(name, (ConfiguredLoss,), body)


def _documentation(name: str, function: Callable[..., Expression]) -> str:
    """What the function says of its settings, in the place of its arguments."""
    text = inspect.getdoc(function) or ""
    arguments = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    described = {entry.partition(" : ")[0]: entry for entry in re.split(r"\n(?=\S)", arguments)}
    settings = "".join(f"{described[setting]}\n" for setting in settings_of(function))
    return f"""The loss `{function.__name__}` with settings: {text.partition(chr(10))[0]}

Parameters
----------
{settings}reduction : str or None
    As of `{function.__name__}`, where a call does not say it. Default "sum_over_batch_size".
name : str, optional
    Of the figure, where it is a metric. Default "{function.__name__}".

Notes
-----
A call ``(y_true, y_pred, sample_weight=None, reduction="own")`` gives what ``fastbp.{function.__name__}`` does.

Examples
--------
>>> import fastbp as bp
>>> bp.losses.{name}().name
'{function.__name__}'
"""


def function_of(loss: Any) -> Any:
    """The function that a loss with settings is made of: of an instance, or of what `functools.partial` makes."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    return type(loss).function if isinstance(loss, ConfiguredLoss) else loss


def ignores_rows(loss: Any) -> bool:
    """Whether a loss leaves out rows of a class, so that it is divided by the others alone."""
    settings: dict[str, Any] = {}
    while isinstance(loss, functools.partial):
        settings = {**loss.keywords, **settings}
        loss = loss.func
    return settings.get("ignore_class", getattr(loss, "ignore_class", None)) is not None
