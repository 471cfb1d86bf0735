"""`minimize`: gradient descent on any scalar expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .data import as_inputs, check_labels, common_rows
from .expression import Expression, Input, Parameter
from .function import checked_inputs, scalar_node
from .lowering import Lowering, expressions_below
from .optimizers import get_optimizer
from .rules import shape_text
from .store import Store


@dataclass
class Minimization:
    """What `minimize` returns.

    Attributes
    ----------
    history : dict of str to list of float
        "cost": each epoch's mean step cost, weighted by the steps' rows. With ``evaluate_every=n`` also "full_cost":
        the cost of all rows after epochs n, 2n, ….
    parameters : list of Parameter
        What was minimised over; their ``value`` is the result.
    """

    history: dict[str, list[float]]
    parameters: list[Parameter]


def minimize(
    cost: Expression,
    data: Mapping[str, Any],
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
        One array per input, by name, all with the same number of rows.
    optimizer : SGD or str
    batch_size : int, optional
        Rows per step; default: all.
    epochs : int
        Passes over the data. Default 1.
    shuffle : bool
        Whether each epoch takes the rows in a new order. Default True.
    seed : int
        Of shuffling, dropout and initial weights. Default 0.
    dtype : {"float32", "float64"}
    evaluate_every : int, optional
        Also compute the cost of all rows after every so many epochs.
    backend : {"core", "reference"}

    Returns
    -------
    Minimization
        With ``history`` and ``parameters``.

    Raises
    ------
    ValueError
        If the cost is no scalar or has no trainable parameters, or the data do not fit.
    NonFiniteError
        When a step is not finite; the parameters are those of the last good step.

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
    configuration = get_optimizer(optimizer).configuration()
    epochs, seed = at_least("epochs", epochs, 0, 2**32 - 1), at_least("seed", seed, 0, 2**64 - 1)
    store = Store(backend, dtype, seed)
    arrays = as_inputs(data, inputs, "data", store.dtype)
    rows = common_rows(arrays, [i.name for i in inputs])
    if inputs and not rows:
        raise ValueError("data must have at least 1 row, got 0")
    if not inputs:  # a cost of parameters alone: one row that nothing looks at
        arrays, rows = [np.zeros(1, np.float32)], 1
    batch_size = rows if batch_size is None else min(at_least("batch_size", batch_size, 1), rows)
    lowering, node = _lowered(cost, store, inputs, arrays)
    trained = [p for p in lowering.parameters if p.trainable]
    if not trained:
        raise ValueError("cost depends on no trainable parameter: make one with bp.parameter(value)")
    store.claim()
    trainer = store.backend.Trainer(
        lowering.graph,
        node,
        [],
        store.values,
        [lowering.nodes[p] for p in trained],
        configuration,
        [p.decay for p in trained],
        seed,
    )
    run = Minimization({"cost": []}, trained)
    every = epochs if evaluate_every is None else at_least("evaluate_every", evaluate_every, 1)
    evaluate = store.backend.Function(lowering.graph, [node], store.values) if evaluate_every is not None else None
    if evaluate is not None:
        run.history["full_cost"] = []
    done = 0
    while done < epochs:
        count = min(every, epochs - done)
        figures = trainer.fit(arrays, batch_size=batch_size, epochs=count, shuffle=bool(shuffle))
        run.history["cost"] += [float(row[0]) for row in figures]
        done += count
        if evaluate is not None and count == every:
            run.history["full_cost"].append(float(evaluate(arrays)[0]))
    return run


def _lowered(cost: Expression, store: Store, inputs: list[Input], arrays: list[np.ndarray]) -> tuple[Lowering, int]:
    """The graph of the cost for data of these shapes, labels checked."""
    for expression, array in zip(inputs, arrays):
        if expression.shape is not None and expression.shape != array.shape[1:]:
            raise ValueError(
                f"{expression.name} must have the shape {shape_text(True, expression.shape)}, "
                f"got {shape_text(True, array.shape[1:])}"
            )
    slots = inputs or [Input("none", ())]
    lowering = Lowering(store, slots, [a.shape[1:] for a in arrays])
    node = scalar_node(lowering, cost, "cost")
    for slot, classes in lowering.labels.items():
        check_labels(arrays[slot], classes, slots[slot].name)
    return lowering, node


def at_least(argument: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as a whole number of at least `least`, and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{argument} must be a whole number, got {value!r}")
    if value < least:
        raise ValueError(f"{argument} must be at least {least}, got {value}")
    if most is not None and value > most:
        raise ValueError(f"{argument} must be at most {most}, got {value}")
    return int(value)
