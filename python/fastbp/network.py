"""`Network`: expressions from inputs to outputs, and their weights; `Model` adds the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._backends import dtype_name
from .callbacks import CallbackList, batches
from .data import as_inputs, check_dims, common_rows
from .expression import Call, Expression, Input, Parameter
from .function import checked_inputs
from .lowering import Node, expressions_below
from .minimize import at_least
from .names import Namer, look_up, snake_case
from .program import Prediction, row_shape
from .store import Store
from .summary import parameter_count, summary_lines


class Network:
    """Expressions from inputs to outputs, with their weights: what needs no `compile`. See `Model`."""

    def __init__(self, inputs: Any, outputs: Any, seed: int = 0, dtype: Any = "float32", name: str = "model") -> None:
        self.inputs = checked_inputs([inputs] if isinstance(inputs, Expression) else list(inputs))
        self.seed = at_least("seed", seed, 0, 2**64 - 1)
        self.dtype = dtype_name(dtype)
        self.name = name
        self._backend = "core"
        self._store: Store | None = None
        self._prediction: Prediction | None = None
        self._single = isinstance(outputs, Expression)
        self._set_outputs([outputs] if self._single else list(outputs))

    def _set_outputs(self, outputs: Sequence[Expression]) -> None:
        """The layers get their names: dense, dense_1, …"""
        for output in outputs:
            if not isinstance(output, Expression):
                raise TypeError(f"outputs must be expressions, got {output!r}")
        found = expressions_below(outputs)
        for expression in found:
            if isinstance(expression, Input) and expression not in set(self.inputs):
                raise ValueError(f"outputs depend on the input {expression.name!r}, which is not among the inputs")
        self.outputs = list(outputs)
        self.layers: list[Any] = []
        for expression in found:
            if isinstance(expression, Call) and expression.layer is not None and expression.layer not in self.layers:
                self.layers.append(expression.layer)
        self._name_layers()

    def _name_layers(self) -> None:
        """Names that users gave must differ. Two layers that were named in other models may be called the same: then
        the later one has another name in this model."""
        self._namer = Namer()
        self._layer_names: dict[Any, str] = {}
        given = [layer for layer in self.layers if layer.name and not layer.name_is_automatic]
        for layer in given:
            self._namer.take(layer.name)
            self._layer_names[layer] = layer.name
        others = [layer for layer in self.layers if layer not in self._layer_names]
        for layer in sorted(others, key=lambda layer: not layer.name):  # new ones last
            is_free = layer.name and layer.name not in self._layer_names.values()
            self._layer_names[layer] = self._namer.next(layer.name if is_free else snake_case(type(layer).__name__))
            if not layer.name:
                layer.name, layer.name_is_automatic = self._layer_names[layer], True

    def __call__(self, *operands: Any) -> Expression:
        """The model as a layer of another one: an expression that shares its weights."""
        if len(operands) != len(self.inputs) or not self._single:
            raise TypeError(f"the model takes {len(self.inputs)} expressions and must have one output")
        return Call(self._inlined, *operands, name=self.name)

    def _inlined(self, *nodes: Node) -> Expression:
        """This model's expressions over the nodes of another graph."""
        lowering = nodes[0].lowering
        outer = {key: lowering.nodes.pop(key) for key in expressions_below(self.outputs) if key in lowering.nodes
                 and not isinstance(key, Parameter)}  # fmt: skip
        lowering.nodes.update({own: node.index for own, node in zip(self.inputs, nodes)})
        result = Node(lowering, lowering.node(self.outputs[0]))
        lowering.nodes.update(outer)
        return result

    # Building

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._prediction is not None

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights, for inputs whose rows have `input_shape` (a list of shapes for several inputs)."""
        if input_shape is None:
            shapes = [i.shape for i in self.inputs]
        else:
            shapes = [row_shape(s) for s in ([input_shape] if len(self.inputs) == 1 else input_shape)]
        if any(shape is None for shape in shapes):
            raise ValueError(
                "the weights do not exist yet: give the shape of a row, by bp.Input(shape) or build(shape), or call fit"
            )
        self._built_for([shape for shape in shapes if shape is not None])

    def _built_for(self, shapes: Sequence[tuple[int, ...]]) -> Prediction:
        if self._prediction is None:
            store = self._store or Store(self._backend, self.dtype, self.seed)
            unbuilt = [layer for layer in self.layers if not getattr(layer, "built", True)]
            try:
                self._prediction = Prediction(store, self.inputs, shapes, self.outputs, self._namer)
            except BaseException:
                for layer in unbuilt:  # nothing is half built
                    layer.built, layer.weights = False, []
                raise
            self._store = store
            for declared, shape in zip(self.inputs, shapes):
                declared.shape = tuple(shape)
            self._weights = list(self._prediction.lowering.parameters)
        assert self._store is not None
        self._store.claim()
        return self._prediction

    @property
    def weights(self) -> list[Parameter]:
        """The parameters in the order of `get_weights`."""
        if self._prediction is None:
            self.build()
        return list(self._weights)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weights: [W1, b1, W2, b2, …], W of shape (fan_in, fan_out)."""
        return [np.asarray(weight.value) for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the weights, in the order and shapes of `get_weights`; all of them, or none if one does not fit."""
        own = self.weights
        if len(weights) != len(own):
            raise ValueError(f"weights must be {len(own)} arrays, got {len(weights)}")
        for index, (weight, value) in enumerate(zip(own, weights)):
            if np.shape(value) != weight.shape:
                raise ValueError(
                    f"weights[{index}] ({weight.name}) must have the shape {weight.shape}, got {np.shape(value)}"
                )
        for weight, value in zip(own, [np.asarray(value) for value in weights]):
            weight.value = value

    def count_params(self) -> int:
        """The number of weights' elements."""
        return parameter_count(self.weights)

    def get_layer(self, name: str) -> Any:
        """The layer of that name."""
        return look_up("name", name, {own: layer for layer, own in self._layer_names.items()})

    def summary(self, line_length: int = 80, print_fn: Callable[[str], Any] | None = None) -> None:
        """Prints each layer's name, output shape, parameters and bytes.

        Parameters
        ----------
        line_length : int
            Default 80, at least 64.
        print_fn : callable, optional
            Called with each line in place of `print`.
        """
        if self._prediction is None and all(i.shape is not None for i in self.inputs):
            self.build()
        calls = None if self._prediction is None else self._prediction.lowering.calls
        for line in summary_lines(self.name, self._layer_names, calls, self.dtype, max(64, line_length)):
            (print_fn or print)(line)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, callbacks: Any = None) -> Any:
        """The outputs for x, dropout off; works without `compile`.

        Parameters
        ----------
        x : array, or a list, tuple or dict of arrays
            0 rows give 0 rows.
        batch_size : int, optional
            Rows at a time; it changes no bit. Default 1024.
        callbacks : list of Callback
            Their ``on_predict_…`` hooks are called.

        Returns
        -------
        array of shape (rows, …), or a list of them for several outputs
        """
        size = 1024 if batch_size is None else at_least("batch_size", batch_size, 1)
        arrays, _, rows = self._inputs(x)
        size = min(size, max(rows, 1))
        function = self._built_for([a.shape[1:] for a in arrays]).function
        hooks = CallbackList(callbacks, self, {"steps": -(-rows // size), "verbose": verbose})
        hooks.call("on_predict_begin", {})
        if hooks.overrides("on_predict_batch_begin", "on_predict_batch_end") and rows:
            parts = []
            for number, part in batches(rows, size):
                hooks.call("on_predict_batch_begin", number, {})
                parts.append(function([array[part] for array in arrays]))
                hooks.call("on_predict_batch_end", number, {})
            results = [np.concatenate(pieces) for pieces in zip(*parts)]
        else:
            results = function(arrays, batch_size=size)
        hooks.call("on_predict_end", {})
        return results[0] if self._single else list(results)

    def _inputs(self, x: Any, argument: str = "x") -> tuple[list[np.ndarray], list[str], int]:
        """The inputs' arrays, their names in messages and their rows."""
        arrays = as_inputs(x, self.inputs, argument, self.dtype)
        names = [argument] if len(self.inputs) == 1 else [i.name for i in self.inputs]
        what = "this network" if self.built else f"the input {self.inputs[0].name!r}"
        for array, name, declared in zip(arrays, names, self.inputs):
            check_dims(array, name, declared.shape, what)
        return arrays, names, common_rows(arrays, names)
