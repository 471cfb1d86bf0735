"""`Rows`: the targets, predictions and weights of the rows that count, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._shared.arguments import real_array
from .._shared.memory import require_memory

MOST_COUNTED = 2**31  # whole weights up to this sum are counts: twice the pairs of two classes then fit into 64 bits
MOST_WEIGHT = 2.0**1000  # far enough from the largest float64 for products with small numbers
MOST_NUMBER = 2.0**1022  # differences of differences of smaller numbers do not overflow


class Rows:
    """What a metric computes with: arrays of all rows but those of weight 0.

    Parameters
    ----------
    y_true, y_pred : array_like
        Of as many rows, at least one.
    sample_weight : array_like of shape (rows,) or (rows, 1), optional
        Finite, at least 0, not all 0.

    Attributes
    ----------
    targets, predictions : array
        Of the rows that count, in the dtypes that came.
    weights : array of int64 or float64, or None
        None where all are 1; int64 where all are whole numbers, so that sums of them are exact.
    """

    def __init__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.targets, self.predictions = real_array("y_true", y_true), real_array("y_pred", y_pred)
        for argument, array in (("y_true", self.targets), ("y_pred", self.predictions)):
            if array.ndim == 0 or len(array) == 0:
                raise ValueError(f"{argument} must have at least one row, got the shape {array.shape}")
        if len(self.targets) != len(self.predictions):
            raise ValueError(
                f"y_true must have as many rows as y_pred, {len(self.predictions)}, got {len(self.targets)}"
            )
        require_memory(4 * 8 * (self.targets.size + self.predictions.size))  # in float64, masks, an order, sums
        self._numbers: np.ndarray | None = None  # of the rows that count, where not all do
        self.weights = None if sample_weight is None else self._weights(sample_weight)
        if self._numbers is not None:
            self.targets, self.predictions = self.targets[self._numbers], self.predictions[self._numbers]

    def __len__(self) -> int:
        return len(self.targets)

    def _weights(self, sample_weight: Any) -> np.ndarray | None:
        given, rows = real_array("sample_weight", sample_weight), len(self.targets)
        if given.shape not in ((rows,), (rows, 1)):
            raise ValueError(f"sample_weight must have the shape ({rows},) of the rows, got {given.shape}")
        weights = given.reshape(rows).astype(np.float64)
        self.refuse("sample_weight", ~(np.isfinite(weights) & (weights >= 0)), weights, "be finite and at least 0")
        counts = weights > 0
        if not counts.any():
            raise ValueError("sample_weight must be above 0 in at least one row, got 0 in all")
        if not counts.all():
            self._numbers = np.flatnonzero(counts)
            weights = weights[self._numbers]
        with np.errstate(over="ignore"):
            total = np.sum(weights)
        if total > MOST_WEIGHT:
            raise ValueError(f"sample_weight must have a sum of at most 2^1000, got {total}")
        if total < MOST_COUNTED and np.array_equal(weights, np.floor(weights)):
            return None if (weights == 1).all() else weights.astype(np.int64)
        return weights

    def refuse(self, argument: str, wrong: np.ndarray, values: np.ndarray, must: str) -> None:
        """ValueError if any of `wrong`, that names the first such value and its row."""
        if wrong.any():
            place = int(np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))[0])
            value = values[place].reshape(-1)[wrong[place].reshape(-1)][0]
            row = place if self._numbers is None else int(self._numbers[place])
            raise ValueError(f"{argument} must {must}, got {value} in row {row}")

    # --- sums

    @property
    def total(self) -> Any:
        """The sum of the weights."""
        return len(self) if self.weights is None else np.sum(self.weights)

    def counts(self, mask: np.ndarray) -> np.ndarray:
        """For each column of a mask (rows, k): the sum of the weights of the rows that it marks."""
        if self.weights is None:
            return np.count_nonzero(mask, axis=0)
        return np.sum(np.where(np.ascontiguousarray(mask.T), self.weights, 0), axis=1)

    def mean_of(self, values: np.ndarray) -> float:
        """The weighted mean of values of shape (rows,)."""
        return float(self.sum_of(values) / self.total)

    def sum_of(self, values: np.ndarray) -> Any:
        """The weighted sum of values of shape (rows,), in float64."""
        return np.sum(np.ascontiguousarray(values if self.weights is None else self.weights * values, np.float64))

    # --- predictions

    def scores(self) -> np.ndarray:
        """The predictions with shape (rows, k), in their own dtype if that is a float of 16 to 64 bits; none is NaN."""
        scores = self.predictions
        if scores.ndim not in (1, 2) or scores.size == 0:
            raise ValueError(f"y_pred must have the shape (rows,) or (rows, outputs), got {scores.shape}")
        if scores.dtype.kind != "f" or scores.dtype.itemsize > 8:
            scores = scores.astype(np.float64)
        self.refuse("y_pred", np.isnan(scores), scores, "not hold NaN")
        return scores.reshape(len(scores), -1)

    def probabilities(self) -> np.ndarray:
        """The scores, all of them within 0 … 1."""
        scores = self.scores()
        self.refuse("y_pred", (scores < 0) | (scores > 1), scores, "hold probabilities, 0 … 1")
        return scores

    # --- targets of classes

    def labels(self, outputs: int) -> np.ndarray:
        """The class of each row, for so many outputs: 0 or 1 for one."""
        classes = max(outputs, 2)
        if self._has_labels():
            return self.whole("y_true", self.targets, classes)
        if outputs == 1 or self.targets.shape != (len(self), outputs):
            raise self._wrong_shape(outputs)
        hot = self._zeros_and_ones()
        ones = np.count_nonzero(hot, axis=1)
        self.refuse("y_true", ones != 1, ones, "have a single 1 in each row")
        return np.argmax(hot, axis=1)

    def members(self, outputs: int) -> np.ndarray:
        """Whether each row is of each output's class: truth values of shape (rows, outputs)."""
        if self.targets.shape == (len(self), outputs):
            return self._zeros_and_ones()
        labels = self.labels(outputs)[:, None]
        return labels == (1 if outputs == 1 else np.arange(outputs))

    def answers(self, outputs: int) -> np.ndarray:
        """As `members`, where each output answers a question of its own: no labels."""
        if self.targets.shape != (len(self), outputs) and not (outputs == 1 and self._has_labels()):
            raise ValueError(f"y_true must have the shape (rows, {outputs}) of y_pred, got {self._shape()}")
        return self.members(outputs)

    def whole(self, argument: str, values: np.ndarray, classes: int) -> np.ndarray:
        """Values of shape (rows,) or (rows, 1) as labels of so many classes."""
        right = (values >= 0) & (values < classes)
        right &= np.floor(np.where(right, values, 0)) == np.where(right, values, 0)
        self.refuse(argument, ~right, values, f"hold whole labels 0 … {classes - 1}")
        return values.reshape(len(values)).astype(np.intp)

    def _has_labels(self) -> bool:
        return self.targets.shape in ((len(self),), (len(self), 1))

    def _zeros_and_ones(self) -> np.ndarray:
        self.refuse("y_true", (self.targets != 0) & (self.targets != 1), self.targets, "hold zeros and ones")
        return self.targets.astype(bool)

    def _shape(self) -> str:
        return f"({', '.join(['rows', *map(str, self.targets.shape[1:])])}{',' * (self.targets.ndim == 1)})"

    def _wrong_shape(self, outputs: int) -> ValueError:
        one_hot = "" if outputs == 1 else f", or (rows, {outputs}) with zeros and ones,"
        return ValueError(
            f"y_true must have the shape (rows,) or (rows, 1) with labels{one_hot} for the {outputs} "
            f"output{'s' * (outputs > 1)} of y_pred, got {self._shape()}"
        )

    # --- targets that are numbers

    def numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Targets and predictions as float64 of shape (rows, outputs), whose differences are finite."""
        rows = len(self)
        shapes = [a.shape if a.ndim > 1 else (rows, 1) for a in (self.targets, self.predictions)]
        if shapes[0] != shapes[1] or self.predictions.size == 0:
            raise ValueError(
                f"y_true must have the shape of y_pred, {self.predictions.shape}, got {self.targets.shape}"
            )
        y, a = (array.reshape(rows, -1).astype(np.float64) for array in (self.targets, self.predictions))
        for argument, array in (("y_true", y), ("y_pred", a)):
            self.refuse(argument, ~(np.abs(array) < MOST_NUMBER), array, "hold finite numbers below 2^1022")
        return y, a


def predicted_classes(scores: np.ndarray) -> np.ndarray:
    """The class that each row of scores (rows, k) predicts: the first largest; of one output, whether it is > 0.5."""
    return (scores[:, 0] > 0.5).astype(np.intp) if scores.shape[1] == 1 else np.argmax(scores, axis=1)
