"""`CompiledNetwork`: a network with what `compile` adds: a goal, training graphs, and the state that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .._shared.arguments import finite, truth
from .._shared.change_stamp import ChangeStamp
from ..losses import LOSSES, get_loss
from ..lowering.arrays import as_array, common_rows, is_read_in_place
from ..lowering.backends import get_backend
from ..metrics import get_metrics
from ..optimizers import get_optimizer
from ..optimizers.optimizer import Optimizer
from ..optimizers.optimizer_state import OptimizerState, averages, overwrite_with_average
from .evaluation import Evaluation
from .graphs import Goal, TrainingGraph, penalty_factors
from .predictor import Predictor
from .turns import Watch, alone

_FIXED = (float, int, bool, type(None))  # types of hyperparameters that change only by being set


class Repeated:
    """The graph and trainer of a call of `train_on_batch`, for a next call like it.

    A call is like it if its arrays have the same dtypes and row shapes, and nothing was set, compiled or trained in
    another way since. With settings that the stamp does not cover, or penalties, which depend on the number of rows,
    no call is repeated.
    """

    __slots__ = ("_kinds", "_optimizer", "_shapes", "_stamp", "trainer", "training")

    def __init__(
        self, stamp: object, training: TrainingGraph, trainer: Any, optimizer: Any, x: np.ndarray, y: np.ndarray
    ) -> None:
        self._stamp, self.training, self.trainer, self._optimizer = stamp, training, trainer, optimizer
        self._kinds, self._shapes = (x.dtype, y.dtype), (x.shape, y.shape)

    def is_like(self, optimizer: Any, x: Any, y: Any) -> bool:
        if (
            ChangeStamp.now is not self._stamp
            or optimizer is not self._optimizer
            or not type(x) is type(y) is np.ndarray
            or (x.dtype, y.dtype) != self._kinds
        ):
            return False
        shapes = of_x, of_y = x.shape, y.shape
        if shapes == self._shapes:  # as mostly
            return True
        if not (of_x and of_y and of_x[0] == of_y[0] > 0):
            return False
        like_x, like_y = self._shapes
        return bool(of_x[1:] == like_x[1:] and of_y[1:] == like_y[1:])


class Past(NamedTuple):
    """What a model keeps of its trainings. It is replaced as a whole, so that an interrupt finds the old or the new.

    The trainer that was at work last has the counters of the random numbers and the state of its weights; `kept` has
    the state of the others.
    """

    kept: OptimizerState = OptimizerState()
    graph: TrainingGraph | None = None
    trainer: Any = None
    optimizer: str = ""  # the name of that trainer's
    first_epoch: int = 0  # the counters of a model without such a trainer
    first_step: int = 0

    @property
    def epochs(self) -> int:
        return self.first_epoch if self.trainer is None else int(self.trainer.epoch)

    @property
    def steps(self) -> int:
        return self.first_step if self.trainer is None else int(self.trainer.steps)

    def state(self, copy: bool = True) -> OptimizerState:
        """The optimiser state of all weights."""
        if self.graph is None:
            return self.kept
        return self.kept.with_state(self.graph.trainable, self.trainer.state(copy=copy), self.optimizer)


class CompiledNetwork(Predictor):
    """A network with a loss and an optimiser. See `Model`."""

    optimizer: Optimizer | None

    def __init__(
        self, inputs: Any, outputs: Any, seed: int = 0, dtype: Any = "float32", name: str | None = None
    ) -> None:
        super().__init__(inputs, outputs, seed=seed, dtype=dtype, name=name)
        self.optimizer = None
        self._goal: Goal | None = None
        self._factors = penalty_factors()
        self._trainings: dict[tuple[int, ...], TrainingGraph] = {}  # by the shape of a row of targets
        self._trained_rows = 0  # m of the penalties: the rows of the last `fit`
        self._past = Past()
        self._applied: tuple[Any, ...] | None = None  # stamp, graph and optimiser when settings were last applied
        self._repeated: Repeated | None = None  # the last `train_on_batch`

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, get_optimizer(value) if name == "optimizer" and value is not None else value)

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
        chosen = get_optimizer(optimizer)
        changed: dict[str, Any] = {"optimizer": chosen, "_goal": goal, "_trainings": {}, "_repeated": None}
        if backend != self._backend:  # the new backend's store is made when it is needed
            changed |= {"_backend": backend, "_store": None, "_prediction": None}
        self._change(**changed, _past=Past(first_epoch=self._epochs, first_step=self._steps))

    def _unmake(self) -> None:
        if self._steps == 0:
            super()._unmake()
            self._past, self._trainings, self._repeated, self._applied = Past(), {}, None, None

    def direction_of(self, figure: str) -> str:
        """Whether a figure of the history gets better downwards ("min") or upwards ("max").

        The losses get better downwards. Callbacks know the cost and the accuracies themselves.
        """
        if figure.removeprefix("val_") in LOSSES:
            return "min"
        raise ValueError(f"mode must be 'min' or 'max' for {figure!r}: whether it gets better downwards is not known")

    def _compiled(self) -> Goal:
        if self._goal is None:
            raise ValueError("the model must be compiled first: compile(optimizer=…, loss=…)")
        return self._goal

    @property
    def _epochs(self) -> int:
        """The counter of epochs, of the random numbers."""
        return self._past.epochs

    @property
    def _steps(self) -> int:
        """The counter of steps, of the random numbers."""
        return self._past.steps

    def _count_step(self) -> None:
        """Counts a step that no trainer made: its dropout drew numbers."""
        if self._past.trainer is not None:
            self._past.trainer.steps += 1
        else:
            self._past = self._past._replace(first_step=self._past.first_step + 1)

    def _data(self, x: Any, y: Any, prefix: str = "") -> tuple[list[np.ndarray], int]:
        """The arrays, inputs then targets, and their number of rows, at least one."""
        if self._accepts(x) and is_read_in_place(y) and len(x) == len(y) > 0:
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

    def _training_for(self, arrays: Sequence[np.ndarray]) -> TrainingGraph:
        """The training graph for targets of this shape and the present settings, with its weights up to date."""
        training = self._trainings.get(arrays[-1].shape[1:])
        if training is not None and training.goal is self._goal and training.is_current:
            training.store.refresh()
        else:
            shapes = [array.shape[1:] for array in arrays]
            store = self._built_for(shapes[:-1]).store
            training = self._turns.build(
                "build", TrainingGraph,
                store, self.inputs, shapes, self.outputs[0], self._compiled(), self._factors, self._scope,
            )  # fmt: skip
            self._trainings[shapes[-1]] = training
        return training

    def _trainer_of(self, training: TrainingGraph) -> Any:
        """The trainer of this graph, with the optimiser's present settings and the model's counters."""
        assert self.optimizer is not None
        if not self._trainable:
            raise ValueError("the model has no trainable weights: its trainable is False")
        trainer, name = self._apply_settings(training), self.optimizer.name
        if self._past.trainer is not trainer:
            kept = self._past.state()
            if kept.counters is not None:  # there was a training before
                if kept.optimizer != name:
                    raise ValueError(f"the optimizer is {kept.optimizer!r} and cannot become {name!r}: compile anew")
                trainer.set_state(kept.of(training.trainable, trainer.state(copy=False)))
            trainer.epoch, trainer.steps = self._epochs, self._steps
            self._past = Past(kept, training, trainer, name)
        if self._repeated is not None:
            self._repeated = None
        return trainer

    def _note(self, training: TrainingGraph, trainer: Any, arrays: Sequence[np.ndarray], x: Any, y: Any) -> None:
        """Keeps the graph and trainer of this `train_on_batch` if a call like it would need the same."""
        in_place = len(arrays) == 2 and arrays[0] is x and arrays[1] is y
        if in_place and self._applied is not None and training.depends_on_settings_alone:
            stamp, _, optimizer = self._applied  # taken before the settings were read: it shows what was set since
            self._repeated = Repeated(stamp, training, trainer, optimizer, x, y)

    def _overwrite_with_average(self) -> None:
        """After a `fit`: replaces the weights by their moving average if the optimiser keeps one."""
        assert self.optimizer is not None
        if self.optimizer.use_ema and self._past.graph is not None:
            graph = self._past.graph
            overwrite_with_average(self._past.trainer, graph.store, graph.trainable)

    def _weights_to_leave(self) -> list[np.ndarray]:
        """Copies of the weights as `fit` would leave them if it ended now: averaged, if the optimiser averages them."""
        left = dict(zip(self._weights, self.get_weights()))
        if self.optimizer is not None and self.optimizer.use_ema and self._past.graph is not None:
            left.update((w, a.copy()) for w, a in averages(self._past.trainer, self._past.graph.trainable).items())
        return [left[weight] for weight in self._weights]

    def _evaluation_to_leave(self, training: TrainingGraph) -> Evaluation:
        """The figures by the weights as `fit` would leave them if it ended now."""
        assert self.optimizer is not None
        if self.optimizer.use_ema and self._past.graph is not None:
            return training.averaged_evaluation(self._past.trainer, self._past.graph.trainable)
        return training.evaluation

    def _apply_settings(self, training: TrainingGraph) -> Any:
        """The trainer of this graph, after passing it the optimiser's settings if they may have changed."""
        assert self.optimizer is not None
        stamp, optimizer, applied = ChangeStamp.now, self.optimizer, self._applied
        if applied is not None and applied[0] is stamp and applied[1] is training and applied[2] is optimizer:
            return training.trainer(None)
        trainer = training.trainer(optimizer.configuration())
        fixed = all(type(value) in _FIXED for value in vars(optimizer).values())
        self._applied = (stamp, training, optimizer) if fixed else None
        return trainer

    def __copy__(self) -> CompiledNetwork:
        """A copy that shares the layers and their weights, but has an optimiser state of its own."""
        copied = type(self).__new__(type(self))
        state = self._state(copy=True)
        state["_watch"].look()
        copied._restore(state)
        return copied

    def _state(self, copy: bool = False) -> dict[str, Any]:
        watch = Watch(self._turns, self._weights)
        past = Past(self._past.state(copy), first_epoch=self._epochs, first_step=self._steps)
        changed: dict[str, Any] = {"_past": past, "_trainings": {}, "_applied": None, "_repeated": None}
        return {**super()._state(), **changed, "_watch": watch}

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore({name: value for name, value in state.items() if name != "_watch"})
