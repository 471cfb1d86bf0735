"""`Network`: expressions from inputs to outputs, their graph, and their use as a layer of other networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from .._shared.arguments import at_least, finite, text_or_none, truth
from .._shared.change_stamp import Setting
from .._shared.known_attributes import KnownAttributes
from .._shared.pickling import Picklable
from ..expressions.expression import Call, Expression, Input
from ..expressions.parameter import Parameter
from ..expressions.shape_rules import MOST_AXES, checked_shape, shape_text
from ..lowering.arrays import checked_inputs
from ..lowering.backends import dtype_name
from ..lowering.layer_names import Scope, snake_case
from ..lowering.lowering import Lowering, Node, expressions_below
from ..lowering.parameter_store import ParameterStore
from .prediction_graph import PredictionGraph
from .turns import ModelTurns

Dims = tuple[int, ...]


class _OfAllLayers(Setting):
    """Whether training changes the weights; setting it sets it for all layers.

    May be set at any time; holds from the next `fit` or `train_on_batch` on, without another `compile`.
    """

    def __set__(self, thing: Any, value: Any) -> None:
        super().__set__(thing, value)
        for layer in thing.layers:
            layer.trainable = self.__get__(thing)


class Network(KnownAttributes, Picklable):
    """Expressions from inputs to outputs, and the graph that is made of them for some shapes. See `Model`."""

    name_is_automatic: bool
    layers: list[Any]
    learning_rate_multiplier = Setting(1.0, finite)  # as layers have it: a model may be a layer of another
    weight_decay_multiplier = Setting(1.0, finite)
    trainable = _OfAllLayers(True, truth)

    def __init__(
        self, inputs: Any, outputs: Any, seed: int = 0, dtype: Any = "float32", name: str | None = None
    ) -> None:
        self.outputs: list[Expression]
        self.layers: list[Any]
        self._scope: Scope
        self._shapes: list[Dims | None]  # of one row; inferred if not declared
        self.inputs = checked_inputs([inputs] if isinstance(inputs, Expression) else list(inputs))
        self.seed = at_least("seed", seed, 0, 2**64 - 1)
        self.dtype = dtype_name(dtype)
        self.name = text_or_none("name", name) or snake_case(type(self).__name__)
        self.name_is_automatic = not name
        self._backend = "core"
        self._built = False
        self._store: ParameterStore | None = None
        self._prediction: PredictionGraph | None = None
        self._weights: list[Parameter] = []
        self._trainable = True
        self._turns = ModelTurns()
        self._single = isinstance(outputs, Expression)
        self._given_names = list(outputs) if isinstance(outputs, Mapping) else None
        listed = outputs.values() if isinstance(outputs, Mapping) else outputs
        self._set_outputs([outputs] if self._single else list(listed), self.inputs)
        if not self.outputs:
            raise ValueError("outputs must hold at least one expression, got none")
        if self._given_names is not None and not all(isinstance(name, str) and name for name in self._given_names):
            raise TypeError(f"outputs must be a dict by name, got the names {self._given_names}")

    def _set_outputs(self, outputs: Sequence[Expression], inputs: Sequence[Input]) -> None:
        """Sets inputs and outputs, and names the layers: dense, dense_1, …"""
        for output in outputs:
            if not isinstance(output, Expression):
                raise TypeError(f"outputs must be expressions, got {output!r}")
        found = expressions_below(outputs)
        for expression in found:
            if isinstance(expression, Input) and expression not in set(inputs):
                raise ValueError(f"outputs depend on the input {expression.name!r}, which is not among the inputs")
        calls = [e for e in found if isinstance(e, Call) and e.layer is not None]
        layers = list(dict.fromkeys(call.layer for call in calls))
        scope = Scope()
        scope.add(layers)
        shapes = [i.shape for i in inputs]
        self._change(inputs=list(inputs), outputs=list(outputs), layers=layers, _scope=scope, _shapes=shapes)

    def _change(self, **attributes: Any) -> None:
        """Sets attributes: what interrupts it is raised when all of them are set."""
        try:
            self._set(attributes)
        except BaseException:
            self._set(attributes)
            raise

    def _set(self, attributes: dict[str, Any]) -> None:
        for name, value in attributes.items():  # `vars(self).update` would make every later look-up slower
            setattr(self, name, value)

    # As a layer of another network

    def __call__(self, *operands: Any) -> Expression:
        """The model as a layer of another one: an expression that shares its weights."""
        if len(operands) != len(self.inputs) or not self._single:
            raise TypeError(f"the model takes {len(self.inputs)} expressions and must have one output")
        return Call(self._enter, *operands, name=self.name, layer=self)

    def _enter(self, lowering: Lowering, *nodes: Node) -> Expression:
        """This model's output for nodes of another graph as its inputs."""
        for index, (own, node) in enumerate(zip(self.inputs, nodes)):
            if own.shape is not None and node.rows and node.dims != own.shape:
                raise ValueError(
                    f"{self.name} has got the shape {shape_text(True, node.dims)}, but its input {own.name!r} has the "
                    f"shape {shape_text(True, own.shape)}"
                )
            if self._shapes[index] is None and node.rows:
                lowering.made.append(self)
                self._shapes[index] = node.dims
        bound: dict[Expression, int] = {own: node.index for own, node in zip(self.inputs, nodes)}
        return Node(lowering, lowering.inline(self.outputs, bound)[0])

    def _unbuild(self) -> None:
        """Forgets the shapes of operands in another network, which could not be built."""
        if not self._built:
            self._shapes = [i.shape for i in self.inputs]

    @property
    def input_shape(self) -> Dims | None:
        """The shape of one row, if it is known; None for several inputs."""
        return self._shapes[0] if len(self._shapes) == 1 else None

    @property
    def output_names(self) -> list[str]:
        """The outputs' names: those of the dict that they were given as, or of the layers that they come from."""
        if self._given_names is not None:
            return list(self._given_names)
        names: list[str] = []
        for output in self.outputs:
            layer = output.layer if isinstance(output, Call) else None
            name = own = (self._scope.name(layer) if layer is not None else output.name) or "output"
            number = 0
            while name in names:
                number += 1
                name = f"{own}_{number}"
            names.append(name)
        return names

    def _packed(self, results: Sequence[Any]) -> Any:
        """One result for each output, in the form in which the outputs were given."""
        if self._single:
            return results[0]
        return list(results) if self._given_names is None else dict(zip(self._given_names, results))

    # Building

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._built

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights.

        Parameters
        ----------
        input_shape : tuple of int, optional
            The shape of one row, with or without a leading None for the rows; a list of shapes for several inputs.
            Default: what the inputs were declared with.

        Raises
        ------
        ValueError
            If the shape is not known, or the weights exist already for another one.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Dense(3)])
        >>> net.build((None, 5))
        >>> [w.shape for w in net.get_weights()]
        [(5, 3), (3,)]
        """
        if input_shape is None:
            shapes = list(self._shapes)
        else:
            shapes = [row_shape(s) for s in ([input_shape] if len(self.inputs) == 1 else input_shape)]
        if len(shapes) != len(self.inputs):
            raise ValueError(f"input_shape must be a list of {len(self.inputs)} shapes, got {len(shapes)}")
        known = [shape for shape in shapes if shape is not None]
        if len(known) < len(shapes):
            raise ValueError(
                "the weights do not exist yet: give the shape of a row, by bp.Input(shape) or build(shape), or call fit"
            )
        for expected, shape in zip(self._shapes, known):
            if expected is not None and shape != expected:
                raise ValueError(
                    f"input_shape must be {expected}, for which this network was {'built' if self._built else 'made'}, "
                    f"got {shape}: make a new one for other shapes"
                )
        self._built_for(known)

    def _built_for(self, shapes: Sequence[Dims]) -> PredictionGraph:
        """The graph of the outputs, made for these shapes by the first call, with its weights up to date."""
        prediction = self._prediction
        if prediction is None:
            prediction = self._turns.build("build", self._make, shapes)
        prediction.store.refresh()
        return prediction

    def _make(self, shapes: Sequence[Dims]) -> PredictionGraph:
        """Makes the weights and the graph of the outputs, unless another thread has just done so."""
        prediction = self._prediction
        if prediction is None:
            store = ParameterStore(self._backend, self.dtype, self.seed, self._turns.training)
            prediction = PredictionGraph(store, self.inputs, shapes, self.outputs, self._scope)
            self._shapes, self._weights = list(shapes), list(prediction.lowering.parameters)
            self._store, self._built = store, True
            self._prediction = prediction  # last: an interrupt before it makes the next call do all of this again
        return prediction

    def _unmake(self) -> None:
        """Undoes `_make`, after a call that failed."""
        prediction, self._prediction = self._prediction, None
        if prediction is not None:
            prediction.lowering.undo()
        self._store, self._weights, self._built = None, [], False
        self._unbuild()

    def _ready(self) -> PredictionGraph:
        """The graph of the outputs; a ValueError if the shapes are not known."""
        if not self._built:
            self.build()
        return self._built_for([shape for shape in self._shapes if shape is not None])

    def _state(self) -> dict[str, Any]:
        """All expressions come first, operands before results, so that pickling a deep network needs no deep
        recursion. The backend's objects are left out and made again."""
        found = expressions_below([*self.outputs, *self.inputs])
        return {"_expressions": found, **super()._state(), "_store": None, "_prediction": None, "_turns": None}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore({name: value for name, value in state.items() if name != "_expressions"})
        self._turns = ModelTurns()


def row_shape(shape: Any) -> Dims:
    """The shape of one row from `build`'s argument: a leading None, for the rows, is dropped, as in Keras."""
    sizes = (shape,) if isinstance(shape, int) else tuple(islice(shape, MOST_AXES + 2))
    return checked_shape("input_shape", sizes[1:] if sizes[:1] == (None,) else sizes)
