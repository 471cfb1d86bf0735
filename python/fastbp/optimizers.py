"""Optimisers: what they are called with; the updates themselves are rule 10 of the numeric contract."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .arguments import at_least, finite, known_keywords, share, truth
from .names import look_up
from .pickling import Picklable
from .schedules import LearningRateSchedule
from .settings import Stamp


class Optimizer(Picklable):
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
        is done. Default False.
    ema_momentum : float
        m in average ← m·average + (1 − m)·w; the first update begins the average. Default 0.99.
    ema_overwrite_frequency : int, optional
        The weights are also set to their average after every so many updates.
    gradient_accumulation_steps : int, optional
        The gradients of so many steps are averaged, and make one update; then clipping and decay happen once, too.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If one is out of its range or not finite, or two ways to clip are given.

    Notes
    -----
    Names, defaults and meanings are those of Keras 3, but for these: the average moves with updates alone, not with
    steps that only accumulate; `weight_decay` is 0 where Keras says None. All of it is rule 10 of the numeric contract.
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

    name = ""  # of the backends' rule

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

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        Stamp.renew()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        Stamp.renew()

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
            **{name: 0.0 if value is None else _above_0(name, value) for name, value in clips.items()},
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
    """The rates of a user's function, which is called once per update, when it begins."""

    function: Callable[[int], Any]

    def __call__(self, first: int) -> list[Any]:
        return [self.function(first)]


def _rates(learning_rate: Any) -> Any:
    if isinstance(learning_rate, LearningRateSchedule):
        return learning_rate.rates
    return EachUpdate(learning_rate) if callable(learning_rate) else finite("learning_rate", learning_rate)


def _above_0(argument: str, value: Any) -> float:
    number = finite(argument, value)
    if number == 0:
        raise ValueError(f"{argument} must be above 0, got {number}")
    return number


def _at_most_1(argument: str, value: Any) -> float:
    number = finite(argument, value)
    if number > 1:
        raise ValueError(f"{argument} must be at most 1, got {number}")
    return number


def _momentum(value: Any) -> float:
    momentum = finite("momentum", value)
    if momentum >= 1:
        raise ValueError(f"momentum must be below 1, got {momentum}")
    return momentum


class SGD(Optimizer):
    """Stochastic gradient descent.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.01. May be set at any time, and holds from the next step on.
    momentum : float
        0 ≤ μ < 1. Default 0.
    nesterov : bool
        Whether to look ahead along the momentum. Default False.
    weight_decay : float
        wd, at least 0. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError
        If an argument is no number, or `nesterov` no truth value.
    ValueError
        If one is out of its range or not finite.

    Notes
    -----
    With g the gradient of the batch's cost, first w ← w − η·wd·w (biases are spared), then

    - momentum 0: w ← w − η·g
    - momentum μ: v ← μ·v − η·g; w ← w + v
    - Nesterov: v as before; w ← w + μ·v − η·g

    as in Keras; the order of the roundings is rule 10 of the numeric contract. I. Sutskever et al., On the Importance
    of Initialization and Momentum in Deep Learning, 2013. The decay is decoupled, it never passes through the momentum:
    I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, 2019.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False, weight_decay=0.0)
    """

    name = "sgd"

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.momentum = momentum
        self.nesterov = nesterov
        super().__init__(learning_rate, weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {"momentum": _momentum(self.momentum), "nesterov": truth("nesterov", self.nesterov)}


class Adagrad(Optimizer):
    """Steps that shrink with the squares of all gradients so far, each weight's by its own.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001.
    initial_accumulator_value : float
        Where the sums of squares begin, at least 0. Default 0.1.
    epsilon : float
        ε > 0, added below the root. Default 1e-7.
    weight_decay : float
        wd, decoupled. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is no number, or out of its range.

    Notes
    -----
    s ← s + g²; w ← w − η·g ÷ √(s + ε). J. Duchi, E. Hazan and Y. Singer, Adaptive Subgradient Methods for Online
    Learning and Stochastic Optimization, 2011.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter(1.0)
    >>> adagrad = bp.Adagrad(0.5, initial_accumulator_value=0.0, epsilon=1e-12)
    >>> run = bp.minimize(w**2, optimizer=adagrad, epochs=2, backend="reference", dtype="float64")
    >>> round(float(w.value), 6)  # 1 - 0.5 - 0.5 / √5
    0.276393
    """

    name = "adagrad"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        super().__init__(learning_rate, weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {
            "initial_accumulator_value": finite("initial_accumulator_value", self.initial_accumulator_value),
            "epsilon": _above_0("epsilon", self.epsilon),
        }


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001.
    rho : float
        0 ≤ ρ < 1: how slowly the means forget. Default 0.9.
    momentum : float
        0 ≤ μ < 1. Default 0.
    epsilon : float
        ε > 0, added below the root. Default 1e-7.
    centered : bool
        Whether to divide by the root of the variance: the mean gradient's square is taken off. Default False.
    weight_decay : float
        wd, decoupled. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or out of its range.

    Notes
    -----
    v ← ρ·v + (1 − ρ)·g²; centered: a ← ρ·a + (1 − ρ)·g and v − a², at least 0, takes v's place below;
    u = g ÷ √(v + ε); without momentum w ← w − η·u, else m ← μ·m + η·u; w ← w − m. T. Tieleman and G. Hinton, Lecture
    6.5, Neural Networks for Machine Learning, 2012; centered: A. Graves, Generating Sequences with Recurrent Neural
    Networks, 2013.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter(1.0)
    >>> run = bp.minimize(w**2, optimizer=bp.RMSprop(0.01), epochs=1, backend="reference")
    >>> round(float(w.value), 4)  # the first step is η ÷ √(1 − ρ)
    0.9684
    """

    name = "rmsprop"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        super().__init__(learning_rate, weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {
            "rho": share("rho", self.rho),
            "momentum": _momentum(self.momentum),
            "epsilon": _above_0("epsilon", self.epsilon),
            "centered": truth("centered", self.centered),
        }


class _Moments(Optimizer):
    """What Adam and Nadam share: β₁, β₂ and ε."""

    def __init__(self, beta_1: float, beta_2: float, epsilon: float, **options: Any) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        super().__init__(**options)

    def own(self) -> dict[str, Any]:
        return {
            "beta_1": share("beta_1", self.beta_1),
            "beta_2": share("beta_2", self.beta_2),
            "epsilon": _above_0("epsilon", self.epsilon),
        }


class Adam(_Moments):
    """Running means of gradient and squared gradient, corrected for their start at zero.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001.
    beta_1, beta_2 : float
        0 ≤ β < 1: how slowly the means of gradient and square forget. Defaults 0.9, 0.999.
    epsilon : float
        ε > 0, added to the root: the paper's ε̂. Default 1e-7.
    amsgrad : bool
        Whether to divide by the largest mean square so far. Default False.
    weight_decay : float
        wd, decoupled. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or out of its range.

    Notes
    -----
    m ← m + (1 − β₁)(g − m); v ← v + (1 − β₂)(g² − v); α = η·√(1 − β₂ᵗ) ÷ (1 − β₁ᵗ); w ← w − α·m ÷ (√v + ε), at update
    t = 1, 2, …. D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, in the order of the end of its
    section 2, as in Keras. amsgrad: S. Reddi et al., On the Convergence of Adam and Beyond, 2018.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([1.0, 100.0])
    >>> run = bp.minimize(bp.sum(w**2), optimizer=bp.Adam(0.5), epochs=1, backend="reference")
    >>> w.value.round(4)  # the first step is η, whatever the gradient
    array([ 0.5, 99.5], dtype=float32)
    """

    name = "adam"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.amsgrad = amsgrad
        super().__init__(beta_1, beta_2, epsilon, learning_rate=learning_rate, weight_decay=weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {**super().own(), "amsgrad": truth("amsgrad", self.amsgrad)}


class AdamW(Adam):
    """`Adam` with decoupled weight decay by default.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001.
    weight_decay : float
        wd: w ← w − η·wd·w before the step. Default 0.004.
    beta_1, beta_2, epsilon, amsgrad
        As in `Adam`.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or out of its range.

    Notes
    -----
    I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, 2019.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.AdamW()
    AdamW(learning_rate=0.001, weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-07, amsgrad=False)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, **options)


class Nadam(_Moments):
    """`Adam` with Nesterov's momentum, which itself grows slowly.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001.
    beta_1, beta_2 : float
        0 ≤ β < 1: how slowly the means of gradient and square forget. Defaults 0.9, 0.999.
    epsilon : float
        ε > 0, added to the root. Default 1e-7.
    weight_decay : float
        wd, decoupled. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or out of its range.

    Notes
    -----
    m and v as for `Adam`; uₜ = β₁(1 − 0.96ᵗ ÷ 2) and Pₜ = u₁ ⋯ uₜ;
    w ← w − η·(uₜ₊₁·m ÷ (1 − Pₜ₊₁) + (1 − uₜ)·g ÷ (1 − Pₜ)) ÷ (√(v ÷ (1 − β₂ᵗ)) + ε). T. Dozat, Incorporating Nesterov
    Momentum into Adam, 2016.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.Nadam()
    Nadam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-07, weight_decay=0.0)
    """

    name = "nadam"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(beta_1, beta_2, epsilon, learning_rate=learning_rate, weight_decay=weight_decay, **options)


class Lion(Optimizer):
    """The sign of a momentum: every weight moves by η.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function
        η, at least 0. Default 0.001; the paper recommends a third to a tenth of Adam's.
    beta_1, beta_2 : float
        0 ≤ β < 1: the momentum's share in the step, and how slowly it forgets. Defaults 0.9, 0.99.
    weight_decay : float
        wd, decoupled. Default 0.
    **options
        Clipping, averaging and accumulation: see `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or out of its range.

    Notes
    -----
    w ← w − η·sign(β₁·m + (1 − β₁)·g); m ← β₂·m + (1 − β₂)·g. X. Chen et al., Symbolic Discovery of Optimization
    Algorithms, 2023.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter([1.0, -100.0])
    >>> run = bp.minimize(bp.sum(w**2), optimizer=bp.Lion(0.25), epochs=2, backend="reference")
    >>> w.value
    array([  0.5, -99.5], dtype=float32)
    """

    name = "lion"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float = 0.0,
        **options: Any,
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        super().__init__(learning_rate, weight_decay, **options)

    def own(self) -> dict[str, Any]:
        return {"beta_1": share("beta_1", self.beta_1), "beta_2": share("beta_2", self.beta_2)}


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    cls.__name__.lower(): cls for cls in (SGD, Adagrad, RMSprop, Adam, AdamW, Nadam, Lion)
}


def get_optimizer(optimizer: Any) -> Optimizer:
    """The optimiser that an instance or a name ("sgd", with its defaults) stands for."""
    if isinstance(optimizer, str):
        found: Optimizer = look_up("optimizer", optimizer.lower(), OPTIMIZERS)()
        return found
    if isinstance(optimizer, Optimizer):
        return optimizer
    raise TypeError(f"optimizer must be a name or an instance such as bp.SGD(0.1), got {optimizer!r}")
