"""`Predictor`: a network's weights, layers, summary and predictions, which need no `compile`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._shared.arguments import at_least, known_keywords, real_array, truth
from .._shared.nearest import look_up
from .._shared.terminal import writable
from ..callbacks.callback_list import CallbackList
from ..expressions.parameter import Parameter, set_values
from ..lowering.arrays import Assembled, as_inputs, batches, by_input, check_dims, common_rows
from ..lowering.columns import Columns, check_columns, columns_of, warn_of_missing_names
from ..training.progress import Line
from .network import Network
from .summary import parameter_count, summary_lines
from .turns import tentative

MOST_COLUMNS = 10_000  # of a summary


class Predictor(Network):
    """A network with its weights and predictions. See `Model`."""

    # Dtype and row shape of the last array that was used without a copy. Most calls pass an array like the last one.
    _accepted: tuple[np.dtype[Any], tuple[int, ...]] | None = None
    _columns: tuple[Columns | None, ...] | None = None  # by input, of the first data frames that were trained on
    _has_warned_of_columns = False

    def _unmake(self) -> None:
        super()._unmake()
        self._accepted = None

    @property
    def weights(self) -> list[Parameter]:
        """The parameters in the order of `get_weights`.

        Returns
        -------
        list of Parameter

        Raises
        ------
        ValueError
            If they do not exist yet.
        """
        self._ready()
        return list(self._weights)

    @property
    def trainable_weights(self) -> list[Parameter]:
        """Those of `weights` that training changes now: neither they nor a layer around them are frozen.

        Returns
        -------
        list of Parameter

        Raises
        ------
        ValueError
            If they do not exist yet.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Input((2,)), bp.Dense(3), bp.Dense(1)])
        >>> net.layers[0].trainable = False
        >>> [w.name for w in net.trainable_weights]
        ['dense_1/kernel', 'dense_1/bias']
        """
        trained = self._ready().lowering.trained()
        return trained if self._trainable else []

    @property
    def feature_names_in_(self) -> Any:
        """The columns of the first data frame that was trained on; later ones must have them, in this order.

        None may be set, which forgets them; the weights stay as they are.

        Returns
        -------
        list
            None if there was no frame; of several inputs a dict by their names.

        Raises
        ------
        ValueError
            If it is set to anything but None.

        Notes
        -----
        Other columns, or another order, are a ValueError, in training, evaluation and prediction. Data without names
        are taken as they come, with one UserWarning. Columns that are numbered 0, 1, … are no names.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Dense(1)])
        >>> net.compile(loss="mse", backend="reference")
        >>> print(net.feature_names_in_)
        None
        """
        columns = [None if names is None else list(names) for names in self._columns or [None] * len(self.inputs)]
        if len(columns) == 1 or not any(columns):
            return columns[0] if columns else None
        return dict(zip((i.name for i in self.inputs), columns))

    @feature_names_in_.setter
    def feature_names_in_(self, names: None) -> None:
        if names is not None:
            raise ValueError(f"feature_names_in_ can only be set to None, which forgets the names, got {names!r}")
        self._columns, self._has_warned_of_columns = None, False

    def get_weights(self) -> list[np.ndarray]:
        """Copies of the weights.

        Returns
        -------
        list of array
            [W1, b1, W2, b2, …], W of shape (fan_in, fan_out), in the model's dtype.

        Raises
        ------
        ValueError
            If they do not exist yet.

        Examples
        --------
        >>> import fastbp as bp
        >>> [w.shape for w in bp.Sequential([bp.Input((2,)), bp.Dense(3)]).get_weights()]
        [(2, 3), (3,)]
        """
        store = self._ready().store
        return [store.value(weight) for weight in self._weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights, or none if one does not fit.

        Parameters
        ----------
        weights : list of array
            In the order and shapes of `get_weights`.

        Raises
        ------
        ValueError
            For another number of arrays, or another shape.
        TypeError
            For what is no list, or holds no real numbers.

        Examples
        --------
        >>> import fastbp as bp
        >>> net = bp.Sequential([bp.Input((1,)), bp.Dense(1)])
        >>> net.set_weights([[[2.0]], [1.0]])
        >>> net.predict([[3.0]])
        array([[7.]], dtype=float32)
        """
        own = self.weights
        try:
            given = list(weights)
        except TypeError:
            raise TypeError(f"weights must be a list of {len(own)} arrays, got {weights!r}") from None
        if len(given) != len(own):
            raise ValueError(f"weights must be {len(own)} arrays, got {len(given)}")
        values = []
        for index, (weight, array) in enumerate(zip(own, given)):
            what = f"weights[{index}] ({weight.name})"
            value = real_array(what, array)
            if value.shape != weight.shape:
                raise ValueError(f"{what} must have the shape {weight.shape}, got {value.shape}")
            values.append(value)
        set_values(list(zip(own, values)))

    def count_params(self) -> int:
        """The number of weights' elements.

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If the weights do not exist yet.

        Examples
        --------
        >>> import fastbp as bp
        >>> bp.Sequential([bp.Input((784,)), bp.Dense(10)]).count_params()
        7850
        """
        return parameter_count(self.weights)

    def get_layer(self, name: str) -> Any:
        """The layer of that name.

        Parameters
        ----------
        name : str

        Returns
        -------
        Layer, or Model where a model is a layer

        Raises
        ------
        ValueError
            For another name; it says the nearest.

        Examples
        --------
        >>> import fastbp as bp
        >>> bp.Sequential([bp.Dense(3), bp.Dense(2)]).get_layer("dense_1").units
        2
        """
        return look_up("name", name, {own: layer for layer, own in self._names().items()})

    def _names(self) -> dict[Any, str]:
        return {layer: self._scope.name(layer) for layer in self.layers}

    @known_keywords
    def summary(self, line_length: int = 80, print_fn: Callable[[str], Any] | None = None) -> None:
        """Prints each layer's name, output shape, parameters and bytes.

        Parameters
        ----------
        line_length : int
            Default 80, at least 64.
        print_fn : callable, optional
            Called with each line in place of `print`, which shows lines as "-" where stdout's encoding has none.

        Raises
        ------
        TypeError
            If `line_length` is no whole number, or `print_fn` no function.
        ValueError
            If `line_length` is negative or above 10,000.

        Examples
        --------
        >>> import fastbp as bp
        >>> bp.Sequential([bp.Input((2,)), bp.Dense(3)]).summary(line_length=64)
        sequential, float32
        ────────────────────────────────────────────────────────────────
        Layer           Output shape            Parameters         Bytes
        ────────────────────────────────────────────────────────────────
        dense (Dense)   (rows, 3)                        9          36 B
        ────────────────────────────────────────────────────────────────
        Parameters: 9 (36 B), trainable 9, others 0
        """
        if not (print_fn is None or callable(print_fn)):
            raise TypeError(f"print_fn must be a function of a line, got {print_fn!r}")
        line_length = max(64, at_least("line_length", line_length, 0, MOST_COLUMNS))
        calls, trained = None, set[Parameter]()
        if None not in self._shapes:
            calls, trained = self._ready().lowering.calls, set(self.trainable_weights)
        lines = summary_lines(self.name, self._names(), calls, trained, self.dtype, line_length)
        for line in lines:
            if print_fn is None:
                print(writable(line, sys.stdout))
            else:
                print_fn(line)

    @known_keywords
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = 0,
        callbacks: Any = None,
        dropout: bool = False,
        samples: int = 1,
    ) -> Any:
        """The outputs for x, by the whole network: dropout off; works without `compile`.

        Parameters
        ----------
        x : array, or a list, tuple or dict of arrays for several inputs
            0 rows give 0 rows.
        batch_size : int, optional
            Rows at a time; it changes no bit. Default 1024.
        verbose : 0, 1, 2 or "auto"
            0 prints nothing, all others one line at the end: rows, seconds and rows/s. Default 0.
        callbacks : list of Callback
            Their ``on_predict_…`` hooks are called; with `dropout`, those of beginning and end alone.
        dropout : bool
            Whether dropout drops, as while training: Monte-Carlo predictions. Every sample drops anew, and sample s
            drops the same in every call. Default False.
        samples : int
            How many such predictions. Default 1.

        Returns
        -------
        array of shape (rows, …), with `dropout` (samples, rows, …), or a list or dict of them for several outputs

        Raises
        ------
        ValueError
            If x does not fit, or an output has no rows, such as a mean over them: `function` computes that.

        Notes
        -----
        Y. Gal and Z. Ghahramani, Dropout as a Bayesian Approximation, 2016: the samples' mean and spread.

        Examples
        --------
        >>> import numpy as np
        >>> import fastbp as bp
        >>> bp.Sequential([bp.Dense(3)]).predict(np.ones((5, 2))).shape
        (5, 3)
        >>> bp.Sequential([bp.Dropout(0.5), bp.Dense(3)]).predict(np.ones((5, 2)), dropout=True, samples=100).shape
        (100, 5, 3)
        """
        plain = dropout is False and type(samples) is int and samples == 1
        if plain and batch_size is None and callbacks is None and verbose == 0 and self._accepts(x):
            function = self._built_for([x.shape[1:]]).function_of_rows
            # pybind11 interns a string for each keyword that is passed: expensive next to one row.
            results = function([x]) if len(x) <= 1024 else function([x], batch_size=1024)
            return results[0] if self._single else self._packed(results)
        return self._predict(x, batch_size, verbose, callbacks, dropout, samples)

    @tentative
    def _predict(
        self, x: Any, batch_size: int | None, verbose: Any, callbacks: Any, dropout: bool, samples: int
    ) -> Any:
        dropout = truth("dropout", dropout)
        if at_least("samples", samples, 1) > 1 and not dropout:
            raise ValueError(f"samples differ by dropout: with samples={samples} pass dropout=True")
        size = 1024 if batch_size is None else at_least("batch_size", batch_size, 1)
        arrays, _, rows = self._inputs(x)
        size = min(size, max(rows, 1))
        line = Line("predict", verbose, rows)
        prediction = self._built_for([a.shape[1:] for a in arrays])
        function = prediction.function_of_rows
        hooks = CallbackList(callbacks, self, {"steps": -(-rows // size), "verbose": verbose})
        hooks.call("on_predict_begin", {})
        if dropout:
            results = prediction.sample(arrays, size, samples)
        elif hooks.overrides("on_predict_batch_begin", "on_predict_batch_end") and rows:
            whole = Assembled((rows,), 1)
            for number, part in batches(rows, size):
                hooks.call("on_predict_batch_begin", number, {})
                whole.put(part, function([array[part] for array in arrays]))
                hooks.call("on_predict_batch_end", number, {})
            results = whole.arrays
        else:
            results = function(arrays, batch_size=size)
        hooks.call("on_predict_end", {})
        line.end()
        return self._packed(results)

    def _accepts(self, x: Any) -> bool:
        """Whether x has the dtype and row shape of the last array that was used without a copy: it needs no check."""
        return type(x) is np.ndarray and x.ndim > 0 and self._accepted == (x.dtype, x.shape[1:])

    def _inputs(self, x: Any, argument: str = "x") -> tuple[list[np.ndarray], list[str], int]:
        """The inputs' arrays, their names in messages, and their number of rows."""
        if self._accepts(x):
            return [x], [argument], len(x)
        arrays = as_inputs(x, self.inputs, argument, self.dtype)
        if self._columns is not None:
            self._check_columns(x, argument, self._columns)
        names = [argument] if len(self.inputs) == 1 else [i.name for i in self.inputs]
        what = "this network" if self.built else f"the input {self.inputs[0].name!r}"
        for array, name, shape in zip(arrays, names, self._shapes):
            check_dims(array, name, shape, what)
        rows = common_rows(arrays, names)
        if self.built and len(arrays) == 1 and arrays[0] is x:
            self._accepted = x.dtype, x.shape[1:]
        return arrays, names, rows

    def _columns_of(self, x: Any) -> tuple[Columns | None, ...]:
        return tuple(columns_of(value) for value, _ in by_input(x, self.inputs, "x"))

    def _check_columns(self, x: Any, argument: str, known: Sequence[Columns | None]) -> None:
        """Raises a ValueError for data frames with other columns than the known ones, by input; see `check_columns`."""
        hint = "; feature_names_in_ = None forgets them"
        for (value, name), names in zip(by_input(x, self.inputs, argument), known):
            if (
                not check_columns(columns_of(value), names, name, "this model", hint)
                and not self._has_warned_of_columns
            ):
                self._has_warned_of_columns = True
                warn_of_missing_names(name, "this model")

    def _keep_columns(self, x: Any) -> None:
        """Keeps the columns of the data frames that will be trained on now, where none are known."""
        if type(x) is np.ndarray:
            return
        columns = self._columns_of(x)
        if self._columns is not None:
            columns = tuple(new if old is None else old for old, new in zip(self._columns, columns))
        if any(names is not None for names in columns) and columns != self._columns:
            self._accepted = None  # arrays are looked at again: they lack names now
            self._columns = columns
