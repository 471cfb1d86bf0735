"""`CompiledNetwork`: a network with what `compile` adds: a goal, and the session that its trainings share."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..losses import LOSSES
from ..lowering.arrays import READ_IN_PLACE, common_rows
from ..lowering.backends import get_backend
from ..optimizers import get_optimizer
from ..optimizers.optimizer import Optimizer
from ..training.data import Data
from ..training.evaluation import Evaluation
from ..training.figures import Layout
from ..training.goal import Goal
from ..training.session import TrainingSession
from ..training.training_graph import TrainingGraph
from .compile_arguments import read_goal
from .predictor import Predictor
from .training_data import name_of, read_targets, read_weights
from .turns import Watch, alone


class CompiledNetwork(Predictor):
    """A network with a loss and an optimiser. See `Model`."""

    def __init__(
        self, inputs: Any, outputs: Any, seed: int = 0, dtype: Any = "float32", name: str | None = None
    ) -> None:
        super().__init__(inputs, outputs, seed=seed, dtype=dtype, name=name)
        self._session = TrainingSession()

    @property
    def optimizer(self) -> Optimizer | None:
        """What `compile` was given. May be set to another of its kind; its settings may be set at any time."""
        return self._session.optimizer

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        self._session.optimizer = None if value is None else get_optimizer(value)

    @alone
    def compile(
        self,
        optimizer: Any = "sgd",
        loss: Any = None,
        metrics: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        proximal: bool = False,
        backend: str = "core",
        loss_weights: Any = None,
        weighted_metrics: Any = None,
        loss_reduction: str | None = None,
    ) -> None:
        """Says how to train. Weights and counters stay as they are; the optimiser starts anew.

        Parameters
        ----------
        optimizer : Optimizer or str
            Default "sgd": ``SGD(0.01)``.
        loss : str or function (y_true, y_pred)
            A name of `fastbp.losses.LOSSES`, a loss with settings such as ``bp.losses.Huber(delta=2.0)``, or any
            function of expressions; a result per row is averaged. For several outputs a list with one for each, or a
            dict by `output_names`; one that has none, or None, is not trained.
        metrics : list of str or functions
            "accuracy", names of losses, functions of expressions: in training they are means over batches, weighted by
            rows; in `evaluate` and validation one that is no mean over rows, such as the root of a mean, is computed
            once, from all predictions. Also "AUC" and the other names and classes of `bp.metrics`, and functions of
            arrays: computed once over all rows, in `fit` from what was predicted in each row's step. Functions of
            arrays get (rows,) instead of (rows, 1). For several outputs a list of lists or a dict. Default: none.
        l1, l2 : float
            λ of the lecture's penalties λ/m Σ|w| and λ/(2m) Σw², with m the rows that `fit` trains on; weights that are
            trained only, never biases. Default 0.
        proximal : bool
            Whether l1 shrinks the weights by ηλ/m after each step, to exactly 0 if they are smaller than that,
            rather than through the gradient; see `L1L2`. Default False.
        backend : {"core", "reference"}
            Both give the same bits. Default "core".
        loss_weights : list or dict of float, optional
            What each output's loss is multiplied by in the sum that is trained. Default 1.
        weighted_metrics : list of str or functions
            Metrics of weighted rows: Σ s·value ÷ Σ s, with s the `sample_weight` times the class' weight. A function
            of expressions must give a value per row, one of arrays takes `sample_weight`. Default: none.
        loss_reduction : {"sum_over_batch_size", "mean_with_sample_weight", "sum"}
            What the sum of the rows' weighted losses is divided by: the rows, Σ s, or nothing. Default: as the loss
            says, which is the rows.

        Raises
        ------
        ValueError, TypeError
            For arguments that make no sense; the model stays as it was.
        RuntimeError
            While the model is being trained, by another thread or around this callback.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Dense(10, activation="softmax")])
        >>> net.compile(bp.SGD(0.1), "categorical_crossentropy", metrics=["accuracy"], l2=1e-4)
        """
        get_backend(backend)
        goal = read_goal(
            self.output_names, loss=loss, loss_weights=loss_weights, metrics=metrics,
            weighted_metrics=weighted_metrics, loss_reduction=loss_reduction, l1=l1, l2=l2, proximal=proximal,
        )  # fmt: skip
        changed: dict[str, Any] = {"_session": self._session.compiled_anew(get_optimizer(optimizer), goal)}
        if backend != self._backend:  # the new backend's store is made when it is needed
            changed |= {"_backend": backend, "_store": None, "_prediction": None}
        self._change(**changed)

    def _unmake(self) -> None:
        if self._session.steps == 0:
            super()._unmake()
            self._session.forget_trainings()

    def direction_of(self, figure: str) -> str:
        """Whether a figure of the history gets better downwards ("min") or upwards ("max").

        The losses get better downwards, a `Metric` says it of itself. Callbacks know the cost and the accuracies.
        """
        name, goal = figure.removeprefix("val_"), self._session.goal
        known = None if goal is None else goal.direction_of(name)
        if known is not None or name in LOSSES:
            return known or "min"
        raise ValueError(f"mode must be 'min' or 'max' for {figure!r}: whether it gets better downwards is not known")

    def _compiled(self) -> Goal:
        if self._session.goal is None:
            raise ValueError("the model must be compiled first: compile(optimizer=…, loss=…)")
        return self._session.goal

    def _data(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, prefix: str = "") -> Data:
        """The data, of at least one row."""
        plain = self._single and sample_weight is None and class_weight is None
        in_place = self._accepts(x) and type(y) is np.ndarray and y.ndim > 0 and y.dtype.char in READ_IN_PLACE
        if plain and in_place and len(x) == len(y) > 0:  # as mostly: nothing more to be looked at
            return Data([x, y], len(x), y.shape[1:])
        goal = self._compiled()
        arrays, names, rows = self._inputs(x, f"{prefix}x")
        targets = read_targets(y, goal, f"{prefix}y", self.dtype, self._single)
        weight_name = f"{prefix}sample_weight"
        weights, places = read_weights(sample_weight, class_weight, targets, goal, weight_name, self.dtype)
        for name, target in zip(self.output_names, targets):
            if target is not None:
                names.append(name_of(f"{prefix}y", name, self.output_names))
                arrays.append(target)
        arrays, names = [*arrays, *weights], [*names, *[weight_name] * len(weights)]
        if any(len(array) != rows for array in arrays):
            common_rows(arrays, names)
        if not rows:
            raise ValueError(f"{prefix}x must have at least 1 row, got 0")
        shapes = tuple(None if target is None else target.shape[1:] for target in targets)
        if plain and shapes[0] is not None:
            return Data(arrays, rows, shapes[0])
        return Data(arrays, rows, Layout(shapes, tuple(places)))

    def _with_class_weights(self, data: Data, class_weight: Any) -> Data:
        """The data with the weights of rows multiplied by those of their classes."""
        goal, layout = self._compiled(), data.layout
        targets = iter(data.targets)
        by_output = [None if dims is None else next(targets) for dims in layout.targets]
        of_rows = {o.name: data.weights[place] for o, place in zip(goal.outputs, layout.weights) if place is not None}
        weights, places = read_weights(of_rows or None, class_weight, by_output, goal, "sample_weight", self.dtype)
        last = len(data.arrays) - layout.weight_arrays
        return Data([*data.arrays[:last], *weights], data.rows, Layout(layout.targets, tuple(places)))

    def _graph_for(self, data: Data) -> TrainingGraph:
        """The training graph for data like these, with the present settings and weights."""
        return self._session.graph_for(data, self._make_training)

    def _make_training(self, session: TrainingSession, data: Data) -> TrainingGraph:
        shapes = [array.shape[1:] for array in data.arrays[: len(self.inputs)]]
        store = self._built_for(shapes).store
        graph: TrainingGraph = self._turns.build(
            "build", TrainingGraph,
            store, self.inputs, shapes, self.outputs, session.goal, data.layout, session.factors, self._scope,
        )  # fmt: skip
        return graph

    def _weights_to_leave(self) -> list[np.ndarray]:
        """Copies of the weights as `fit` would leave them if it ended now: averaged, if the optimiser averages them."""
        left = dict(zip(self._weights, self.get_weights()))
        left.update((weight, average.copy()) for weight, average in self._session.averages.items())
        return [left[weight] for weight in self._weights]

    def _evaluation_to_leave(self, graph: TrainingGraph) -> Evaluation:
        """The figures by the weights as `fit` would leave them if it ended now."""
        averages = self._session.averages
        return graph.averaged_evaluation(averages) if averages else graph.evaluation

    def __copy__(self) -> CompiledNetwork:
        """A copy that shares the layers and their weights, but has an optimiser state of its own."""
        copied = type(self).__new__(type(self))
        state = self._state()
        state["_session"] = copy.copy(self._session)
        state["_watch"].look()
        copied._restore(state)
        return copied

    def _state(self) -> dict[str, Any]:
        watch = Watch(self._turns, self._weights)
        return {**super()._state(), "_watch": watch}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore({name: value for name, value in state.items() if name != "_watch"})
