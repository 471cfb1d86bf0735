"""`TrainingSession`: what the trainings of a model share, from one `compile` to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._shared.change_stamp import ChangeStamp
from .._shared.pickling import Picklable
from ..expressions.parameter import Parameter
from ..optimizers.optimizer import Optimizer
from .data import Data
from .goal import Goal, penalty_factors
from .optimizer_state import OptimizerState
from .trained_graph import TrainedGraph
from .training_graph import TrainingGraph

_FIXED = (float, int, bool, type(None))  # types of hyperparameters that change only by being set

Make = Callable[["TrainingSession", Data], TrainingGraph]


class Past(NamedTuple):
    """What a session keeps of its trainings. It is replaced as a whole, so that an interrupt finds the old or the new.

    The trainer that was at work last has the counters of the random numbers and the state of its weights; `kept` has
    the state of the others.
    """

    kept: OptimizerState = OptimizerState()
    graph: TrainedGraph | None = None
    trainer: Any = None
    optimizer: str = ""  # the name of that trainer's
    first_epoch: int = 0  # the counters of a session without such a trainer
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


class RepeatedStep:
    """The graph and trainer of a call of `train_on_batch`, for a next call like it.

    A call is like it if its arrays have the same dtypes and row shapes, and nothing was set, compiled or trained in
    another way since. With settings that the stamp does not cover, or penalties, which depend on the number of rows,
    no call is repeated.
    """

    __slots__ = ("_kinds", "_optimizer", "_shapes", "_stamp", "graph", "trainer")

    def __init__(
        self, stamp: object, graph: TrainingGraph, trainer: Any, optimizer: Any, x: np.ndarray, y: np.ndarray
    ) -> None:
        self._stamp, self.graph, self.trainer, self._optimizer = stamp, graph, trainer, optimizer
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


class TrainingSession(Picklable):
    """The optimiser, the trainer at work with its graph and parameter store, the optimiser's state and the counters.

    A model makes one at each `compile` and hands it down to `fit`, `train_on_batch` and `loss_and_gradients`;
    `minimize` makes one of its own. Pickles and deep copies hold the optimiser's state, not the graphs.

    Attributes
    ----------
    optimizer : Optimizer or None
        None before a model is compiled.
    goal : Goal or None
        What `compile` was told. None before that, and in `minimize`.
    factors : pair of Parameter
        Those of the goal's penalties; a model has one pair for all its sessions.
    rows : int
        m of the penalties: the rows of the last `fit`; 0 before.
    graphs : dict of TrainingGraph
        By the kind of data.
    past : Past
    repeated : RepeatedStep or None
        The last `train_on_batch`, if a call like it needs the same.
    """

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        goal: Goal | None = None,
        factors: tuple[Parameter, Parameter] | None = None,
    ) -> None:
        self.optimizer, self.goal = optimizer, goal
        self.factors = penalty_factors() if factors is None else factors
        self.rows = 0
        self._begin(Past())

    def _begin(self, past: Past) -> None:
        """Forgets all graphs."""
        self.graphs: dict[Any, TrainingGraph] = {}
        self.past = past
        self.repeated: RepeatedStep | None = None
        self._applied: tuple[Any, ...] | None = None  # stamp, graph and optimiser when settings were last applied
        self._may_wait = False  # whether gradients may have been accumulated that wait for an update

    def compiled_anew(self, optimizer: Optimizer, goal: Goal) -> TrainingSession:
        """The session after another `compile`: the counters go on, the optimiser begins anew."""
        session = TrainingSession(optimizer, goal, self.factors)
        session.rows, session.past = self.rows, Past(first_epoch=self.epochs, first_step=self.steps)
        return session

    def forget_trainings(self) -> None:
        """For a model whose weights are to be made anew."""
        self._begin(Past())

    @property
    def epochs(self) -> int:
        """The counter of epochs, of the random numbers."""
        return self.past.epochs

    @property
    def steps(self) -> int:
        """The counter of steps, of the random numbers."""
        return self.past.steps

    def count_step(self) -> None:
        """Counts a step that no trainer made: its dropout drew numbers."""
        if self.past.trainer is not None:
            self.past.trainer.steps += 1
        else:
            self.past = self.past._replace(first_step=self.past.first_step + 1)

    def graph_for(self, data: Data, make: Make) -> TrainingGraph:
        """The training graph for data like these and the present settings, with its weights up to date.

        `make` makes one for this session and data like these.
        """
        graph = self.graphs.get(data.kind)
        if graph is not None and graph.is_current:
            graph.store.refresh()
        else:
            graph = self.graphs[data.kind] = make(self, data)
        return graph

    def begin(self, graph: TrainedGraph) -> Any:
        """The graph's trainer, with the optimiser's present settings and the session's counters: it is at work now."""
        trainer = self.apply_settings(graph)
        if self.past.trainer is not trainer:
            assert self.optimizer is not None
            kept, name = self.past.state(), self.optimizer.name
            if kept.counters is not None:  # there was a training before
                if kept.optimizer != name:
                    raise ValueError(f"the optimizer is {kept.optimizer!r} and cannot become {name!r}: compile anew")
                trainer.set_state(kept.of(graph.trainable, trainer.state(copy=False)))
                self._may_wait = True  # of an earlier trainer's gradients
            trainer.epoch, trainer.steps = self.epochs, self.steps
            self.past = Past(kept, graph, trainer, name)
        if self.repeated is not None:
            self.repeated = None
        return trainer

    def apply_settings(self, graph: TrainedGraph) -> Any:
        """The graph's trainer, after passing it the optimiser's settings if they may have changed."""
        assert self.optimizer is not None
        stamp, optimizer, applied = ChangeStamp.now, self.optimizer, self._applied
        if applied is not None and applied[0] is stamp and applied[1] is graph and applied[2] is optimizer:
            return graph.trainer(None)
        settings = optimizer.configuration()
        trainer = graph.trainer(settings)
        self._may_wait = self._may_wait or settings["gradient_accumulation_steps"] > 1
        fixed = all(type(value) in _FIXED for value in vars(optimizer).values())
        self._applied = (stamp, graph, optimizer) if fixed else None
        return trainer

    def fit(self, arrays: Sequence[np.ndarray], finished: list[Any] | None = None, **options: Any) -> Any:
        """`Trainer.fit` of the trainer at work. For who holds the turn, as `step` and `finish`."""
        trainer = self.past.trainer
        return self.past.graph.store.train(trainer, trainer.fit, arrays, finished, **options)  # type: ignore[union-attr]

    def finish(self) -> None:
        """Makes the update that accumulated gradients still wait for."""
        if self._may_wait and self.past.graph is not None:
            self.past.graph.store.train(self.past.trainer, self.past.trainer.finish)

    def repeat(self, graph: TrainingGraph, arrays: Sequence[np.ndarray], x: Any, y: Any) -> None:
        """Keeps the graph and trainer of this `train_on_batch` if a call like it would need the same."""
        in_place = len(arrays) == 2 and arrays[0] is x and arrays[1] is y
        if in_place and self._applied is not None and graph.depends_on_settings_alone:
            stamp, _, optimizer = self._applied  # taken before the settings were read: it shows what was set since
            self.repeated = RepeatedStep(stamp, graph, self.past.trainer, optimizer, x, y)

    @property
    def averages(self) -> Mapping[Parameter, np.ndarray]:
        """The weights' moving averages, as read-only views; none before the first update or if none are kept."""
        graph = self.past.graph
        if graph is None or not self.averages_weights:
            return {}
        state = self.past.trainer.state(copy=False)
        return dict(zip(graph.trainable, state["average"])) if state["counters"][0] > 0 else {}

    @property
    def averages_weights(self) -> bool:
        return self.optimizer is not None and self.optimizer.use_ema

    def leave_averages(self) -> None:
        """At the end of a training: writes the moving averages into the weights, if there are any."""
        averages = self.averages
        if averages and self.past.graph is not None:
            store = self.past.graph.store
            store.backend.set_all([(store.values, store.slot(weight), a) for weight, a in averages.items()])

    def _state(self, copy: bool = False) -> dict[str, Any]:
        past = Past(self.past.state(copy), first_epoch=self.epochs, first_step=self.steps)
        return {**super()._state(), "graphs": {}, "past": past, "repeated": None, "_applied": None}

    def __copy__(self) -> TrainingSession:
        """A copy with an optimiser state of its own."""
        copied = type(self).__new__(type(self))
        copied._restore(self._state(copy=True))
        return copied
