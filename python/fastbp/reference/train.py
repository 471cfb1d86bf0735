"""`Trainer`: gradient descent on a graph, the readable definition of what cpp/train computes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._shared.trained_weight import TrainedWeight
from ..errors import NonFiniteError
from . import random
from .augment import augment_rows
from .evaluate import Frame, check_scalar, evaluate, needed_nodes
from .graph import Graph, describe
from .inputs import Inputs, round_to
from .memory import require_memory
from .optimizer import Optimizer, Step
from .parameters import Parameters
from .turn import take_turn

__all__ = ["Trainer"]

Array = NDArray[Any]

PROGRESS_SECONDS = 0.1


class EndOfEpoch(NamedTuple):
    """What the last step of an epoch writes beside the weights."""

    epoch: int  # the counter after it
    history: list[list[float]]
    before: int  # the epochs in the history before it
    means: list[float]


class Trainer:
    """Descends `cost`.

    Parameters
    ----------
    graph : Graph
        Copied.
    cost : int
        A scalar node without rows.
    figures : sequence of int
        Scalars that are reported besides the cost.
    parameters : Parameters
        Shared, not copied.
    weights : sequence of TrainedWeight
        What is trained. One that the cost does not depend on has the gradient zero.
    optimizer : dict
        ``{"name": "sgd", "learning_rate": …, "momentum": …, …}``, see `fastbp.reference.optimizer`.
    seed : int
        Of shuffling and dropout.
    descended : int, optional
        The node whose gradients are descended. Default: the cost.
    total_weight : int, optional
        The place, among the cost and the figures, of one that is 0 where no row of a step counts: such a step changes
        nothing. Default: every step changes the weights.
    kept : sequence of int
        Nodes with rows: every step writes their values from before its update where the caller says. Default: none.

    Attributes
    ----------
    epoch, steps : int
        The counters of rule 9: whole epochs and steps that were made.
    """

    def __init__(
        self,
        graph: Graph,
        cost: int,
        figures: Sequence[int],
        parameters: Parameters,
        weights: Sequence[TrainedWeight],
        optimizer: Mapping[str, Any],
        seed: int,
        descended: int | None = None,
        total_weight: int | None = None,
        kept: Sequence[int] = (),
    ) -> None:
        self._graph = graph.copy()
        self._parameters = parameters
        self._trained = [weight.node for weight in weights]
        self._slots = [_slot(graph, node) for node in self._trained]
        self._optimizer = Optimizer(weights)
        for figure in figures:
            check_scalar(graph, figure, "a figure")
        self._figures = [cost, *figures]
        if total_weight is not None and not 0 <= total_weight < len(self._figures):
            raise ValueError(f"total_weight must be the place of a figure, 0 to {len(figures)}, got {total_weight}")
        self._total_weight = total_weight
        self._gradients = self._graph.gradients(cost if descended is None else descended, self._trained)
        for node in kept:
            if not graph.shape(node)[0]:
                raise ValueError(f"{describe(graph, node)} has no rows and can not be kept by row")
        self._kept = list(kept)
        self._nodes = needed_nodes(self._graph, [*self._figures, *self._gradients, *self._kept])
        self._inputs = Inputs(self._graph, range(len(self._graph)))
        self._seed = seed
        self.epoch = 0
        self.steps = 0
        self.set_optimizer(optimizer)

    def fit(
        self,
        inputs: Sequence[Any],
        finished: list[Any] | None = None,
        **options: Any,
    ) -> NDArray[np.float64]:
        """See `_fit`; meanwhile nobody else trains the parameters.

        However it ends, `finished` has got the means of the epochs that it finished.
        """
        history: list[list[float]] = []
        if finished is not None:
            finished.append(history)
        take_turn(self._parameters.training, "", self._fit, inputs, history, **options)
        return np.array(history, np.float64).reshape(len(history), len(self._figures))

    def _fit(
        self,
        inputs: Sequence[Any],
        history: list[list[float]],
        *,
        batch_size: int,
        epochs: int = 1,
        shuffle: bool = True,
        rows: int | None = None,
        check_finite: bool = False,
        on_batch: Callable[[int, list[float]], Any] | None = None,
        on_progress: Callable[[int, int, list[float]], Any] | None = None,
        augment: tuple[Sequence[tuple[str, Sequence[float]]], Sequence[int]] | None = None,
        kept: Sequence[Array] | None = None,
    ) -> None:
        """Train; put row-weighted means of cost and figures into `history` for every epoch, also for one that a
        callback stopped.

        `on_batch(step in epoch, figures)` after every step, `on_progress(epoch, rows done, means so far)` every 0.1 s
        and at the end of every epoch (counted from 0 in this call); either may return True to stop after this step.
        `augment`: (steps, (height, width, channels)) of rule 12, for the first input. `kept`: for each kept node an
        array of the trainer's dtype, by row of the data.
        """
        arrays, rows = self._check_fit(inputs, batch_size, epochs, rows)
        places = self._places(kept, rows)
        stopped = False
        told = time.monotonic()
        for epoch in range(epochs):
            require_memory(8 * rows + min(batch_size, rows) * sum(a[:1].nbytes for a in arrays if a is not None))
            order = np.asarray(random.shuffle(self._seed, self.epoch, rows)) if shuffle else np.arange(rows)
            sums = [0.0] * len(self._figures)
            means, done = sums, 0
            for step, start in enumerate(range(0, rows, batch_size)):
                index = order[start : start + batch_size]
                done = start + len(index)
                batch = [None if a is None else round_to(a[index], self._parameters.dtype) for a in arrays]
                if check_finite:
                    self._check_finite(batch, index)
                if augment is not None and batch and batch[0] is not None:
                    batch[0] = augment_rows(batch[0], augment, self._seed, index, self.epoch)
                frame = self._frame(len(index), random.DROPOUT_IN_FIT, index, self.epoch, start)
                figures, made = self._descended(batch, frame, self.epoch, step, places, index)
                sums = [total + figure * len(index) for total, figure in zip(sums, figures)]
                means = [total / done for total in sums]
                whole = EndOfEpoch(self.epoch + 1, history, len(history), means) if done == rows else None
                self._write(made, whole)  # before the callbacks, which may raise
                stopped = on_batch is not None and bool(on_batch(step, figures))
                if on_progress is not None and (done == rows or time.monotonic() - told >= PROGRESS_SECONDS):
                    stopped = bool(on_progress(epoch, done, means)) or stopped
                    told = time.monotonic()
                if stopped:
                    break
            if stopped:
                history += [means] if done < rows else []
                break

    def step(self, inputs: Sequence[Any], kept: Sequence[Array] | None = None) -> list[float]:
        """One step on all these rows; cost and figures before the update."""
        return take_turn(self._parameters.training, "", self._step, inputs, kept)

    def _step(self, inputs: Sequence[Any], kept: Sequence[Array] | None) -> list[float]:
        arrays, rows = self._inputs.check(inputs)
        if rows == 0:
            raise ValueError("a training step needs at least 1 row, got 0")
        places = self._places(kept, rows)
        batch = [None if a is None else round_to(a, self._parameters.dtype) for a in arrays]
        frame = self._frame(rows, random.DROPOUT_ELSEWHERE, None, self.steps)
        figures, made = self._descended(batch, frame, self.epoch, self.steps, places, np.arange(rows))
        self._write(made)
        return figures

    def finish(self) -> None:
        """The update that accumulated gradients wait for, if there are any: with the mean of them."""
        take_turn(self._parameters.training, "", self._finish)

    def _finish(self) -> None:
        made = self._optimizer.rest(self._weights())
        if made is None:
            return
        if not made.is_finite():
            raise NonFiniteError(self.epoch, self.steps, self._what_is_not_finite(made))
        self._write(made, steps=self.steps)

    def set_optimizer(self, optimizer: Mapping[str, Any]) -> None:
        """New hyperparameters; states stay, and others that they need begin."""
        self._optimizer.set(optimizer, self._weights())

    def set_weights(self, weights: Sequence[TrainedWeight]) -> None:
        """The same weights, of which other things are set, from the next step on."""
        if [weight.node for weight in weights] != self._trained:
            raise ValueError(
                f"weights must be those of the trainer, in its order: as many ({len(self._trained)}), with the same "
                f"nodes; got {len(weights)}"
            )
        self._optimizer.weights = list(weights)

    def state(self, *, copy: bool = True) -> dict[str, Any]:
        """The optimiser's state: for each of its states an array per weight, and its counters."""
        return self._optimizer.state(copy)

    def set_state(self, state: Mapping[str, Any]) -> None:
        self._optimizer.set_state(state, self._parameters.dtype)

    def _weights(self) -> list[Array]:
        return [self._parameters.values[slot] for slot in self._slots]

    def _check_fit(
        self, inputs: Sequence[Any], batch_size: int, epochs: int, rows: int | None
    ) -> tuple[list[Array | None], int]:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if epochs < 0:
            raise ValueError(f"epochs must be at least 0, got {epochs}")
        arrays, available = self._inputs.check(inputs)
        if rows is None:
            rows = available
        if not 1 <= rows <= available:
            raise ValueError(f"rows must be 1 to {available}, the rows of the inputs, got {rows}")
        return arrays, rows

    def _places(self, kept: Sequence[Array] | None, rows: int) -> list[Array]:
        """The arrays for the kept values, checked."""
        if kept is None:
            return []
        if len(kept) != len(self._kept):
            raise ValueError(f"kept must hold an array for each kept value, {len(self._kept)}, got {len(kept)}")
        for i, (node, array) in enumerate(zip(self._kept, kept)):
            shape = (rows, *self._graph.shape(node)[1])
            fits = array.dtype == self._parameters.dtype and array.shape == shape and array.flags.c_contiguous
            if not (fits and array.flags.writeable):
                raise ValueError(
                    f"kept[{i}] must be a writeable C-contiguous array of the trainer's dtype with {rows} rows and the "
                    f"features of its value"
                )
        return list(kept)

    def _check_finite(self, batch: list[Array | None], index: Array) -> None:
        for slot, array in enumerate(batch):
            if array is None or np.isfinite(array).all():
                continue
            bad = ~np.isfinite(array.reshape(len(index), -1))
            row = int(np.flatnonzero(bad.any(axis=1))[0])
            column = int(np.flatnonzero(bad[row])[0])
            value = array.reshape(len(index), -1)[row, column]
            raise ValueError(f"{self._inputs.name(slot)} must be finite, {_place_text(index[row], column, value)}")

    def _frame(self, rows: int, purpose: int, row_ids: Array | None, counter: int, batch: int = 0) -> Frame:
        return Frame(rows, self._parameters.dtype, True, self._seed, purpose, row_ids, counter, batch)

    def _descended(
        self, batch: list[Array | None], frame: Frame, epoch: int, step: int, places: Sequence[Array], index: Array
    ) -> tuple[list[float], Step | None]:
        """Forward, gradients, update: the figures, and what is to be written, which is finite like the cost.

        None if no row counts: then nothing is to be written. The kept values go to `places`, to the rows `index`.
        """
        values = evaluate(self._graph, self._nodes, self._parameters, batch, frame)
        figures = [values[node].item() for node in self._figures]
        counts = self._total_weight is None or figures[self._total_weight] != 0
        made = self._optimizer.step(self._weights(), [values[n] for n in self._gradients]) if counts else None
        if not (math.isfinite(figures[0]) and (made is None or made.is_finite())):
            raise NonFiniteError(epoch, step, self._first_not_finite(batch, frame, made))
        for place, node in zip(places, self._kept):
            place[index] = values[node]
        return figures, made

    def _write(self, made: Step | None, end_of_epoch: EndOfEpoch | None = None, steps: int | None = None) -> None:
        """Writes a step and counts it, wholly or not at all: what interrupts it is raised after another try.

        steps: the counter afterwards. Default: one more.
        """
        weights = [] if made is None else self._optimizer.limited(made)
        steps = self.steps + 1 if steps is None else steps
        try:
            self._write_all(made, weights, steps, end_of_epoch)
        except BaseException:
            self._write_all(made, weights, steps, end_of_epoch)
            raise

    def _write_all(
        self, made: Step | None, weights: Sequence[Array], steps: int, end_of_epoch: EndOfEpoch | None
    ) -> None:
        """Done twice, it gives what it gives once; `writes` alone, a stamp, may then be larger."""
        if made is not None:
            for slot, weight in zip(self._slots, weights):
                self._parameters.values[slot] = weight
            self._parameters.writes += 1
            self._optimizer.write(made)
        self.steps = steps
        if end_of_epoch is not None:
            self.epoch = end_of_epoch.epoch
            end_of_epoch.history[end_of_epoch.before :] = [end_of_epoch.means]

    def _first_not_finite(self, batch: list[Array | None], frame: Frame, made: Step | None) -> str:
        nodes = [node for node in range(len(self._graph)) if self._graph.operation(node) != "constant"]
        values = evaluate(self._graph, range(len(self._graph)), self._parameters, batch, frame)
        for node in nodes:
            if not np.isfinite(values[node]).all():
                return describe(self._graph, node) + _about(self._graph.operation(node), frame, values[node])
        what = "" if made is None else self._what_is_not_finite(made)
        return what or describe(self._graph, self._figures[0])

    def _what_is_not_finite(self, made: Step) -> str:
        """Names the weight whose update is not finite; "" if all are."""
        for i, node in enumerate(self._trained):
            if what := made.what_is_not_finite(i):
                return f"{describe(self._graph, node)}, {what}"
        return ""


def _place_text(row: int, column: int, number: Any) -> str:
    return f"row {row}, column {column} is {number}"


def _about(operation: str, frame: Frame, value: Array) -> str:
    """What is known about the first value that is not finite: where it is in the data, or why a function has none."""
    if operation == "input":
        rows = value.reshape(frame.rows, -1)
        row, column = np.argwhere(~np.isfinite(rows))[0]
        return f", {_place_text(row if frame.row_ids is None else frame.row_ids[row], column, rows[row, column])}"
    if operation in ("log", "sqrt") and np.isnan(value).any():
        return ", of a negative number"
    return ", of 0" if operation == "log" else ""


def _slot(graph: Graph, node: int) -> int:
    if graph.operation(node) != "parameter":
        raise ValueError(f"a trainable node must be a parameter, got {describe(graph, node)}")
    return graph.integers(node)[0]
