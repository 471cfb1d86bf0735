"""The layers. A layer called twice shares its weights; `Layer` is their base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import expression as _expression
from . import rules
from .activations import get_activation
from .arguments import at_least, known_keywords
from .constraints import get_constraint
from .expression import Expression, Shaped, input
from .functions import call, drop_attributes, dropout
from .initializers import get_initializer
from .layer import Layer
from .names import Namer
from .regularizers import get_regularizer

__all__ = ["Activation", "Dense", "Dropout", "Flatten", "Input", "Layer", "Rescaling"]


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
        self.units = at_least("units", units, 1)
        self.activation = get_activation(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.bias_regularizer = get_regularizer("bias_regularizer", bias_regularizer)
        self.kernel_constraint = get_constraint("kernel_constraint", kernel_constraint)
        self.bias_constraint = get_constraint("bias_constraint", bias_constraint)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes kernel and bias for operands of (rows, …, fan_in)."""
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                f"{self.name} needs rows of features, of shape (rows, features), got {_text(input_shape)}; "
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
            raise ValueError(
                f"{self.name} has got the shape {_text(shape)}, but it was built for {self.kernel.shape[0]} features"
            )
        return call(self.activation, self.weighted_input(x), name="activation")

    def weighted_input(self, x: Expression) -> Expression:
        """z = x @ kernel + bias, once built"""
        z = x @ self.kernel
        return z + self.bias if self.use_bias else z


def _text(shape: tuple[int | None, ...]) -> str:
    rows = shape[:1] == (None,)
    return rules.shape_text(rows, [d for d in shape[rows:] if d is not None])


class Dropout(Layer):
    """While training, drops elements with probability `rate` and scales the others by 1 / (1 − rate).

    Elsewhere it changes nothing. Which elements are dropped follows from the model's seed and the counters of epochs
    and steps (rule 9 of the numeric contract).

    Parameters
    ----------
    rate : float
        0 ≤ rate < 1.
    name, trainable, input_shape
        See `Layer`.
    per : {"row", "batch"}
        Whether every row drops elements of its own, or all rows of a mini-batch the same ones. Default "row".
    exact : bool
        Whether exactly rate·width elements are dropped (rounded, half up): half of the nodes. Default False.
    scaling : {"inverted", "weights"}
        "weights" does not scale what is kept while training; wherever the whole network is used, the weights behind
        this layer count (1 − rate) times instead. Default "inverted". See `dropout`.

    Raises
    ------
    ValueError, TypeError
        For another rate, `per`, `exact` or `scaling`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> bp.Sequential([bp.Dropout(0.5)]).predict(np.ones((1, 4)))
    array([[1., 1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        rate: float,
        name: str | None = None,
        *,
        per: str = "row",
        exact: bool = False,
        scaling: str = "inverted",
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        self.rate = drop_attributes(rate, per, exact, scaling)[0]
        self.per, self.exact, self.scaling = per, exact, scaling

    def call(self, x: Expression) -> Expression:
        """x with some elements dropped, while training."""
        return dropout(x, self.rate, self.per, self.exact, self.scaling) if self.rate else x


class Activation(Layer):
    """An activation as a layer; shapes stay as the function leaves them.

    Parameters
    ----------
    activation : str or function
        A name of `fastbp.activations.ACTIVATIONS` or any function of an expression, which has a ``shape``, None for
        the rows.
    name, trainable, input_shape
        See `Layer`.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or what is neither a name nor a function.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> bp.Sequential([bp.Activation(lambda z: z / z.shape[-1])]).predict(np.ones((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    def __init__(self, activation: Any, name: str | None = None, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.activation = get_activation(activation)

    def call(self, x: Expression) -> Expression:
        """activation(x)"""
        return self.activation(x)


class Flatten(Layer):
    """(rows, a, b, …) becomes (rows, a·b·…), row-major; (rows,) becomes (rows, 1).

    Parameters
    ----------
    name, trainable, input_shape
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> bp.Sequential([bp.Flatten()]).predict(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def call(self, x: Expression) -> Expression:
        """x with one axis of features"""
        return Shaped(rules.flatten, (x,))


class Rescaling(Layer):
    """x · scale + offset; shapes stay.

    Parameters
    ----------
    scale : float or array
        An array has the shape of a row, or one that broadcasts to it.
    offset : float or array
        Default 0.
    name, trainable, input_shape
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> bp.Sequential([bp.Rescaling(1 / 255)]).predict(np.array([[0, 255]], np.uint8))
    array([[0., 1.]], dtype=float32)
    """

    def __init__(self, scale: Any, offset: Any = 0.0, name: str | None = None, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.scale = scale
        self.offset = offset

    def call(self, x: Expression) -> Expression:
        """x · scale + offset"""
        return x * self.scale + self.offset


_input_names = Namer()


@known_keywords
def Input(shape: Sequence[int] | int | None = None, name: str | None = None) -> _expression.Input:
    """As in Keras: an input whose rows have `shape`.

    Parameters
    ----------
    shape : tuple of int, optional
        Without the rows. Inferred from the first data by default.
    name : str, optional
        Default: a name of its own, input, input_1, …

    Returns
    -------
    Expression
        Of the shape (rows, \\*shape).

    Raises
    ------
    ValueError, TypeError
        For what is no shape, or a name that is no string.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.Input((784,), name="pixels")
    <Input 'pixels' input>
    """
    return input(_input_names.next("input") if name is None else name, shape)
