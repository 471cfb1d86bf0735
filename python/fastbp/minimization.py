"""`minimize`: gradient descent on any scalar expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._shared.arguments import at_least, known_keywords, truth
from .errors import NonFiniteError
from .expressions.expression import Expression, Input
from .expressions.parameter import Parameter
from .expressions.reductions import mean
from .expressions.shape_rules import shape_text
from .lowering.arrays import as_inputs, checked_inputs, common_rows
from .lowering.backends import turns
from .lowering.function import scalar_node
from .lowering.lowering import Lowering, expressions_below
from .lowering.parameter_store import ParameterStore
from .optimizers import get_optimizer
from .training.optimizer_state import AveragedValues
from .training.row_weights import mask, rows_that_count, total, weights_of_all
from .training.session import TrainingSession
from .training.trained_graph import TrainedGraph


@dataclass
class Minimization:
    """What `minimize` returns.

    Attributes
    ----------
    history : dict of str to list of float
        "cost": each epoch's mean step cost, weighted by the steps' rows. With ``evaluate_every=n`` also "full_cost":
        the cost of all rows after epochs n, 2n, …; with `use_ema` by the averages, as they are the result.
    parameters : list of Parameter
        What was minimised over; their ``value`` is the result.

    Examples
    --------
    >>> import fastbp as bp
    >>> w = bp.parameter(5.0, name="w")
    >>> run = bp.minimize((w - 3) ** 2, optimizer=bp.SGD(0.25), epochs=3, evaluate_every=2, backend="reference")
    >>> run.history, run.parameters[0].value
    ({'cost': [4.0, 1.0, 0.25], 'full_cost': [0.25]}, np.float32(3.25))
    """

    history: dict[str, list[float]]
    parameters: list[Parameter]


@known_keywords
def minimize(
    cost: Expression,
    data: Mapping[str, Any] | None = None,
    optimizer: Any = "sgd",
    *,
    batch_size: int | None = None,
    epochs: int = 1,
    shuffle: bool = True,
    seed: int = 0,
    dtype: Any = "float32",
    evaluate_every: int | None = None,
    backend: str = "core",
) -> Minimization:
    """Descends the gradient of `cost`, step by step, and updates the parameters in place.

    Parameters
    ----------
    cost : expression
        A scalar. A step descends the cost of its batch's rows and nothing is divided silently: a sum grows with the
        batch, a mean divides by the rows present.
    data : dict of str to array
        One array per input, by name, all with the same number of rows. A cost without inputs needs none. Where every
        loss in `cost` has an input as its `sample_weight`, what a row of weight 0 holds changes nothing, NaN included,
        and a batch whose weights are all 0 makes no update.
    optimizer : Optimizer or str
        Default "sgd": ``SGD(0.01)``.
    batch_size : int, optional
        Rows per step; default: all.
    epochs : int
        Passes over the data. Default 1.
    shuffle : bool
        Whether each epoch takes the rows in a new order. Default True.
    seed : int
        Of shuffling, dropout and initial weights. Default 0.
    dtype : {"float32", "float64"}
        Of the parameters and the arithmetic. Default "float32".
    evaluate_every : int, optional
        Also compute the cost of all rows after every so many epochs.
    backend : {"core", "reference"}
        Both give the same bits. Default "core".

    Returns
    -------
    Minimization
        With ``history`` and ``parameters``.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the cost is no scalar or has no trainable parameters, or the data do not fit.
    NonFiniteError
        When a step is not finite; the parameters are those of the last good step.
    KeyboardInterrupt
        By Ctrl-C; the parameters are those of the last whole step.

    Notes
    -----
    The updates are rule 10 of the numeric contract, the order of the rows is rule 9: it depends on the seed and the
    epoch alone.

    Examples
    --------
    >>> import fastbp as bp
    >>> x, y = bp.input("x"), bp.input("y")
    >>> w = bp.parameter(0.0, name="w")
    >>> cost = bp.mean((x * w - y) ** 2)
    >>> run = bp.minimize(cost, {"x": [1.0, 2.0], "y": [2.0, 4.0]}, bp.SGD(0.1), epochs=3, backend="reference")
    >>> w.value, run.history["cost"]
    (np.float32(1.75), [10.0, 2.5, 0.625])
    """
    if not isinstance(cost, Expression):
        raise TypeError(f"cost must be an expression, got {type(cost).__name__}")
    inputs = checked_inputs([e for e in expressions_below([cost]) if isinstance(e, Input)])
    session = TrainingSession(get_optimizer(optimizer))
    epochs, seed = at_least("epochs", epochs, 0, 2**32 - 1), at_least("seed", seed, 0, 2**64 - 1)
    shuffle = truth("shuffle", shuffle)
    store = ParameterStore(backend, dtype, seed)
    if data is None and inputs:
        names = ", ".join(repr(i.name) for i in inputs)
        raise TypeError(f"data must be given for the input{'s' * (len(inputs) > 1)} {names}, got None")
    arrays = as_inputs({} if data is None else data, inputs, "data", store.dtype)
    rows = common_rows(arrays, [i.name for i in inputs])
    if inputs and not rows:
        raise ValueError("data must have at least 1 row, got 0")
    if not inputs:  # a cost of parameters alone: one row, which nothing reads
        arrays, rows = [np.zeros(1, np.float32)], 1
    batch_size = rows if batch_size is None else min(at_least("batch_size", batch_size, 1), rows)
    every = epochs if evaluate_every is None else at_least("evaluate_every", evaluate_every, 1)
    lowering = Lowering(store, inputs or [Input("none", ())], [a.shape[1:] for a in arrays])
    try:
        weights = weights_of_all(cost)
        counted = None
        if weights:
            counted = rows_that_count([array for own, array in zip(inputs, arrays) if own in set(weights)])
        node = _lowered(cost, lowering, inputs, arrays, weights, counted)
        total_weight = [lowering.node(mean(total(weights)))] if weights else []
        trained = lowering.trained()
        if not trained:
            raise ValueError("cost depends on no trainable parameter: make one with bp.parameter(value)")
        graph = TrainedGraph(store, lowering, node, trained, total_weight, total_weight=1 if weights else None)
        session.begin(graph)
        run = Minimization({"cost": []}, trained)
        averaged = AveragedValues(store) if session.averages_weights else None
        evaluate: Any = None
        if evaluate_every is not None:
            run.history["full_cost"] = []
            values = store.values if averaged is None else averaged.values
            evaluate = store.backend.Function(lowering.graph, [node], values)

        def descend() -> None:
            done = 0
            while done < epochs:
                count = min(every, epochs - done)
                figures = session.fit(arrays, batch_size=batch_size, epochs=count, shuffle=shuffle)
                run.history["cost"] += figures[:, 0].tolist()
                done += count
                if done == epochs:
                    session.finish()  # before the last evaluation, so that it sees the last update
                if evaluate is not None and count == every:
                    if averaged is not None:
                        averaged.refresh(session.averages)
                    run.history["full_cost"].append(float(evaluate(arrays)[0]))
            session.leave_averages()

        turns().take_turn(store.turn, "minimize", descend)
    except Exception as error:
        if session.steps == 0 and not isinstance(error, NonFiniteError):
            lowering.undo()
        raise
    return run


def _lowered(
    cost: Expression,
    lowering: Lowering,
    inputs: list[Input],
    arrays: list[np.ndarray],
    weights: list[Input],
    counted: np.ndarray | None,
) -> int:
    """The cost's node for data of these shapes; checks labels and other targets of the rows that count."""
    for expression, array in zip(inputs, arrays):
        if expression.shape is not None and expression.shape != array.shape[1:]:
            raise ValueError(
                f"{expression.name} must have the shape {shape_text(True, expression.shape)}, "
                f"got {shape_text(True, array.shape[1:])}"
            )
    if counted is not None and not counted.all():
        mask(lowering, [own for own in inputs if own not in set(weights)], weights)
    node = scalar_node(lowering, cost, "cost")
    lowering.raise_objections()
    lowering.check(arrays, counted=None if counted is None else dict.fromkeys(range(len(arrays)), counted))
    return node
