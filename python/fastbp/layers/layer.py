"""`Layer`: a function of expressions that owns weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from .._shared.arguments import finite, known_keywords, text_or_none, truth
from .._shared.change_stamp import Setting
from .._shared.known_attributes import KnownAttributes
from .._shared.pickling import Picklable
from ..constraints import get_constraint
from ..expressions import shape_rules
from ..expressions.expression import Call, Expression
from ..expressions.parameter import Parameter
from ..initializers import get_initializer
from ..lowering.layer_names import Scope
from ..lowering.lowering import Lowering, Node
from ..regularizers import get_regularizer


class Layer(KnownAttributes, Picklable):
    """Base of all layers; derive from it, with ``build(input_shape)`` for the weights and ``call(x)`` for the result.

    A layer that is called twice shares its weights. Layers may hold and call other layers; a layer of several operands
    is called with all of them, ``layer(a, b)``, and gets one shape for each in `build`.

    Parameters
    ----------
    name : str, optional
        By default the class' name in a model's numbering: dense, dense_1, …
    trainable : bool
        Whether training changes its weights, and those of the layers that it holds. Default True.
    input_shape : tuple of int, optional
        Of one row, for a network's first layer: its weights then exist before data come.
    learning_rate_multiplier, weight_decay_multiplier : float
        The optimiser's learning rate and weight decay count so many times for its weights and those of the layers that
        it holds; at least 0. May be set at any time, and hold from the next training on. Default 1.

    Attributes
    ----------
    name : str
    trainable : bool
        May be set at any time; holds from the next `fit` or `train_on_batch` on, without another `compile`.
    built : bool
        Whether the weights exist.
    weights : list of Parameter

    Examples
    --------
    >>> import fastbp as bp
    >>> class Scale(bp.Layer):
    ...     def build(self, input_shape):
    ...         self.scale = self.add_weight(input_shape[1:], initializer="ones", name="scale")
    ...     def call(self, x):
    ...         return x * self.scale
    >>> bp.Sequential([bp.Input((2,)), Scale()]).count_params()
    2
    """

    # Defaults on the class, so that a subclass whose __init__ forgets super().__init__() works.
    name = ""
    name_is_automatic = False  # whether the first model that it is part of named it
    trainable = Setting(True, truth)
    learning_rate_multiplier = Setting(1.0, finite)
    weight_decay_multiplier = Setting(1.0, finite)
    input_shape: tuple[int, ...] | None = None
    built = False

    @known_keywords
    def __init__(
        self,
        name: str | None = None,
        trainable: bool = True,
        input_shape: Sequence[int] | None = None,
        learning_rate_multiplier: float = 1.0,
        weight_decay_multiplier: float = 1.0,
    ) -> None:
        self.name = text_or_none("name", name) or ""
        self.trainable = trainable
        self.input_shape = None if input_shape is None else shape_rules.checked_shape("input_shape", input_shape)
        self.learning_rate_multiplier = learning_rate_multiplier
        self.weight_decay_multiplier = weight_decay_multiplier

    @cached_property
    def _own_weights(self) -> list[Parameter]:
        return []

    @cached_property
    def _scope(self) -> Scope:
        """The layers that `call` has called, and their names in this layer."""
        return Scope()

    @property
    def weights(self) -> list[Parameter]:
        """The weights that `build` added, then those of the layers that this one calls; empty before it is built.

        Returns
        -------
        list of Parameter
            Named after the layers around them, such as ``"residual/dense/kernel"``.

        Examples
        --------
        >>> import fastbp as bp
        >>> dense = bp.Dense(3)
        >>> net = bp.Sequential([bp.Input((2,)), dense])
        >>> net.build()
        >>> [(w.name, w.shape) for w in dense.weights]
        [('dense/kernel', (2, 3)), ('dense/bias', (3,))]
        """
        inner = (weight for layer in self._scope.names for weight in layer.weights)
        return list(dict.fromkeys([*self._own_weights, *inner]))

    def build(self, *input_shapes: Any, **_: Any) -> None:
        """Creates the weights with `add_weight`; called once, before the first `call`. To be overridden.

        Parameters
        ----------
        *input_shapes : tuple
            One for each operand. The first entry is None for the rows, as in Keras; an operand without rows has none.
        """

    def call(self, *operands: Any, **_: Any) -> Expression:
        """The result as an expression. To be overridden.

        Parameters
        ----------
        *operands : expression
            They have a ``shape``, with None for the rows.

        Returns
        -------
        Expression
        """
        raise NotImplementedError(f"{type(self).__name__} must define call(x)")

    def __call__(self, *operands: Any) -> Expression:
        """An expression; the layer is built and its `call` entered when the operands' shapes are known."""
        return Call(self._enter, *operands, layer=self)

    def _enter(self, lowering: Lowering, *nodes: Node) -> Expression:
        if not self.built:
            lowering.made.append(self)
            self._own_weights.clear()
            self.build(*(node.shape for node in nodes))
            self.built = True
            for weight in self._own_weights:
                weight.name = f"{lowering.path}/{weight.name}"
        return self.call(*nodes)

    def _unbuild(self) -> None:
        """Undoes `build`: the model that it was built for could not be built."""
        self.built = False
        self._own_weights.clear()
        self._scope = Scope()

    @known_keywords
    def add_weight(
        self,
        shape: Sequence[int] | int,
        initializer: Any = "glorot_uniform",
        name: str = "weight",
        trainable: bool = True,
        decay: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> Parameter:
        """A new weight of this layer, for `build`.

        Parameters
        ----------
        shape : tuple of int
        initializer : str, Initializer or function shape -> array
            Default "glorot_uniform".
        name : str
            Default "weight".
        trainable : bool
            Whether training changes it, while the layer is trainable. Default True.
        decay : bool
            False for biases: spared by weight decay and by the penalties of `compile`. Default True.
        regularizer : optional
            Its penalty is added to the loss.
        constraint : optional
            Such as ``bp.MaxNorm(3.0)``: what the weight is brought back to after every step.

        Returns
        -------
        Parameter

        Raises
        ------
        ValueError, TypeError
            For a shape, an initialiser, a regulariser or a constraint that is none.

        Examples
        --------
        >>> import fastbp as bp
        >>> bp.Layer().add_weight((3, 2), "zeros", "kernel").shape
        (3, 2)
        """
        weight = Parameter(
            name=name,
            trainable=trainable,
            decay=decay,
            shape=shape_rules.checked_shape("shape", shape),
            initializer=get_initializer("initializer", initializer),
            regularizer=get_regularizer("regularizer", regularizer),
            constraint=get_constraint("constraint", constraint),
        )
        self._own_weights.append(weight)
        return weight

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' ' + self.name if self.name else ''}>"
