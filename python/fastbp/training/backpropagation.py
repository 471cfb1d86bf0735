"""`Backpropagation`: the backward pass of a network of `Dense` layers, with the textbook's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..expressions.expression import Call, Expression, Input
from ..expressions.functions import call
from ..layers.dense import Dense
from ..lowering.lowering import Lowering
from ..lowering.parameter_store import ParameterStore

Dims = tuple[int, ...]


@dataclass
class Backpropagation:
    """The backward pass, layer by layer: what `Model.backpropagate` returns.

    Attributes
    ----------
    a : dict of int to array
        The activations, of shape (rows, width): ``a[1]`` is x, ``a[2]`` … ``a[L]`` are those of the layers.
    z : dict of int to array
        The weighted inputs z[l] = a[l−1] W[l] + b[l], for l = 2 … L.
    delta : dict of int to array
        δ[l] = ∂Cₓ/∂z[l], for l = 2 … L: a row is that of its Cₓ, before the mean over the rows.
    weight_gradients : dict of int to array
        ∂C/∂W[l], of shape (fan_in, fan_out), for l = 2 … L; C is the mean of the Cₓ.
    bias_gradients : dict of int to array
        ∂C/∂b[l], of shape (fan_out,), for the layers that have a bias.
    loss : float
        C, without penalties.

    Examples
    --------
    >>> import fastbp as bp
    >>> net = bp.Sequential([bp.Dense(2, activation="sigmoid"), bp.Dense(1)])
    >>> net.compile(loss="quadratic")
    >>> back = net.backpropagate([[1.0], [2.0]], [2.0, 4.0])
    >>> back.layers, [*back.a], [*back.delta], back.weight_gradients[2].shape
    (3, [1, 2, 3], [2, 3], (1, 2))
    """

    a: dict[int, np.ndarray]
    z: dict[int, np.ndarray]
    delta: dict[int, np.ndarray]
    weight_gradients: dict[int, np.ndarray]
    bias_gradients: dict[int, np.ndarray]
    loss: float

    @property
    def layers(self) -> int:
        """L, the number of layers, the input being the first."""
        return len(self.a)


def dense_layers(x: Input, output: Expression) -> list[Dense]:
    """The layers from x to the output, which must be `Dense` layers, one after the other, each used once."""
    layers: list[Dense] = []
    while output is not x:
        layer = output.layer if isinstance(output, Call) else None
        if type(layer) is not Dense:
            what = repr(layer) if layer is not None else repr(output)
            raise TypeError(f"backpropagate is for networks of Dense layers, one after the other, got {what}")
        if layer in layers:
            raise ValueError(f"backpropagate is for layers that are used once, got {layer.name!r} twice")
        layers.append(layer)
        (output,) = output.operands
    return layers[::-1]


class BackwardPass:
    """The graph for one shape of data; called with x and y, it returns their `Backpropagation`.

    Parameters
    ----------
    inputs, shapes
        x and y, and the shapes of a row of each.
    layers : list of Dense
        Layers 2 … L, built.
    loss : function (y_true, y_pred) -> scalar expression
    """

    def __init__(
        self,
        store: ParameterStore,
        inputs: Sequence[Input],
        shapes: Sequence[Dims],
        layers: Sequence[Dense],
        loss: Callable[[Expression, Expression], Expression],
    ) -> None:
        x, y = inputs
        a: list[Expression] = [x]
        z: list[Expression] = []
        for layer in layers:
            z.append(layer.weighted_input(a[-1]))
            a.append(call(layer.activation, z[-1], name="activation"))
        numbered = dict(enumerate(layers, 2))
        with_bias = [number for number, layer in numbered.items() if layer.use_bias]
        lowering = Lowering(store, inputs, shapes)
        (cost,) = lowering.lower([loss(y, a[-1])])
        activations, weighted_inputs = lowering.lower(a), lowering.lower(z)
        weights = lowering.lower([layer.kernel for layer in layers])
        biases = lowering.lower([numbered[number].bias for number in with_bias])
        deltas = lowering.graph.gradients(times_rows(lowering, cost), weighted_inputs)
        gradients = lowering.graph.gradients(cost, weights + biases)
        nodes = [cost, *activations, *weighted_inputs, *deltas, *gradients]
        self.function = store.backend.Function(lowering.graph, nodes, store.values)
        self.layers = [[1, *numbered], [*numbered], [*numbered], [*numbered], with_bias]  # layer numbers of the results

    def __call__(self, arrays: Sequence[np.ndarray]) -> Backpropagation:
        loss, *results = self.function(list(arrays))
        values = map(np.asarray, results)
        a, z, delta, weights, biases = ({number: next(values) for number in numbers} for numbers in self.layers)
        return Backpropagation(a, z, delta, weights, biases, float(loss))


def times_rows(lowering: Lowering, mean: int) -> int:
    """The node of the sum of the rows' costs: m times their mean, with m the number of rows present.

    Its gradient begins with m, which the mean's division by m undoes exactly. So the δ of a row does not depend on how
    many other rows there are.
    """
    one = lowering.add("constant", (), (), (1.0,))
    ones = lowering.add("broadcast", [one], (1,))  # one for each row
    return lowering.add("multiply", [mean, lowering.add("sum", [ones], (1,))])
