"""`Dense`: a product with a matrix of weights, a bias and an activation."""

from __future__ import annotations

from typing import Any

from .._shared.arguments import LARGEST, at_least, truth
from ..activations import get_activation
from ..constraints import get_constraint
from ..expressions import shape_rules
from ..expressions.expression import Expression
from ..expressions.functions import call
from ..expressions.parameter import Parameter
from ..initializers import get_initializer
from ..regularizers import get_regularizer
from .layer import Layer


class Dense(Layer):
    """activation(x @ kernel + bias), as in Keras: (rows, …, fan_in) becomes (rows, …, units).

    Parameters
    ----------
    units : int
        The number of outputs, at least 1.
    activation : str or function, optional
        A name of `fastbp.activations.ACTIVATIONS` or a function of an expression, which has a ``shape``, None for the
        rows. Default: identity.
    use_bias : bool
        Default True.
    kernel_initializer, bias_initializer : str, Initializer or function
        Defaults "glorot_uniform", "zeros".
    kernel_regularizer, bias_regularizer : optional
        Such as ``bp.L2(1e-4)``. Default: none.
    kernel_constraint, bias_constraint : optional
        Such as ``bp.MaxNorm(3.0)``. Default: none.
    name, trainable, input_shape
        See `Layer`.

    Attributes
    ----------
    kernel : Parameter
        Of shape (fan_in, units), once built.
    bias : Parameter
        Of shape (units,).

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, and, when it is built, for operands without features.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Dense(3, activation="relu", kernel_initializer="ones")])
    >>> net.predict(np.array([[1.0, 2.0]]))
    array([[3., 3., 3.]], dtype=float32)
    """

    kernel: Parameter
    bias: Parameter

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        self.units = at_least("units", units, 1, LARGEST)
        self.activation = get_activation(activation)
        self.use_bias = truth("use_bias", use_bias)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.bias_regularizer = get_regularizer("bias_regularizer", bias_regularizer)
        self.kernel_constraint = get_constraint("kernel_constraint", kernel_constraint)
        self.bias_constraint = get_constraint("bias_constraint", bias_constraint)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes kernel and bias for operands of (rows, …, fan_in)."""
        if len(input_shape) < 2 or input_shape[-1] is None:
            got = shape_rules.text_of(input_shape)
            raise ValueError(
                f"{self.name} needs rows of features, of shape (rows, features), got {got}; "
                "give a row one feature with x[:, None]"
            )
        fan_in = input_shape[-1]
        self.kernel = self.add_weight(
            (fan_in, self.units),
            self.kernel_initializer,
            "kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                "bias",
                decay=False,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, x: Expression) -> Expression:
        """activation(x @ kernel + bias)"""
        shape = x.shape  # type: ignore[attr-defined]
        if not shape or shape[-1] != self.kernel.shape[0]:
            got = shape_rules.text_of(shape)
            raise ValueError(
                f"{self.name} has got the shape {got}, but it was built for {self.kernel.shape[0]} features"
            )
        return call(self.activation, self.weighted_input(x), name="activation")

    def weighted_input(self, x: Expression) -> Expression:
        """z = x @ kernel + bias, once built"""
        z = x @ self.kernel
        return z + self.bias if self.use_bias else z
