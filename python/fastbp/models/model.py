"""`Model`: a network with Keras' methods for training."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import augment as augmentation
from .._shared.arguments import at_least, known_keywords, truth
from .._shared.memory import require_memory
from ..callbacks.callback_list import CallbackList
from ..callbacks.history import History
from ..errors import NonFiniteError
from ..lowering.arrays import batches
from ..training.backpropagation import Backpropagation
from ..training.data import Data
from ..training.figures import Layout
from ..training.fit import MOST_EPOCHS, Fit, figures_in_order
from ..training.progress import Line
from ..training.splits import drawn_split, split_rows
from ..training.training_graph import TrainingGraph
from .compiled import CompiledNetwork
from .turns import alone, tentative

ALL_FROZEN = "the model has no trainable weights: its trainable is False"


class Model(CompiledNetwork):
    """A network from inputs to outputs.

    Parameters
    ----------
    inputs : input or list of inputs
        Made by ``bp.input`` or ``bp.Input``.
    outputs : expression, or list or dict of expressions
        With several, `compile` takes a loss for each, and `fit` their targets, as lists or as dicts by `output_names`.
    seed : int
        Of the initial weights, shuffling and dropout. Default 0.
    dtype : {"float32", "float64"}
        Of weights and arithmetic. Default "float32".
    name : str, optional
        Default "model", in another model model_1, ….

    Attributes
    ----------
    layers : list of Layer
        A model that is called like a layer is one of them.
    trainable : bool
        False freezes all layers, from the next `fit` on. Default True.
    optimizer : Optimizer
        What `compile` was given; its ``learning_rate`` and the rest may be set at any time, by callbacks too: they
        hold from the next step on.
    stop_training : bool
        Set by callbacks.
    history : History
        Of the last `fit`.
    feature_names_in_ : list or None
        The columns of the first data frame that was trained on; later ones must have them, in this order.

    Notes
    -----
    Models pickle and copy deeply with weights, counters and the optimiser's state: training goes on to the same bits.
    A pickle holds functions (a loss, an activation) by name: lambdas are a TypeError. What a callback holds is not part
    of it. While another thread trains the model, copying and pickling it is a RuntimeError; callbacks of that training
    may do it.

    Models that share layers compute with the newest weights, each in its own dtype.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> a, b = bp.input("a", (2,)), bp.input("b", (1,))
    >>> hidden = bp.Dense(4, activation="relu")(bp.concatenate([a, b]))
    >>> net = bp.Model([a, b], bp.Dense(1)(hidden) + b)
    >>> net.compile(loss="mse", backend="reference")
    >>> net.predict({"a": np.ones((3, 2)), "b": np.zeros((3, 1))}).shape
    (3, 1)
    """

    stop_training: bool
    history: History | None

    @known_keywords
    def __init__(
        self, inputs: Any, outputs: Any, seed: int = 0, dtype: Any = "float32", name: str | None = None
    ) -> None:
        super().__init__(inputs, outputs, seed=seed, dtype=dtype, name=name)
        self.stop_training = False
        self.history = None

    @alone
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
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        validation_freq: Any = 1,
        validation_batch_size: int | None = None,
        check_finite: bool = False,
        validation_seed: int | None = None,
        stratify: bool = False,
        augment: Any = None,
    ) -> History:
        """Trains for some epochs.

        Parameters
        ----------
        x : array, or a list, tuple or dict of arrays for several inputs
            Any real dtype and layout, also read-only or memory-mapped: read in place, converted row by row. The columns
            of a data frame are kept as `feature_names_in_`.
        y : array, or a list or dict of arrays for several outputs
            The targets; see the loss.
        batch_size : int
            Rows per step; the last, short batch of an epoch is used too. Default 32.
        epochs : int
            The number of the last epoch, counted from `initial_epoch` on. Default 1.
        verbose : "auto", 0, 1, 2 or "tqdm"
            A bar on a terminal and lines elsewhere, nothing, a bar, a line per epoch, or tqdm's bar.
        callbacks : list of Callback
        validation_split : float
            The share of rows that are not trained on: the last ones, or see `validation_seed`. Default 0.
        validation_data : (x, y) or (x, y, sample_weight)
            Evaluated after epochs; wins over `validation_split`.
        shuffle : bool
            Whether each epoch takes the rows in a new order. Default True.
        class_weight : dict of int to float, optional
            A weight for each label, of targets that are labels or one-hot rows; multiplied by the row's
            `sample_weight`. Not for rows that validate. For several outputs a dict of dicts. Default 1.
        sample_weight : array, optional
            s, a finite weight per row, of shape (rows,): a step descends Σ s·loss ÷ rows, or see `loss_reduction` of
            `compile`. What a row of weight 0 holds changes nothing, NaN included; a batch whose weights are all 0 makes
            no update. For several outputs also a list or dict with an array for each. Default 1.
        initial_epoch : int
            Default 0.
        validation_freq : int or list of int
            Validate after every n-th epoch, or after those listed (from 1). Default 1.
        validation_batch_size : int, optional
            Default `batch_size`.
        check_finite : bool
            Whether rows with Inf or NaN are an error, naming row and column, before their step. Default False.
        validation_seed : int, optional
            Draws the rows of `validation_split` at random, the same in every call with this seed; the data are then
            copied. Default None: the last rows, read in place.
        stratify : bool
            Whether every class has the same share of its rows drawn; `y` holds labels or one-hot rows. The seed is then
            0 if none is given. Default False.
        augment : Transform, optional
            Of `bp.augment`: the (first) input's rows are images, and every epoch trains on new versions of them. What
            validates stays as it is. Default None.

        Returns
        -------
        History
            ``history["loss"]``, the metrics, ``"val_loss"`` …: one number per epoch, means weighted by rows, or of all
            rows at once. The loss includes penalties.

        Raises
        ------
        NonFiniteError
            When a step is not finite; the weights are those of the last good step.
        KeyboardInterrupt
            By Ctrl-C; the weights are those of the last whole step.
        ValueError, TypeError
            For data or arguments that do not fit, before anything is trained.
        RuntimeError
            While the model is being trained, by another thread or around this callback.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Dense(1, kernel_initializer="zeros")])
        >>> net.compile(bp.SGD(0.25), "mse")
        >>> net.fit([[1.0], [2.0]], [2.0, 4.0], epochs=2, verbose=0).history["loss"]
        [10.0, 5.125]
        """
        built = self._built
        try:
            self._compiled()
            epochs = at_least("epochs", epochs, 0, MOST_EPOCHS)
            initial_epoch = at_least("initial_epoch", initial_epoch, 0)
            batch_size = 32 if batch_size is None else at_least("batch_size", batch_size, 1)
            validation_batch = batch_size if validation_batch_size is None else validation_batch_size
            at_least("validation_batch_size", validation_batch, 1)
            shuffle, check_finite = truth("shuffle", shuffle), truth("check_finite", check_finite)
            drawn = truth("stratify", stratify) or validation_seed is not None
            seed = 0 if validation_seed is None else at_least("validation_seed", validation_seed, 0, 2**64 - 1)
            if drawn and (validation_data is not None or not validation_split):
                raise ValueError("validation_seed and stratify draw the rows of validation_split, which is not in use")
            data = given = self._data(x, y, sample_weight)
            if class_weight is not None:
                data = self._with_class_weights(given, class_weight)
            if data.kind.__class__ is Layout:
                data = data.masked()
            request = None
            if augment is not None:
                if not isinstance(augment, augmentation.Transform):
                    raise TypeError(f"augment must be a transform of bp.augment, for the first input, got {augment!r}")
                request = augment.request(
                    "x" if len(self.inputs) == 1 else f"the input {self.inputs[0].name!r}", data.arrays[0].shape[1:]
                )
            trained = data.rows
            if validation_data is None and validation_split:
                trained = split_rows(data.rows, validation_split)
            session = self._session
            graph = self._graph_for(data)
            graph.check(data.arrays)
            held_out: Data | None = None
            if drawn:
                kept, others = drawn_split(data.targets[0], validation_split, seed, bool(stratify))
                require_memory(sum(a.nbytes for a in data.arrays))
                held_out, data, trained = given.mapped(lambda a: a[others]), data.mapped(lambda a: a[kept]), len(kept)
            elif validation_data is not None:
                held_out = self._validation_data(validation_data, x)
            elif trained < data.rows:
                held_out = given.mapped(lambda array: array[trained:])
            validate = None
            if held_out is not None:
                # Now, or memory could end after the first epoch.
                self._graph_for(held_out).evaluation.prepare(min(validation_batch, held_out.rows))

                def validate(hooks: CallbackList) -> dict[str, float]:
                    figures = self._evaluated(held_out, validation_batch, hooks, by_weights_to_leave=True)
                    return dict(zip(graph.goal.names, figures))

            if not self._trainable:
                raise ValueError(ALL_FROZEN)
            steps, columns = session.steps, self._columns
            try:
                if type(x) is not np.ndarray:
                    self._keep_columns(x)
                return Fit(
                    self, session, graph, data.arrays, trained, batch_size=batch_size, epochs=epochs,
                    initial_epoch=initial_epoch, shuffle=shuffle, check_finite=check_finite, verbose=verbose,
                    callbacks=callbacks, validate=validate, validation_freq=validation_freq, augment=request,
                ).run()  # fmt: skip
            except BaseException:
                if session.steps == steps:  # nothing was trained
                    self._columns = columns
                raise
        except Exception as error:
            if not built and not isinstance(error, NonFiniteError):  # the weights of that can be looked at
                self._turns.undo(self._unmake)
            raise

    def _validation_data(self, given: Any, x: Any) -> Data:
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
            raise ValueError("validation_data must be a tuple (x, y) or (x, y, sample_weight)")
        weights = given[2] if len(given) == 3 else None
        data = self._data(given[0], given[1], weights, prefix="validation ")
        self._graph_for(data).check(data.arrays, "validation ")
        self._check_columns(given[0], "validation x", self._columns_of(x))
        return data

    @alone
    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """One step on these rows.

        Parameters
        ----------
        x : array, or a list, tuple or dict of arrays for several inputs
        y : array, or a list or dict of arrays for several outputs
            The targets.
        sample_weight : array, optional
            A weight per row, of shape (rows,); for several outputs also a list or dict. See `fit`. Default 1.
        class_weight : dict of int to float, optional
            A weight for each label; multiplied by the row's `sample_weight`. Default 1.
        return_dict : bool
            Default False.

        Returns
        -------
        float, list or dict
            The loss, or [loss, metrics…], of before the update; a dict by name if asked for.

        Raises
        ------
        NonFiniteError
            If the step is not finite; the weights stay as they are.
        ValueError, TypeError
            For data that do not fit.
        RuntimeError
            While the model is being trained, by another thread or around this callback.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Dense(1, kernel_initializer="zeros")])
        >>> net.compile(bp.SGD(0.25), "mse")
        >>> net.train_on_batch([[1.0], [2.0]], [2.0, 4.0])
        10.0
        """
        as_dict = return_dict if return_dict is False else truth("return_dict", return_dict)
        session = self._session
        again = session.repeated
        if sample_weight is not None or class_weight is not None:
            again = None
        if again is not None and again.is_like(session.optimizer, x, y):
            arrays, graph, trainer = [x, y], again.graph, again.trainer
            graph.check(arrays)
        else:
            arrays, graph, trainer = self._ready_for_a_step(x, y, sample_weight, class_weight)
        if graph.is_measured_plainly:
            figures = graph.store.train(trainer, trainer.step, arrays)
        else:
            figures = graph.measured_step(trainer, arrays)
        if type(x) is not np.ndarray:
            self._keep_columns(x)
        return figures_in_order(graph.goal.names, figures, as_dict)

    @tentative
    def _ready_for_a_step(
        self, x: Any, y: Any, sample_weight: Any, class_weight: Any
    ) -> tuple[list[np.ndarray], TrainingGraph, Any]:
        self._compiled()
        data = self._data(x, y, sample_weight, class_weight).masked()
        session, graph = self._session, self._graph_for(data)
        graph.check(data.arrays)
        graph.set_rows(session.rows or data.rows)
        if not self._trainable:
            raise ValueError(ALL_FROZEN)
        trainer = session.begin(graph)
        session.repeat(graph, data.arrays, x, y)
        return data.arrays, graph, trainer

    @tentative
    def loss_and_gradients(
        self, x: Any, y: Any, training: bool = True, sample_weight: Any = None, class_weight: Any = None
    ) -> tuple[float, list[np.ndarray]]:
        """The loss of these rows, penalties included, and its gradients in the order of `get_weights`.

        Parameters
        ----------
        x : array, or a list, tuple or dict of arrays for several inputs
        y : array, or a list or dict of arrays for several outputs
            The targets.
        training : bool
            Whether dropout drops; every such call draws anew, beside a training with each step of it. Default True.
        sample_weight : array, optional
            A weight per row, of shape (rows,); for several outputs also a list or dict. See `fit`. Default 1.
        class_weight : dict of int to float, optional
            A weight for each label; multiplied by the row's `sample_weight`. Default 1.

        Returns
        -------
        loss : float
        gradients : list of array
            Of the weights' shapes and the model's dtype; those of frozen weights too.

        Raises
        ------
        ValueError, TypeError
            For data that do not fit.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Dense(1, use_bias=False, kernel_initializer="zeros")])
        >>> net.compile(loss="mse")
        >>> net.loss_and_gradients([[1.0], [2.0]], [2.0, 4.0])
        (10.0, [array([[-10.]], dtype=float32)])
        """
        self._compiled()
        data = self._data(x, y, sample_weight, class_weight)
        if data.kind.__class__ is Layout:
            data = data.masked()
        training = truth("training", training)
        session, graph = self._session, self._graph_for(data)
        graph.check(data.arrays)
        self._turns.while_idle(graph.set_rows, session.rows or data.rows)
        loss, *gradients = graph.gradients(self._weights, training)(data.arrays, counter=session.steps)
        if training:
            self._turns.while_idle(session.count_step)  # else it would count as a step of that training
        return float(loss), [np.asarray(g) for g in gradients]

    @tentative
    def backpropagate(self, x: Any, y: Any) -> Backpropagation:
        """The backward pass as the textbook writes it: z, a and δ of every layer, and the loss' gradients.

        For networks of `Dense` layers, one after the other. The layers are numbered from 1, which is the input, to L:
        ``a[1]`` is x, and ``z[2]`` … ``z[L]`` are those of the `Dense` layers.

        Parameters
        ----------
        x : array of shape (rows, features)
        y : array
            The targets.

        Returns
        -------
        Backpropagation
            ``z``, ``a``, ``delta``, ``weight_gradients``, ``bias_gradients``: dicts by layer; ``loss``.

        Raises
        ------
        TypeError
            For a network of other layers than `Dense`, or of several inputs.
        ValueError
            For a `Dense` layer that is used twice, or data that do not fit.

        Notes
        -----
        M. Nielsen, Neural Networks and Deep Learning, 2015, chapter 2. δ[l] = ∂Cₓ/∂z[l], a row for each row x, Cₓ being
        the cost of that row alone: it does not depend on the other rows. The loss is the mean of the Cₓ, and its
        gradients are those that training descends, penalties left out. With m rows and W of shape (fan_in, fan_out),
        which is the textbook's transposed, the four equations are

        - BP1: δ[L] = ∇ₐCₓ ⊙ σ′(z[L]); of a cross entropy and its sigmoid or softmax, a[L] − y
        - BP2: δ[l] = (δ[l+1] W[l+1]ᵀ) ⊙ σ′(z[l])
        - BP3: ∂C/∂b[l] = 1/m Σ δ[l]
        - BP4: ∂C/∂W[l] = 1/m a[l−1]ᵀ δ[l]

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Dense(1, kernel_initializer="ones")])
        >>> net.compile(loss="quadratic")
        >>> back = net.backpropagate([[1.0], [2.0]], [2.0, 4.0])
        >>> back.delta[2]
        array([[-1.],
               [-2.]], dtype=float32)
        >>> back.weight_gradients[2]  # (1·(−1) + 2·(−2)) / 2
        array([[-2.5]], dtype=float32)
        """
        self._compiled()
        if len(self.inputs) > 1:
            raise TypeError(f"backpropagate is for networks of one input, got one of {len(self.inputs)}")
        if len(self.outputs) > 1:
            raise TypeError(f"backpropagate is for networks of one output, got one of {len(self.outputs)}")
        data = self._data(x, y)
        graph = self._graph_for(data)
        graph.check(data.arrays)
        return graph.backpropagation(data.arrays)

    @tentative
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        callbacks: Any = None,
        return_dict: bool = False,
        class_weight: Any = None,
    ) -> Any:
        """The loss, penalties included, and the metrics over all rows, dropout off.

        Parameters
        ----------
        x : array, or a list, tuple or dict of arrays for several inputs
        y : array, or a list or dict of arrays for several outputs
            The targets.
        batch_size : int
            Rows at a time. Figures are means over batches, weighted by rows; a metric or loss that is no mean over
            rows, such as the root of a mean, is computed once, from all predictions. Default 32.
        verbose : 0, 1, 2 or "auto"
            0 prints nothing, all others one line at the end: rows, seconds, rows/s and the figures. Default 0.
        sample_weight : array, optional
            A weight per row, of shape (rows,); for several outputs also a list or dict. See `fit`. Default 1.
        callbacks : list of Callback
            Their ``on_test_…`` hooks are called.
        return_dict : bool
            Default False.
        class_weight : dict of int to float, optional
            A weight for each label; multiplied by the row's `sample_weight`. Default 1.

        Returns
        -------
        float, list or dict
            The loss alone without metrics, else [loss, metrics…]; a dict by name if asked for.

        Raises
        ------
        ValueError, TypeError
            For data or arguments that do not fit.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Dense(1, kernel_initializer="zeros")])
        >>> net.compile(loss="mse", metrics=["mae"])
        >>> net.evaluate([[1.0], [2.0]], [2.0, 4.0], return_dict=True)
        {'loss': 10.0, 'mae': 3.0}
        """
        goal = self._compiled()
        return_dict = truth("return_dict", return_dict)
        size = 32 if batch_size is None else at_least("batch_size", batch_size, 1)
        data = self._data(x, y, sample_weight, class_weight)
        self._graph_for(data).check(data.arrays)
        line = Line("evaluate", verbose, data.rows)
        hooks = CallbackList(callbacks, self, {"steps": -(-data.rows // size), "verbose": verbose})
        figures = self._evaluated(data, size, hooks)
        line.end(dict(zip(goal.names, figures)))
        return figures_in_order(goal.names, figures, return_dict)

    def _evaluated(
        self, data: Data, batch_size: int, hooks: CallbackList, by_weights_to_leave: bool = False
    ) -> list[float]:
        graph, arrays = self._graph_for(data), data.arrays
        self._turns.while_idle(graph.set_rows, self._session.rows or data.rows)
        evaluation = self._evaluation_to_leave(graph) if by_weights_to_leave else graph.evaluation
        hooks.call("on_test_begin", {})
        if hooks.overrides("on_test_batch_begin", "on_test_batch_end"):
            sums, seen = np.zeros(graph.reported.numbers), 0
            for number, part in batches(data.rows, batch_size):
                hooks.call("on_test_batch_begin", number, {})
                rows = part.stop - part.start
                sums += evaluation.of_batch([array[part] for array in arrays]) * rows
                seen += rows
                running = evaluation.figures(sums / seen)
                hooks.call("on_test_batch_end", number, dict(zip(graph.reported.names, running)))
            means = (sums / seen).tolist()
        else:
            means = evaluation.means(arrays, min(batch_size, data.rows))
        values = evaluation.corrected(means, arrays, batch_size)
        if graph.kept:
            predictions = evaluation.predictions(list(arrays), batch_size=batch_size)
            values = graph.with_figures_of_arrays(values, arrays, predictions)
        hooks.call("on_test_end", dict(zip(graph.goal.names, values)))
        return values
