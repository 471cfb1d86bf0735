"""`Adam`, `AdamW` and `Nadam`: running means of the gradient and of its square."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import above_0, share, truth
from .optimizer import Optimizer


class _Moments(Optimizer):
    """Base of `Adam` and `Nadam`: β₁, β₂ and ε."""

    def __init__(self, beta_1: float, beta_2: float, epsilon: float, **options: Any) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        super().__init__(**options)

    def own(self) -> dict[str, Any]:
        return {
            "beta_1": share("beta_1", self.beta_1),
            "beta_2": share("beta_2", self.beta_2),
            "epsilon": above_0("epsilon", self.epsilon),
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
