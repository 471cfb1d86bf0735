"""Reads what users give a training beside x: targets, weights of rows, weights of classes, for each output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._shared.arguments import real
from .._shared.memory import require_memory
from .._shared.nearest import nearest
from ..lowering.arrays import as_array
from ..training.goal import Goal
from ..training.splits import classes_of


def by_output(value: Any, names: Sequence[str], argument: str) -> list[Any]:
    """What is given for each output, from a dict by name or a list in order; None where nothing is."""
    if isinstance(value, Mapping):
        for name in value:
            if name not in names:
                close = nearest(str(name), names)
                raise ValueError(
                    f"{argument} has something for {name!r}, but the outputs are {', '.join(map(repr, names))}"
                    + (f": did you mean {close!r}?" if close else "")
                )
        return [value.get(name) for name in names]
    if not isinstance(value, (list, tuple)) or len(value) != len(names):
        got = f"{len(value)} of them" if isinstance(value, (list, tuple)) else type(value).__name__
        raise ValueError(
            f"{argument} must be a list of {len(names)}, one for each output, or a dict by their names "
            f"({', '.join(names)}), got {got}"
        )
    return list(value)


def read_targets(y: Any, goal: Goal, argument: str, dtype: str, single: bool) -> list[np.ndarray | None]:
    """The targets of each output; None where none are needed. `single`: the output was not given in a list."""
    names = [output.name for output in goal.outputs]
    in_list = not single and isinstance(y, (list, tuple)) and len(y) == 1 and np.ndim(y[0]) > 0
    if len(names) == 1 and not isinstance(y, Mapping) and not in_list:
        given = [y]
    else:
        given = [None] * len(names) if y is None else by_output(y, names, argument)
    targets: list[np.ndarray | None] = []
    for name, value, measured in zip(names, given, goal.measured):
        if measured and value is None:
            what = argument if len(names) == 1 else f"{argument}[{name!r}]"
            raise ValueError(f"{what} must be given: the targets")
        targets.append(as_array(value, name_of(argument, name, names), dtype) if measured else None)
    return targets


def name_of(argument: str, name: str, names: Sequence[str]) -> str:
    """The argument of one output, in messages."""
    return argument if len(names) == 1 else f"{argument}[{name!r}]"


def read_weights(
    sample_weight: Any, class_weight: Any, targets: Sequence[np.ndarray | None], goal: Goal, argument: str, dtype: str
) -> tuple[list[np.ndarray], list[int | None]]:
    """The arrays of weights, and for each output the place of its own among them; None where rows have none."""
    names = [output.name for output in goal.outputs]
    of_rows = _sample_weights(sample_weight, names, argument, dtype)
    of_classes = _class_weights(class_weight, names)
    arrays: list[np.ndarray] = []
    places: list[int | None] = []
    known: dict[int, int] = {}
    for name, target, weight, by_label in zip(names, targets, of_rows, of_classes):
        if target is None or (weight is None and by_label is None):
            places.append(None)
            continue
        if by_label is not None:
            of_class = weights_of_classes(target, by_label, name_of("class_weight", name, names))
            if weight is not None:
                if len(weight) != len(target):
                    raise ValueError(f"{argument} must have one number per row, {len(target)}, got {len(weight)}")
                of_class = of_class * weight.astype(np.float64)
            weight = of_class.astype(dtype)
        assert weight is not None
        if id(weight) not in known:
            known[id(weight)] = len(arrays)
            arrays.append(weight)
        places.append(known[id(weight)])
    return arrays, places


def _sample_weights(value: Any, names: Sequence[str], argument: str, dtype: str) -> list[np.ndarray | None]:
    if value is None:
        return [None] * len(names)
    if isinstance(value, Mapping) or (len(names) > 1 and _is_by_output(value, len(names))):
        given = by_output(value, names, argument)
        return [
            None if v is None else _weights_of_rows(v, name_of(argument, name, names), dtype)
            for name, v in zip(names, given)
        ]
    return [_weights_of_rows(value, argument, dtype)] * len(names)


def _is_by_output(value: Any, outputs: int) -> bool:
    return (
        isinstance(value, (list, tuple)) and len(value) == outputs and all(v is None or np.ndim(v) > 0 for v in value)
    )


def _weights_of_rows(value: Any, argument: str, dtype: str) -> np.ndarray:
    """(rows,) numbers of the dtype, finite."""
    weights = as_array(value, argument, dtype)
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.ndim != 1:
        raise ValueError(f"{argument} must hold one number per row, of shape (rows,), got the shape {weights.shape}")
    require_memory((1 + np.dtype(dtype).itemsize) * len(weights))
    with np.errstate(over="ignore"):  # to Inf, which is refused
        rounded = weights.astype(dtype, copy=False)  # once, so that no step has to
    finite = np.isfinite(rounded)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ValueError(f"{argument} must be finite in {dtype}, got {weights[row]} in row {row}")
    return rounded


def _class_weights(value: Any, names: Sequence[str]) -> list[dict[int, float] | None]:
    if value is None:
        return [None] * len(names)
    if not isinstance(value, Mapping):
        raise TypeError(f"class_weight must be a dict of label: weight, got {value!r}")
    by_name = [v for v in value.values() if isinstance(v, Mapping) or v is None]
    if value and len(by_name) == len(value):
        given = by_output(value, names, "class_weight")
    elif len(names) == 1:
        given = [value]
    else:
        raise ValueError(f"class_weight must be a dict by output ({', '.join(names)}) of dicts, got {value!r}")
    return [None if v is None else _by_label(v, name_of("class_weight", n, names)) for n, v in zip(names, given)]


def _by_label(value: Mapping[Any, Any], argument: str) -> dict[int, float]:
    found = {}
    for label, weight in value.items():
        if isinstance(label, (bool, np.bool_)) or not isinstance(label, (int, np.integer)):
            raise TypeError(f"{argument} must be a dict of label: weight with whole numbers as labels, got {label!r}")
        found[int(label)] = real(argument, weight)
        if not np.isfinite(found[int(label)]):
            raise ValueError(f"{argument} must be finite, got {weight} for the label {label}")
    return found


def weights_of_classes(y: np.ndarray, by_label: Mapping[int, float], argument: str) -> np.ndarray:
    """The weight of each row's class, 1 for classes without one; y holds labels or one-hot rows."""
    labels, place = np.unique(classes_of(y, argument), return_inverse=True)
    return np.array([by_label.get(int(label), 1.0) for label in labels], np.float64)[place.reshape(-1)]
