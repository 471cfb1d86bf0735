"""`Metric`: the base of metrics of whole data, computed on NumPy arrays."""

from __future__ import annotations

import re
from typing import Any

from .._shared.arguments import known_keywords, text_or_none
from .._shared.known_attributes import KnownAttributes
from .rows import Rows


class Metric(KnownAttributes):
    """Base of metrics that are computed once, from all rows, on NumPy arrays: a number of (y_true, y_pred).

    Parameters
    ----------
    name : str, optional
        Of the figure. Default None: the class' name in snake case, as "f1_score" of `F1Score`.

    Attributes
    ----------
    name : str
    direction : {"max", "min"}
        Which figures are better, the larger or the smaller. Default "max".

    Notes
    -----
    A metric is called with ``(y_true, y_pred, sample_weight=None)`` and returns a float. Targets of classes are labels
    of shape (rows,) or (rows, 1), or zeros and ones of shape (rows, k); labels and one-hot rows give the same figure.
    Weights are finite and at least 0, of shape (rows,) or (rows, 1). A row of weight 0 does not count, whatever it
    holds; whole weights give the figure of rows repeated so many times. Bad arrays are a ValueError that names the
    argument and the row. Sums are made in float64, on one thread, in an order that the data alone decide; counts are
    whole numbers.

    A metric of one's own derives from this class and has a ``__call__``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastbp as bp
    >>> class LargestError(bp.metrics.Metric):
    ...     direction = "min"
    ...
    ...     def __call__(self, y_true, y_pred, sample_weight=None):
    ...         return float(np.max(np.abs(np.subtract(y_true, y_pred))))
    >>> metric = LargestError()
    >>> metric.name, metric([1.0, 2.0], [1.5, 2.0])
    ('largest_error', 0.5)
    """

    name: str
    direction: str = "max"

    @known_keywords
    def __init__(self, name: str | None = None) -> None:
        given = text_or_none("name", name)
        self.name = snake_case(type(self).__name__) if given is None else given

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """The metric of all rows.

        Parameters
        ----------
        y_true : array_like
            The targets, of at least one row.
        y_pred : array_like
            The outputs, of as many rows.
        sample_weight : array_like of shape (rows,) or (rows, 1), optional
            Default None: every row counts once.

        Returns
        -------
        float

        Raises
        ------
        TypeError
            If an argument is no array of real numbers.
        ValueError
            If shapes do not fit, there are no rows, or an array holds what it must not.
        """
        return float(self._of(Rows(y_true, y_pred, sample_weight)))

    def _of(self, rows: Rows) -> float:
        raise NotImplementedError(f"{type(self).__name__} must have a method __call__(y_true, y_pred, sample_weight)")


def snake_case(name: str) -> str:
    """TopKCategoricalAccuracy -> top_k_categorical_accuracy.

    >>> snake_case("AUC"), snake_case("F1Score"), snake_case("TopKCategoricalAccuracy")
    ('auc', 'f1_score', 'top_k_categorical_accuracy')
    """
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
