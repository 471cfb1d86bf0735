"""Layers: functions of expressions that own weights. A layer called twice shares them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from . import expression as _expression
from . import rules
from .expression import Call, Expression, Parameter, Shaped, input
from .functions import dropout, get_activation
from .initializers import get_initializer
from .lowering import Node
from .names import Namer
from .regularizers import get_regularizer


class Layer:
    """Base of all layers; derive from it, with ``build(input_shape)`` for the weights and ``call(x)`` for the result.

    Parameters
    ----------
    name : str, optional
        By default the class' name in a model's numbering: dense, dense_1, …
    trainable : bool
        Whether training changes its weights. Default True.
    input_shape : tuple of int, optional
        Of one row, for a network's first layer: its weights then exist before data come.

    >>> import fastbp as bp
    >>> class Scale(bp.Layer):
    ...     def build(self, input_shape):
    ...         self.scale = self.add_weight(input_shape[1:], initializer="ones", name="scale")
    ...     def call(self, x):
    ...         return x * self.scale
    >>> bp.Sequential([bp.Input((2,)), Scale()]).count_params()
    2
    """

    def __init__(
        self, name: str | None = None, trainable: bool = True, input_shape: Sequence[int] | None = None
    ) -> None:
        self.name = name or ""
        self.name_is_automatic = False  # the first model that it is part of named it
        self.trainable = trainable
        self.input_shape = None if input_shape is None else rules.checked_shape("input_shape", input_shape)
        self.built = False
        self.weights: list[Parameter] = []

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights; called once, before the first `call`. input_shape[0] is None, the rows, as in Keras."""

    def call(self, x: Expression) -> Expression:
        """The result as an expression. x has ``shape``, with None for the rows."""
        raise NotImplementedError(f"{type(self).__name__} must define call(x)")

    def __call__(self, *operands: Any) -> Expression:
        """An expression; the layer is built and its `call` entered when the operands' shapes are known."""
        return Call(self._enter, *operands, layer=self)

    def _enter(self, *nodes: Node) -> Expression:
        if not self.built:
            before = len(self.weights)
            try:
                self.build(*(node.shape for node in nodes))
            except BaseException:
                del self.weights[before:]
                raise
            self.built = True
            for weight in self.weights:
                weight.name = f"{self.name}/{weight.name}"
        return self.call(*nodes)

    def add_weight(
        self,
        shape: Sequence[int] | int,
        initializer: Any = "glorot_uniform",
        name: str = "weight",
        trainable: bool = True,
        decay: bool = True,
        regularizer: Any = None,
    ) -> Parameter:
        """A new weight of this layer, for `build`.

        Parameters
        ----------
        shape : tuple of int
        initializer : str, Initializer or function shape -> array
        name : str
        trainable : bool
        decay : bool
            False for biases: spared by weight decay and by the penalties of `compile`.
        regularizer : optional
            Its penalty is added to the loss.
        """
        weight = Parameter(
            name=name,
            trainable=trainable and self.trainable,
            decay=decay,
            shape=rules.checked_shape("shape", shape),
            initializer=get_initializer("initializer", initializer),
            regularizer=get_regularizer("regularizer", regularizer),
        )
        self.weights.append(weight)
        return weight

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' ' + self.name if self.name else ''}>"


class Dense(Layer):
    """activation(x @ kernel + bias), as in Keras.

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str or function, optional
        A name of `fastbp.functions.ACTIVATIONS` or a function of an expression. Default: identity.
    use_bias : bool
        Default True.
    kernel_initializer, bias_initializer : str, Initializer or function
        Defaults "glorot_uniform", "zeros".
    kernel_regularizer, bias_regularizer : optional
        Such as ``bp.L2(1e-4)``.
    name : str, optional

    The kernel has the shape (fan_in, units), the bias (units,). (rows, …, fan_in) becomes (rows, …, units).
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
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        try:
            self.units = operator.index(units)
        except TypeError:
            raise TypeError(f"units must be a whole number, got {units!r}") from None
        if self.units < 1:
            raise ValueError(f"units must be at least 1, got {units}")
        self.activation = get_activation(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.bias_regularizer = get_regularizer("bias_regularizer", bias_regularizer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                f"{self.name} needs rows of features, of shape (rows, features), got {_text(input_shape)}; "
                "give a row one feature with x[:, None]"
            )
        fan_in = input_shape[-1]
        self.kernel = self.add_weight(
            (fan_in, self.units), self.kernel_initializer, "kernel", regularizer=self.kernel_regularizer
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,), self.bias_initializer, "bias", decay=False, regularizer=self.bias_regularizer
            )

    def call(self, x: Expression) -> Expression:
        shape = x.shape  # type: ignore[attr-defined]
        if not shape or shape[-1] != self.kernel.shape[0]:
            raise ValueError(
                f"{self.name} has got the shape {_text(shape)}, but it was built for {self.kernel.shape[0]} features"
            )
        z = x @ self.kernel
        return self.activation(z + self.bias if self.use_bias else z)


def _text(shape: tuple[int | None, ...]) -> str:
    rows = shape[:1] == (None,)
    return rules.shape_text(rows, [d for d in shape[rows:] if d is not None])


class Dropout(Layer):
    """While training, drops elements with probability `rate` and scales the others by 1 / (1 − rate).

    Parameters
    ----------
    rate : float
        0 ≤ rate < 1.
    """

    def __init__(self, rate: float, name: str | None = None, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.rate = float(rate)
        if not 0 <= self.rate < 1:
            raise ValueError(f"rate must be at least 0 and below 1, got {rate}")

    def call(self, x: Expression) -> Expression:
        return dropout(x, self.rate) if self.rate else x


class Activation(Layer):
    """An activation by name, or any function of an expression, as a layer."""

    def __init__(self, activation: Any, name: str | None = None, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.activation = get_activation(activation)

    def call(self, x: Expression) -> Expression:
        return self.activation(x)


class Flatten(Layer):
    """(rows, a, b, …) becomes (rows, a·b·…), row-major."""

    def call(self, x: Expression) -> Expression:
        return Shaped(rules.flatten, (x,))


class Rescaling(Layer):
    """x · scale + offset.

    Parameters
    ----------
    scale : float or array
    offset : float or array
        Default 0.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, name: str | None = None, **options: Any) -> None:
        super().__init__(name=name, **options)
        self.scale = scale
        self.offset = offset

    def call(self, x: Expression) -> Expression:
        return x * self.scale + self.offset


_input_names = Namer()


def Input(shape: Sequence[int] | int | None = None, name: str | None = None) -> _expression.Input:
    """As in Keras: an input whose rows have `shape`, with a name of its own if none is given."""
    return input(_input_names.next("input") if name is None else name, shape)
