"""Metrics: functions of expressions, whose batch means `fit` reports, and metrics of whole data, of NumPy arrays.

The accuracies and all losses are functions (y_true, y_pred) of expressions; `METRICS` has them by name. A `Metric` is
computed once, from all rows; `ARRAY_METRICS` has their classes by name, Keras' and the one of the figure. For reports
there are `confusion_matrix`, `roc_curve`, `precision_recall_curve` and `best_threshold`.

>>> import fastbp as bp
>>> y, scores = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
>>> bp.metrics.AUC()(y, scores), bp.metrics.Recall()(y, scores)
(0.75, 0.5)
"""

from .accuracies import accuracy, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy
from .auc import AUC, AveragePrecision
from .curves import best_threshold, precision_recall_curve, roc_curve
from .decisions import BalancedAccuracy, F1Score, Precision, Recall, confusion_matrix
from .goodness_of_fit import R2Score, RootMeanSquaredError
from .metric import Metric
from .named import ARRAY_METRICS as ARRAY_METRICS
from .named import METRICS as METRICS
from .named import get_metrics as get_metrics
from .probabilities import ExpectedCalibrationError, LogLoss
from .ranking import SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy

__all__ = [
    "accuracy", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
    "Metric", "AUC", "AveragePrecision", "Precision", "Recall", "F1Score", "BalancedAccuracy",
    "TopKCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "LogLoss", "ExpectedCalibrationError", "R2Score",
    "RootMeanSquaredError",
    "confusion_matrix", "roc_curve", "precision_recall_curve", "best_threshold",
]  # fmt: skip

for _public in (Metric, *ARRAY_METRICS.values()):
    _public.__module__ = __name__  # pickles name them by this path, so their files may move
