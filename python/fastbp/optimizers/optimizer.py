"""`Optimizer`, the base of all optimisers: checks hyperparameters. The updates are rule 10 of the numeric contract."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._shared.arguments import above_0, at_least, finite, known_keywords, truth
from .._shared.change_stamp import ChangeStamp
from .._shared.known_attributes import KnownAttributes
from .._shared.pickling import Picklable
from .schedules import LearningRateSchedule


class Optimizer(KnownAttributes, Picklable):
    """Base of all optimisers, with what they have in common; not to be used itself.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0; or a schedule; or any function of the update's number, from 0, that gives η. May be set at any
        time, and holds from the next step on.
    weight_decay : float
        wd, at least 0: w ← w − η·wd·w before the step. Biases are spared. It is decoupled, it never passes through
        gradients or momentum. Default 0.
    clipnorm : float, optional
        A gradient whose norm is larger is scaled down to this norm, each parameter by itself.
    clipvalue : float, optional
        Each element of a gradient is cut to ±clipvalue.
    global_clipnorm : float, optional
        If the norm of all gradients together is larger, they are all scaled down by one factor to this norm. Only one
        of the three can be given.
    use_ema : bool
        Whether an exponential moving average of the weights is kept, which replaces them when a `fit` or `minimize`
        is done. The figures of `validation_data` and the best weights of `EarlyStopping` are then those of the
        averages, which `fit` would leave; a callback that evaluates the model itself sees the weights. Default False.
    ema_momentum : float
        m in average ← m·average + (1 − m)·w; the first update begins the average. Default 0.99.
    ema_overwrite_frequency : int, optional
        The weights are also set to their average after every so many updates.
    gradient_accumulation_steps : int, optional
        The gradients of so many steps are averaged, and make one update; then clipping and decay happen once, too.
        What is left at the end of a `fit` or `minimize` makes a last update, divided by its number: before the last
        epoch's validation, unless a callback ends training only after that. After `train_on_batch` it waits for the
        next step.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If one is out of its range or not finite, or two ways to clip are given.

    Notes
    -----
    Names, defaults and meanings are those of Keras 3, but for what docs/coming-from-keras.md lists: biases that decay
    spares, averages and schedules that count updates, accumulated gradients at the end of a fit, functions as rates.
    All of it is rule 10 of the numeric contract.
    The decay: I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, 2019. Clipping by a norm: R. Pascanu
    et al., On the Difficulty of Training Recurrent Neural Networks, 2013. The average: B. Polyak and A. Juditsky,
    Acceleration of Stochastic Approximation by Averaging, 1992.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.Adam(global_clipnorm=1.0, gradient_accumulation_steps=4)
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, amsgrad=False, weight_decay=0.0,
         global_clipnorm=1.0, gradient_accumulation_steps=4)
    """

    name = ""  # the backends' name of the optimiser
    _is_made = False  # whether all hyperparameters are set, so that each new one can be checked with the others

    @known_keywords
    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float = 0.0,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        gradient_accumulation_steps: int | None = None,
    ) -> None:
        if type(self) is Optimizer:
            raise TypeError("Optimizer is the base of optimisers: use one of them, such as bp.SGD(0.1)")
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.configuration()
        self._is_made = True

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).copy()
        if self._is_made and name == "learning_rate":
            _rates(value)  # alone: it may be set before every step
        super().__setattr__(name, value)
        if self._is_made and name != "learning_rate" and not name.startswith("_"):
            try:
                Optimizer.configuration(self)  # not a subclass' own, which may set what it is asked for
            except BaseException:
                self.__dict__ = before
                raise
        ChangeStamp.renew()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        ChangeStamp.renew()

    def own(self) -> dict[str, Any]:
        """The hyperparameters of this rule alone, checked."""
        return {}

    def configuration(self) -> dict[str, Any]:
        """All hyperparameters as the backends take them, checked."""
        clips = {name: getattr(self, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
        given = [name for name, value in clips.items() if value is not None]
        if len(given) > 1:
            raise ValueError(
                f"only one of clipnorm, clipvalue and global_clipnorm can be given, got {', '.join(given)}"
            )
        every, steps = self.ema_overwrite_frequency, self.gradient_accumulation_steps
        return {
            "name": self.name,
            "learning_rate": _rates(self.learning_rate),
            **self.own(),
            "weight_decay": 0.0 if self.weight_decay is None else finite("weight_decay", self.weight_decay),
            **{name: 0.0 if value is None else above_0(name, value) for name, value in clips.items()},
            "use_ema": truth("use_ema", self.use_ema),
            "ema_momentum": _at_most_1("ema_momentum", self.ema_momentum),
            "ema_overwrite_frequency": 0 if every is None else at_least("ema_overwrite_frequency", every, 1),
            "gradient_accumulation_steps": 1 if steps is None else at_least("gradient_accumulation_steps", steps, 1),
        }

    def __repr__(self) -> str:
        common = inspect.signature(Optimizer.__init__).parameters
        own = [name for name in inspect.signature(type(self).__init__).parameters if name not in ("self", "options")]
        shown = own + [n for n, p in common.items() if n not in [*own, "self"] and getattr(self, n) != p.default]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


@dataclass(frozen=True)
class EachUpdate:
    """The rates of a user's function, which is called once per update, at its beginning."""

    function: Callable[[int], Any]

    def __call__(self, first: int) -> list[Any]:
        return [self.function(first)]


def _rates(learning_rate: Any) -> Any:
    if isinstance(learning_rate, LearningRateSchedule):
        return learning_rate.rates
    return EachUpdate(learning_rate) if callable(learning_rate) else finite("learning_rate", learning_rate)


def _at_most_1(argument: str, value: Any) -> float:
    number = finite(argument, value)
    if number > 1:
        raise ValueError(f"{argument} must be at most 1, got {number}")
    return number


def checked_momentum(value: Any) -> float:
    momentum = finite("momentum", value)
    if momentum >= 1:
        raise ValueError(f"momentum must be below 1, got {momentum}")
    return momentum
