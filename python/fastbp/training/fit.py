"""`Fit`, the loop of `fit`: runs all epochs in one call of the trainer unless callbacks or validation need each one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..callbacks.callback_list import CallbackList
from ..callbacks.history import History
from ..errors import NonFiniteError
from .progress import Progress, make_progress
from .session import TrainingSession
from .training_graph import TrainingGraph

MOST_EPOCHS = 2**32 - 1  # the counters of the random numbers have 32 bits (rule 9)


class Trainee(Protocol):
    """What the loop of `fit` sets and reads of the model, as callbacks do."""

    stop_training: bool
    history: History | None


class Fit:
    """One call of `Model.fit`, after its arguments were checked.

    Parameters
    ----------
    model : Model
        For callbacks.
    session, graph
        The model's session, and its graph for these data.
    arrays : list of array
        Of the data; the first `rows` rows are trained on.
    validate : function (callbacks) -> dict, optional
        Computes the validation's figures.
    validation_freq : int or list of int
        Validate after every n-th epoch, or after those listed (from 1).
    augment : (steps, image shape), optional
        As `Transform.request` gives them.
    """

    def __init__(
        self,
        model: Trainee,
        session: TrainingSession,
        graph: TrainingGraph,
        arrays: Sequence[np.ndarray],
        rows: int,
        *,
        batch_size: int,
        epochs: int,
        initial_epoch: int,
        shuffle: bool,
        check_finite: bool,
        verbose: Any,
        callbacks: Any,
        validate: Callable[[CallbackList], dict[str, float]] | None,
        validation_freq: Any,
        augment: Any = None,
    ) -> None:
        self.model, self.session, self.graph, self.arrays, self.rows = model, session, graph, arrays, rows
        batch_size = min(batch_size, rows)
        self.batch_size, self.epochs, self.initial_epoch = batch_size, epochs, initial_epoch
        # Of the trainer's call; without those that are as by default, because each keyword costs pybind11 time.
        self.options: dict[str, Any] = {"batch_size": batch_size, "shuffle": shuffle, "rows": rows}
        if check_finite:
            self.options["check_finite"] = True
        if augment is not None:
            self.options["augment"] = augment
        self.steps = math.ceil(rows / batch_size)
        self.validate, self.is_validated = validate, validated_epochs(validation_freq)
        self.names = graph.reported.names
        self.figures_of = None if graph.reported.are_numbers else graph.reported.of
        self.kept = graph.places(rows) if graph.kept else None  # the predictions of the epoch's steps, by row
        if self.kept is not None:
            self.options["kept"] = self.kept
        self.progress: Progress = make_progress(verbose, epochs, initial_epoch, rows)
        self.verbose = type(self.progress) is not Progress
        params = {"epochs": epochs, "steps": self.steps, "verbose": verbose}
        self.history = History()
        self.history.set_params(params)
        self.history.set_model(model)
        self.callbacks = CallbackList(callbacks, model, params)
        self.wants_batches = self.callbacks.overrides("on_train_batch_begin", "on_train_batch_end")
        if self.wants_batches:
            self.options["on_batch"] = self._on_batch
        self.sums: np.ndarray  # of the graph's numbers × rows in this epoch, float64
        self.seen = 0
        needs_each = validate is not None or self.kept is not None
        self.one_by_one = self.wants_batches or needs_each or self.callbacks.wants_epochs
        self.has_begun = False  # whether the session's trainer is that of the graph
        self.finished: list[Any] = []  # numbers of the epochs of one call of the trainer, which appends them
        self.current = initial_epoch  # the first of these epochs

    def run(self) -> History:
        model, session = self.model, self.session
        steps, before = session.steps, (model.history, model.stop_training, session.rows)
        try:
            object.__setattr__(model, "history", self.history)  # the check of its name would take 5 % of a small fit
            session.rows = self.rows
            if model.stop_training:
                model.stop_training = False
            self.graph.set_rows(self.rows)
            return self._run(self.initial_epoch)
        except BaseException as error:
            self._note_finished()
            if isinstance(error, NonFiniteError):
                self.callbacks.explain(error)
            if session.steps == steps:  # nothing was trained
                model.history, model.stop_training, session.rows = before
            raise

    def _run(self, epoch: int) -> History:
        model = self.model
        logs: dict[str, float] = {}
        self._call("on_train_begin", logs)
        try:
            while epoch < self.epochs and not model.stop_training:
                count = 1 if self.one_by_one else self.epochs - epoch
                logs = self._epoch(epoch) if self.one_by_one else self._several(epoch, count)
                epoch += count
            self._finish()
        finally:  # after an exception no hook is called: it might replace the weights of the last good step
            self.progress.close()
        self.session.leave_averages()
        self._call("on_train_end", logs)
        return self.history

    def _epoch(self, epoch: int) -> dict[str, float]:
        """One epoch, with the hooks of callbacks and the validation around it."""
        self._call("on_epoch_begin", epoch, {})
        self.progress.begin_epoch(epoch)
        self.sums, self.seen = np.zeros(self.graph.reported.numbers), 0
        if self.wants_batches:
            self._call("on_train_batch_begin", 0, {})
        self.finished, self.current = [], epoch  # in this order: Ctrl-C may come in between
        before = self.session.epochs
        for place in self.kept or ():
            place.fill(np.nan)
        numbers = self._train(1, self._on_progress if self.verbose else None)
        logs = self._logs(numbers[-1]) if len(numbers) else self._running()
        if self.kept is not None:
            logs = self._with_array_metrics(logs, self.kept, whole=self.session.epochs > before)
        if epoch + 1 == self.epochs or self.model.stop_training:
            self._finish()  # before the validation, so that it sees the last update
        if self.validate is not None and self.is_validated(epoch):
            logs.update({f"val_{name}": value for name, value in self.validate(self.callbacks).items()})
        self.history.on_epoch_end(epoch, logs)
        if self.callbacks.callbacks:
            logs = self.callbacks.end_epoch(epoch, logs)
            self.history.amend(logs)
        self.progress.end_epoch(logs)
        return logs

    def _with_array_metrics(self, logs: dict[str, float], kept: Sequence[np.ndarray], whole: bool) -> dict[str, float]:
        """The epoch's figures with those of metrics of arrays, by what was predicted in each row's step."""
        arrays = [array[: self.rows] for array in self.arrays]
        if not whole:  # a callback stopped the epoch: some rows have had no step
            trained = ~np.all([np.isnan(k.reshape(self.rows, -1)).all(axis=1) for k in kept], axis=0)
            arrays, kept = [array[trained] for array in arrays], [k[trained] for k in kept]
        logs.update(self.graph.figures_of_arrays(arrays, kept))
        return {name: logs[name] for name in self.graph.goal.names}

    def _several(self, epoch: int, count: int) -> dict[str, float]:
        """All remaining epochs, in one call of the trainer."""
        current = epoch

        def on_progress(_: int, done: int, means: Sequence[float]) -> bool:
            nonlocal current
            figures = self._logs(means)
            self.progress.update(done, figures)
            if done >= self.rows:
                self.progress.end_epoch(figures)
                current += 1
                if current < epoch + count:
                    self.progress.begin_epoch(current)
            return bool(self.model.stop_training)

        self.progress.begin_epoch(epoch)
        try:
            self._train(count, on_progress if self.verbose else None)
        finally:
            numbers = self._note_several()
        return self._logs(numbers[-1]) if len(numbers) else {}

    def _note_finished(self) -> None:
        """Completes the history: with the epochs that the trainer finished before Ctrl-C or an error, of a callback or
        the validation."""
        if not self.one_by_one:
            self._note_several()
            return
        self.history.complete()
        for numbers in self.finished:
            if len(numbers) and self.history.epoch[-1:] != [self.current]:
                self.history.on_epoch_end(self.current, self._logs(numbers[-1]))

    def _note_several(self) -> Any:
        """Puts the epochs that `_several` finished, also before Ctrl-C or an error, into the history."""
        if not self.finished:
            return ()
        numbers = np.asarray(self.finished[0], np.float64)  # the reference's are a list of lists
        self.history.put(
            self.initial_epoch, self.names, numbers if self.figures_of is None else self.figures_of(numbers)
        )
        return numbers

    def _train(self, epochs: int, on_progress: Callable[..., bool] | None) -> np.ndarray:
        self.session.begin(self.graph)
        self.has_begun = True
        options = {"epochs": epochs, **self.options}
        if on_progress is not None:
            options["on_progress"] = on_progress
        return np.asarray(self.session.fit(self.arrays, self.finished, **options))

    def _finish(self) -> None:
        """Makes the update that accumulated gradients still wait for, if this fit has made a step."""
        if self.has_begun:
            self.session.finish()

    def _call(self, hook: str, *arguments: Any) -> None:
        if self.callbacks.callbacks:
            self.callbacks.call(hook, *arguments)

    def _on_batch(self, step: int, numbers: Sequence[float]) -> bool:
        rows = min(self.batch_size, self.rows - step * self.batch_size)
        self.sums += np.asarray(numbers, np.float64) * rows
        self.seen += rows
        self._call("on_train_batch_end", step, self._running())
        stop = bool(self.model.stop_training)
        if not stop and step + 1 < self.steps:
            self._call("on_train_batch_begin", step + 1, {})
        self.session.apply_settings(self.graph)
        return stop

    def _on_progress(self, _: int, done: int, means: Sequence[float]) -> bool:
        self.progress.update(done, self._logs(means))
        return bool(self.model.stop_training)

    def _logs(self, numbers: Any) -> dict[str, float]:
        figures = numbers if self.figures_of is None else self.figures_of(numbers)
        return {name: float(value) for name, value in zip(self.names, figures)}

    def _running(self) -> dict[str, float]:
        return self._logs(self.sums / max(self.seen, 1))


def validated_epochs(validation_freq: Any) -> Callable[[int], bool]:
    """A function that says whether an epoch (from 0) is validated: every n-th, or those listed (from 1)."""
    if isinstance(validation_freq, (list, tuple, set)):
        return lambda epoch: epoch + 1 in validation_freq
    if isinstance(validation_freq, bool) or not isinstance(validation_freq, (int, np.integer)) or validation_freq < 1:
        raise ValueError(f"validation_freq must be at least 1, or a list of epochs, got {validation_freq!r}")
    return lambda epoch: (epoch + 1) % validation_freq == 0


def figures_in_order(names: Sequence[str], values: Sequence[float], return_dict: bool) -> Any:
    """The figures as Keras returns them: as a dict, as the loss alone if there are no others, or as a list."""
    if len(names) == 1 and not return_dict:
        return float(values[0])
    figures: Mapping[str, float] = dict(zip(names, map(float, values)))
    if return_dict:
        return figures
    listed = list(figures.values())
    return listed[0] if len(listed) == 1 else listed
