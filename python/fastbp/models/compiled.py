"""`CompiledNetwork`: a network with what `compile` adds: a goal, and the session that its trainings share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._shared.arguments import finite, truth
from ..losses import LOSSES, get_loss
from ..lowering.arrays import READ_IN_PLACE, as_array, common_rows
from ..lowering.backends import get_backend
from ..metrics import get_metrics
from ..optimizers import get_optimizer
from ..optimizers.optimizer import Optimizer
from ..training.evaluation import Evaluation
from ..training.goal import Goal
from ..training.session import TrainingSession
from ..training.training_graph import TrainingGraph
from .predictor import Predictor
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
    ) -> None:
        """Says how to train. Weights and counters stay as they are; the optimiser starts anew.

        Parameters
        ----------
        optimizer : Optimizer or str
            Default "sgd": ``SGD(0.01)``.
        loss : str or function (y_true, y_pred)
            A name of `fastbp.losses.LOSSES`, or any function of expressions; a result per row is averaged.
        metrics : list of str or functions
            "accuracy", names of losses, functions of expressions. In training they are means over batches, weighted by
            rows; in `evaluate` and validation a metric or loss that is no mean over rows, such as the root of a mean,
            is computed once, from all predictions. Default: none.
        l1, l2 : float
            λ of the lecture's penalties λ/m Σ|w| and λ/(2m) Σw², with m the rows that `fit` trains on; weights that are
            trained only, never biases. Default 0.
        proximal : bool
            Whether l1 shrinks the weights by ηλ/m after each step, to exactly 0 if they are smaller than that,
            rather than through the gradient; see `L1L2`. Default False.
        backend : {"core", "reference"}
            Both give the same bits. Default "core".

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
        if loss is None:
            raise ValueError("loss must be a name or a function (y_true, y_pred), got None")
        if not self._single:
            raise ValueError("a model that is trained has one output; a list of outputs is for predict")
        l1, l2, proximal = finite("l1", l1), finite("l2", l2), truth("proximal", proximal)
        function = get_loss(loss)
        goal = Goal(function, get_metrics(metrics, function), l1, l2, proximal)
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

        The losses get better downwards. Callbacks know the cost and the accuracies themselves.
        """
        if figure.removeprefix("val_") in LOSSES:
            return "min"
        raise ValueError(f"mode must be 'min' or 'max' for {figure!r}: whether it gets better downwards is not known")

    def _compiled(self) -> Goal:
        if self._session.goal is None:
            raise ValueError("the model must be compiled first: compile(optimizer=…, loss=…)")
        return self._session.goal

    def _data(self, x: Any, y: Any, prefix: str = "") -> tuple[list[np.ndarray], int]:
        """The arrays, inputs then targets, and their number of rows, at least one."""
        in_place = self._accepts(x) and type(y) is np.ndarray and y.ndim > 0 and y.dtype.char in READ_IN_PLACE
        if in_place and len(x) == len(y) > 0:  # as mostly: nothing more to be looked at
            return [x, y], len(x)
        if y is None:
            raise ValueError(f"{prefix}y must be given: the targets")
        arrays, names, rows = self._inputs(x, f"{prefix}x")
        arrays.append(as_array(y, f"{prefix}y", self.dtype))
        if len(arrays[-1]) != rows:
            common_rows(arrays, [*names, f"{prefix}y"])
        if not rows:
            raise ValueError(f"{prefix}x must have at least 1 row, got 0")
        return arrays, rows

    def _graph_for(self, arrays: Sequence[np.ndarray]) -> TrainingGraph:
        """The training graph for inputs and targets like these, with the present settings and weights."""
        return self._session.graph_for(arrays, self._make_training)

    def _make_training(self, session: TrainingSession, shapes: Sequence[tuple[int, ...]]) -> TrainingGraph:
        store = self._built_for(shapes[:-1]).store
        graph: TrainingGraph = self._turns.build(
            "build", TrainingGraph,
            store, self.inputs, shapes, self.outputs[0], session.goal, session.factors, self._scope,
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
