"""`LayerNormalization` and `RMSNormalization`: each row's features, brought to one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._shared.arguments import finite, truth
from ..constraints import get_constraint
from ..expressions import shape_rules
from ..expressions.expression import Expression
from ..expressions.functions import reshape, sqrt, square
from ..expressions.parameter import Parameter
from ..expressions.reductions import mean
from ..initializers import get_initializer
from ..regularizers import get_regularizer
from .layer import Layer

Shape = tuple[int | None, ...]  # with None for the rows


class _Normalization(Layer):
    """Base of the layers that normalise over axes of features and have a weight for each feature of these axes."""

    axes: tuple[int, ...]  # from the first on, ascending, once built
    sizes: tuple[int, ...]  # of these axes

    def __init__(self, axis: int | Sequence[int], epsilon: float, name: str | None, **options: Any) -> None:
        super().__init__(name=name, **options)
        if axis is None:
            raise TypeError("axis must be a whole number or a tuple of them, got None")
        self.axis = shape_rules.checked_axis(axis)
        if self.axis == ():
            raise ValueError("axis must hold at least one axis, got ()")
        self.epsilon = finite("epsilon", epsilon)

    def build(self, input_shape: Shape) -> None:
        """Makes the weights for operands of this shape."""
        self.axes, self.sizes = self._axes_and_sizes(input_shape)

    def _axes_and_sizes(self, shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        sizes: dict[int, int] = {}
        for axis in given:
            size = shape[axis] if -len(shape) <= axis < len(shape) else None
            if size is None:
                raise ValueError(
                    f"axis of {self.name} must be of the features of {shape_rules.text_of(shape)}, got {axis}"
                    + (": rows are not mixed" if -len(shape) <= axis < len(shape) else "")
                )
            sizes[axis % len(shape)] = size
        return tuple(sorted(sizes)), tuple(sizes[axis] for axis in sorted(sizes))

    def _check(self, x: Expression) -> None:
        """Raises a ValueError for an operand that would broadcast with the weights."""
        shape = x.shape  # type: ignore[attr-defined]
        if self._axes_and_sizes(shape) != (self.axes, self.sizes):
            raise ValueError(
                f"{self.name} has got the shape {shape_rules.text_of(shape)}, but it was built for axes {self.axes} of "
                f"the sizes {self.sizes}"
            )

    def _beside(self, weight: Parameter, x: Expression) -> Expression:
        """The weight with as many axes as x from its first on, so that it broadcasts along those that remain."""
        last = len(x.shape)  # type: ignore[attr-defined]
        dims = [1] * (last - self.axes[0])
        for axis, size in zip(self.axes, self.sizes):
            dims[axis - self.axes[0]] = size
        return reshape(weight, dims)


class LayerNormalization(_Normalization):
    """(x − mean) ÷ √(variance + ε) · γ + β, row by row, with mean and variance over axes of features; shapes stay.

    Parameters
    ----------
    axis : int or tuple of int
        The axes of features that are normalised together; 0 is the rows, which are never mixed. Default −1, the last.
    epsilon : float
        ε, which keeps the division possible, at least 0. Default 1e-3, as in Keras.
    center, scale : bool
        Whether there is a β, and a γ. Default True.
    beta_initializer, gamma_initializer : str, Initializer or function
        Defaults "zeros", "ones".
    beta_regularizer, gamma_regularizer : optional
        Such as ``bp.L2(1e-4)``. Default: none.
    beta_constraint, gamma_constraint : optional
        Such as ``bp.MaxNorm(3.0)``. Default: none.
    name, trainable, input_shape
        See `Layer`.

    Attributes
    ----------
    gamma, beta : Parameter
        Of the shape of `axis`, once built; spared by weight decay, as biases are.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, and, when it is built, for an axis that is none of the features.

    Notes
    -----
    J. L. Ba, J. R. Kiros and G. Hinton, Layer Normalization, 2016. The variance is the mean of (x − mean)², not
    mean(x²) − mean², which cancels where the mean is large.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.Sequential([bp.LayerNormalization()]).predict([[1.0, 3.0]]).round(2)
    array([[-1.,  1.]], dtype=float32)
    """

    gamma: Parameter
    beta: Parameter

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(axis, epsilon, name, **options)
        self.center = truth("center", center)
        self.scale = truth("scale", scale)
        self.beta_initializer = get_initializer("beta_initializer", beta_initializer)
        self.gamma_initializer = get_initializer("gamma_initializer", gamma_initializer)
        self.beta_regularizer = get_regularizer("beta_regularizer", beta_regularizer)
        self.gamma_regularizer = get_regularizer("gamma_regularizer", gamma_regularizer)
        self.beta_constraint = get_constraint("beta_constraint", beta_constraint)
        self.gamma_constraint = get_constraint("gamma_constraint", gamma_constraint)

    def build(self, input_shape: Shape) -> None:
        """Makes gamma and beta, of the shape of the normalised axes."""
        super().build(input_shape)
        if self.scale:
            self.gamma = self.add_weight(
                self.sizes,
                self.gamma_initializer,
                "gamma",
                decay=False,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if self.center:
            self.beta = self.add_weight(
                self.sizes,
                self.beta_initializer,
                "beta",
                decay=False,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )

    def call(self, x: Expression) -> Expression:
        """(x − mean) ÷ √(variance + ε) · γ + β"""
        self._check(x)
        centered = x - mean(x, axis=self.axes, keepdims=True)
        variance = mean(square(centered), axis=self.axes, keepdims=True)
        out = centered / sqrt(variance + self.epsilon)
        if self.scale:
            out = out * self._beside(self.gamma, x)
        return out + self._beside(self.beta, x) if self.center else out


class RMSNormalization(_Normalization):
    """x ÷ √(mean of x² + ε) · scale, row by row, with the mean over axes of features; shapes stay.

    Parameters
    ----------
    axis : int or tuple of int
        The axes of features that are normalised together; 0 is the rows, which are never mixed. Default −1, the last.
    epsilon : float
        ε, which keeps the division possible, at least 0. Default 1e-6, as in Keras.
    name, trainable, input_shape
        See `Layer`.

    Attributes
    ----------
    scale : Parameter
        Of the shape of `axis`, once built, at first 1; spared by weight decay, as biases are.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, and, when it is built, for an axis that is none of the features.

    Notes
    -----
    B. Zhang and R. Sennrich, Root Mean Square Layer Normalization, 2019.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.Sequential([bp.RMSNormalization()]).predict([[1.0, 7.0]]).round(2)
    array([[0.2, 1.4]], dtype=float32)
    """

    scale: Parameter

    def __init__(
        self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, name: str | None = None, **options: Any
    ) -> None:
        super().__init__(axis, epsilon, name, **options)

    def build(self, input_shape: Shape) -> None:
        """Makes scale, of the shape of the normalised axes."""
        super().build(input_shape)
        self.scale = self.add_weight(self.sizes, "ones", "scale", decay=False)

    def call(self, x: Expression) -> Expression:
        """x ÷ √(mean of x² + ε) · scale"""
        self._check(x)
        size = sqrt(mean(square(x), axis=self.axes, keepdims=True) + self.epsilon)
        return x / size * self._beside(self.scale, x)
