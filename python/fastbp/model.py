"""`Model`: a network with Keras' methods for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ._backends import get_backend
from .callbacks import CallbackList, History, batches
from .data import as_array, common_rows
from .expression import Parameter
from .losses import get_loss
from .metrics import get_metrics
from .minimize import at_least
from .network import Network
from .optimizers import SGD, get_optimizer
from .program import Goal, Prediction, Training
from .regularizers import checked_penalty
from .store import Store
from .training import MOST_EPOCHS, Fit, figures_in_order, split_rows, validated_epochs


class Model(Network):
    """A network from inputs to outputs.

    Parameters
    ----------
    inputs : input or list of inputs
        Made by ``bp.input`` or ``bp.Input``.
    outputs : expression or list of expressions
        Several are for `predict` alone: training takes one.
    seed : int
        Of the initial weights, shuffling and dropout. Default 0.
    dtype : {"float32", "float64"}
        Of weights and arithmetic. Default "float32".
    name : str

    Attributes
    ----------
    layers : list of Layer
    optimizer : SGD
        What `compile` was given; its ``learning_rate`` and the rest may be set at any time, by callbacks too: they
        hold from the next step on.
    stop_training : bool
        Set by callbacks.
    history : History
        Of the last `fit`.

    >>> import numpy as np
    >>> import fastbp as bp
    >>> a, b = bp.input("a", (2,)), bp.input("b", (1,))
    >>> hidden = bp.Dense(4, activation="relu")(bp.concatenate([a, b]))
    >>> net = bp.Model([a, b], bp.Dense(1)(hidden) + b)
    >>> net.compile(loss="mse", backend="reference")
    >>> net.predict({"a": np.ones((3, 2)), "b": np.zeros((3, 1))}).shape
    (3, 1)
    """

    def __init__(self, inputs: Any, outputs: Any, seed: int = 0, dtype: Any = "float32", name: str = "model") -> None:
        super().__init__(inputs, outputs, seed=seed, dtype=dtype, name=name)
        self.stop_training = False
        self.history: History | None = None
        self.optimizer: SGD | None = None
        self._goal: Goal | None = None
        self._trainings: dict[tuple[int, ...], tuple[Training, dict[str, Any]]] = {}
        self._trained_rows = 0  # m of the penalties: of the last fit
        self._epochs = self._steps = 0  # counters of the random numbers
        self._velocities: tuple[list[Parameter], Any] | None = None  # the trainer used last, and what it trains
        self._is_training = False

    def compile(
        self,
        optimizer: Any = "sgd",
        loss: Any = None,
        metrics: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        backend: str = "core",
    ) -> None:
        """Says how to train. Weights and counters stay as they are; the optimiser starts anew.

        Parameters
        ----------
        optimizer : SGD or str
            Default "sgd": ``SGD(0.01)``.
        loss : str or function (y_true, y_pred)
            A name of `fastbp.losses.LOSSES`, or any function of expressions; a result per row is averaged.
        metrics : list of str or functions
            "accuracy", names of losses, functions of expressions.
        l1, l2 : float
            λ of the lecture's penalties λ/m Σ|w| and λ/(2m) Σw², with m the rows that `fit` trains on; weights only,
            never biases. Default 0.
        backend : {"core", "reference"}
            Both give the same bits.
        """
        self._refuse_while_training("compile")
        get_backend(backend)
        if loss is None:
            raise ValueError("loss must be a name or a function (y_true, y_pred), got None")
        if not self._single:
            raise ValueError("a model that is trained has one output; a list of outputs is for predict")
        goal = Goal(get_loss(loss), get_metrics(metrics), checked_penalty("l1", l1), checked_penalty("l2", l2))
        optimizer = get_optimizer(optimizer)
        self.optimizer, self._goal = optimizer, goal
        self._trainings.clear()
        self._velocities = None
        if backend != self._backend:
            self._move_to(backend)

    def _move_to(self, backend: str) -> None:
        """The weights move into a store of another backend."""
        self._backend = backend
        if self._prediction is None or self._store is None:
            self._store = None
            return
        store = Store(backend, self.dtype, self.seed)
        for weight in self._weights:
            store.slot(weight)
        store.claim()
        shapes = [i.shape for i in self.inputs if i.shape is not None]
        self._store, self._prediction = store, Prediction(store, self.inputs, shapes, self.outputs, self._namer)

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = 32,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        validation_freq: Any = 1,
        validation_batch_size: int | None = None,
        check_finite: bool = False,
    ) -> History:
        """Trains for some epochs.

        Parameters
        ----------
        x : array, or a list, tuple or dict of arrays for several inputs
            Any real dtype and layout, also read-only or memory-mapped: read in place, converted row by row.
        y : array
            The targets; see the loss.
        batch_size : int
            Rows per step; the last, short batch of an epoch is used too. Default 32.
        epochs : int
            The number of the last epoch, counted from `initial_epoch` on. Default 1.
        verbose : "auto", 0, 1, 2 or "tqdm"
            A bar on a terminal and lines elsewhere, nothing, a bar, a line per epoch, or tqdm's bar.
        callbacks : list of Callback
        validation_split : float
            The share of rows, the last ones, that are not trained on. Default 0.
        validation_data : (x, y)
            Evaluated after epochs; wins over `validation_split`.
        shuffle : bool
            Whether each epoch takes the rows in a new order. Default True.
        initial_epoch : int
            Default 0.
        validation_freq : int or list of int
            Validate after every n-th epoch, or after those listed (from 1). Default 1.
        validation_batch_size : int, optional
            Default `batch_size`.
        check_finite : bool
            Whether rows with Inf or NaN are an error, naming row and column, before their step. Default False.

        Returns
        -------
        History
            ``history["loss"]``, the metrics, ``"val_loss"`` …: one number per epoch, means weighted by rows. The loss
            includes penalties.

        Raises
        ------
        NonFiniteError
            When a step is not finite; the weights are those of the last good step.
        KeyboardInterrupt
            By Ctrl-C; the weights are those of the last whole step.
        """
        self._compiled()
        self._refuse_while_training("fit")
        epochs, initial_epoch = at_least("epochs", epochs, 0, MOST_EPOCHS), at_least("initial_epoch", initial_epoch, 0)
        batch_size = 32 if batch_size is None else at_least("batch_size", batch_size, 1)
        validation_batch = batch_size if validation_batch_size is None else validation_batch_size
        at_least("validation_batch_size", validation_batch, 1)
        is_validated = validated_epochs(validation_freq)
        arrays, rows = self._data(x, y)
        trained = rows
        if validation_data is None and validation_split:
            trained = split_rows(rows, validation_split)
        training = self._training_for(arrays)
        validate = None
        if validation_data is not None:
            if not isinstance(validation_data, (list, tuple)) or len(validation_data) != 2:
                raise ValueError("validation_data must be a pair (x, y)")
            held_out, _ = self._data(validation_data[0], validation_data[1], "validation ")
            self._training_for(held_out).check(held_out)
        elif trained < rows:
            held_out = [array[trained:] for array in arrays]
        if validation_data is not None or trained < rows:

            def validate(hooks: CallbackList) -> dict[str, float]:
                return dict(zip(training.goal.names, self._evaluated(held_out, validation_batch, hooks)))

        training.check(arrays)
        job = Fit(
            self, training, arrays, trained, batch_size=batch_size, epochs=epochs, initial_epoch=initial_epoch,
            shuffle=bool(shuffle), check_finite=bool(check_finite), verbose=verbose, callbacks=callbacks,
            validate=validate, is_validated=is_validated,
        )  # fmt: skip
        self._trained_rows = trained
        training.set_rows(trained)
        return job.run()

    def train_on_batch(self, x: Any, y: Any, return_dict: bool = False) -> Any:
        """One step on these rows; the loss, or [loss, metrics…], of before the update."""
        self._compiled()
        self._refuse_while_training("train_on_batch")
        arrays, rows = self._data(x, y)
        training = self._training_for(arrays)
        training.check(arrays)
        training.set_rows(self._trained_rows or rows)
        with self._trainer(training) as trainer:
            figures = trainer.step(arrays)
        return figures_in_order(training.goal.names, figures, return_dict)

    def loss_and_gradients(self, x: Any, y: Any, training: bool = True) -> tuple[float, list[np.ndarray]]:
        """The loss of these rows, penalties included, and its gradients in the order of `get_weights`.

        Parameters
        ----------
        x, y : arrays
        training : bool
            Whether dropout drops; every such call draws anew. Default True.
        """
        self._compiled()
        arrays, rows = self._data(x, y)
        program = self._training_for(arrays)
        program.check(arrays)
        program.set_rows(self._trained_rows or rows)
        made = self._trainings[arrays[-1].shape[1:]][1]
        key = f"gradients, training={bool(training)}"
        if key not in made:
            made[key] = program.gradients(self._weights, bool(training))
        loss, *gradients = made[key](arrays, counter=self._steps)
        self._steps += bool(training)
        return float(loss), [np.asarray(g) for g in gradients]

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss, penalties included, and the metrics over all rows, dropout off.

        Parameters
        ----------
        x, y : arrays
        batch_size : int
            Rows at a time; figures are means over batches, weighted by rows. Default 32.
        callbacks : list of Callback
            Their ``on_test_…`` hooks are called.
        return_dict : bool
            Default False.

        Returns
        -------
        float, list or dict
            The loss alone without metrics, else [loss, metrics…]; a dict by name if asked for.
        """
        goal = self._compiled()
        size = 32 if batch_size is None else at_least("batch_size", batch_size, 1)
        arrays, rows = self._data(x, y)
        training = self._training_for(arrays)
        training.check(arrays)
        hooks = CallbackList(callbacks, self, {"steps": -(-rows // size), "verbose": verbose})
        return figures_in_order(goal.names, self._evaluated(arrays, size, hooks), return_dict)

    def _evaluated(self, arrays: Sequence[np.ndarray], batch_size: int, hooks: CallbackList) -> list[float]:
        training = self._training_for(arrays)
        training.set_rows(self._trained_rows or len(arrays[-1]))
        hooks.call("on_test_begin", {})
        if hooks.overrides("on_test_batch_begin", "on_test_batch_end"):
            sums, seen = np.zeros(len(training.goal.names)), 0
            for number, part in batches(len(arrays[-1]), batch_size):
                hooks.call("on_test_batch_begin", number, {})
                rows = part.stop - part.start
                figures = training.evaluation([array[part] for array in arrays])
                sums += np.array([float(f) for f in figures]) * rows
                seen += rows
                hooks.call("on_test_batch_end", number, dict(zip(training.goal.names, (sums / seen).tolist())))
            values = (sums / seen).tolist()
        else:
            at_a_time = min(batch_size, len(arrays[-1]))
            values = [float(v) for v in training.evaluation.means(list(arrays), batch_size=at_a_time)]
        hooks.call("on_test_end", dict(zip(training.goal.names, values)))
        return values

    # What the methods above share

    def _compiled(self) -> Goal:
        if self._goal is None:
            raise ValueError("the model must be compiled first: compile(optimizer=…, loss=…)")
        return self._goal

    def _refuse_while_training(self, method: str) -> None:
        if self._is_training:
            raise RuntimeError(f"{method} cannot be called while the model is being trained: not from its callbacks")

    def _data(self, x: Any, y: Any, prefix: str = "") -> tuple[list[np.ndarray], int]:
        """Inputs, then targets; at least one row."""
        if y is None:
            raise ValueError(f"{prefix}y must be given: the targets")
        arrays, names, _ = self._inputs(x, f"{prefix}x")
        arrays.append(as_array(y, f"{prefix}y", self.dtype))
        rows = common_rows(arrays, [*names, f"{prefix}y"])
        if not rows:
            raise ValueError(f"{prefix}x must have at least 1 row, got 0")
        return arrays, rows

    def _training_for(self, arrays: Sequence[np.ndarray]) -> Training:
        """The training graph for targets of this shape, its weights claimed."""
        shapes = [array.shape[1:] for array in arrays]
        self._built_for(shapes[:-1])
        if shapes[-1] not in self._trainings:
            goal = self._compiled()
            assert self._store is not None
            made = Training(self._store, self.inputs, shapes, self.outputs[0], goal, self._namer)
            self._store.claim()
            self._trainings[shapes[-1]] = made, {}
        return self._trainings[shapes[-1]][0]

    @contextmanager
    def _trainer(self, training: Training) -> Iterator[Any]:
        """The trainer of this graph, with the optimiser's present settings and the model's counters, in and out."""
        assert self.optimizer is not None
        made = self._made(training)
        if "trainer" not in made:
            configuration = self.optimizer.configuration()
            made["trainer"], made["configuration"] = training.make_trainer(self.optimizer, self.seed), configuration
        self._apply_settings(training)
        trainer = made["trainer"]
        if self._velocities is not None and self._velocities[1] is not trainer:
            trained, last = self._velocities
            if [id(p) for p in trained] == [id(p) for p in training.trainable]:
                trainer.set_state(last.state())
        self._velocities = training.trainable, trainer
        trainer.epoch, trainer.steps = self._epochs, self._steps
        self._is_training = True
        try:
            yield trainer
        finally:
            self._is_training = False
            self._epochs, self._steps = int(trainer.epoch), int(trainer.steps)

    def _made(self, training: Training) -> dict[str, Any]:
        """What was made for this graph: its trainer, the settings that has, its gradients."""
        return next(made for known, made in self._trainings.values() if known is training)

    def _apply_settings(self, training: Training) -> None:
        """Tells the trainer the optimiser's settings, if they are others than before."""
        assert self.optimizer is not None
        made = self._made(training)
        configuration = self.optimizer.configuration()
        if made["configuration"] != configuration:
            made["trainer"].set_optimizer(configuration)
            made["configuration"] = configuration
