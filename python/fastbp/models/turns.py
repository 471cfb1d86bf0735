"""The turns of a model: what trains it, or changes how, has it alone; and one thread at a time builds it.

A turn is held while a function runs and ends with it in the core, so that no interrupt can leave it taken.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from .._shared.arguments import keywords_of, unknown_keyword
from ..errors import NonFiniteError
from ..expressions.parameter import Parameter
from ..lowering.backends import turns

Method = TypeVar("Method", bound=Callable[..., Any])


class ModelTurns:
    """Those of one model. Each is called with a method's name, for messages, a function and its arguments."""

    def __init__(self) -> None:
        module = turns()
        self.training = module.Turn(
            "cannot be called while the model is being trained: not from its callbacks",
            "cannot be called while another thread trains the model: wait for its end, or let each thread train a copy",
        )
        self.train = functools.partial(module.take_turn, self.training)
        self.build = functools.partial(
            module.take_turn, module.Turn("cannot be called while the model is being built: not by its layers")
        )

    def while_idle(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Calls function with the turn of training, or not at all while the model is being trained."""
        if not self.training.is_taken:
            with contextlib.suppress(RuntimeError):  # a training has begun since
                self.train("", function, *arguments)

    def undo(self, unmake: Callable[[], None]) -> None:
        """Undoes the build of a call that failed, unless another thread trains what was built."""
        if self.training.is_mine:
            unmake()
        else:
            self.while_idle(unmake)


class Watch:
    """Sees to it that no other thread trains a model while it is copied or pickled, which takes many steps of Python.

    It is the last entry of the model's state: pickle and deepcopy come to it when they have the rest. A callback of
    the training itself may copy: it is between two steps.
    """

    def __init__(self, turns: ModelTurns, weights: Sequence[Parameter]) -> None:
        self._turn, self._weights = turns.training, weights
        self._versions = [weight.version for weight in weights]
        self.look()

    def look(self) -> None:
        """Raises a RuntimeError if another thread trains the weights, or has changed them since."""
        stores = {weight.store for weight in self._weights}
        if (
            (self._turn.is_taken and not self._turn.is_mine)
            or any(store.is_busy_elsewhere for store in stores if store is not None)
            or self._versions != [weight.version for weight in self._weights]
        ):
            raise RuntimeError(
                "the model cannot be copied or pickled while another thread trains it: wait for its end, or let one of "
                "its callbacks do it"
            )

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        self.look()

    def __reduce__(self) -> Any:
        self.look()
        return dict, ()  # nothing is left of it in the pickle


def alone(method: Method) -> Method:
    """Decorator of a model's method: `known_keywords`, and it holds the turn of training.

    Other threads and callbacks get a RuntimeError. If they waited, two models whose callbacks train each other, or a
    callback that waits for a thread which trains its model, would wait for ever.
    """
    name, known = method.__name__, keywords_of(method)

    @functools.wraps(method)
    def holding_the_turn(self: Any, *arguments: Any, **keywords: Any) -> Any:
        for keyword in keywords:
            if keyword not in known:
                raise unknown_keyword(keyword, method, (self, *arguments))
        return self._turns.train(name, method, self, *arguments, **keywords)

    return cast(Method, holding_the_turn)


def tentative(method: Method) -> Method:
    """Decorator of a model's method: `known_keywords`, and if it fails, it has not built the model.

    Data that do not fit must not fix the shapes.
    """
    known, attempt = keywords_of(method), _attempt(method)

    @functools.wraps(method)
    def checked(*arguments: Any, **keywords: Any) -> Any:
        for keyword in keywords:
            if keyword not in known:
                raise unknown_keyword(keyword, method, arguments)
        if not arguments or arguments[0]._built:  # the tuple as it came: another one would cost time
            return method(*arguments, **keywords)
        return attempt(*arguments, **keywords)

    return cast(Method, checked)


def _attempt(method: Callable[..., Any]) -> Callable[..., Any]:
    def attempt(self: Any, *arguments: Any, **keywords: Any) -> Any:
        """Calls the method of a model that is not built; if it fails before a step, the model is not built after it."""
        try:
            return method(self, *arguments, **keywords)
        except NonFiniteError:  # the weights can be looked at
            raise
        except Exception:
            self._turns.undo(self._unmake)
            raise

    return attempt
