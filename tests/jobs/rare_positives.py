"""Finds the two of a hundred: weights of classes and rows, average precision each epoch, a threshold from validation.

Synthetic readings of machines, 2 % of which will fail. The rows that matter are rare, so accuracy says nothing: always
"no" is right in 98 %. Average precision and the area under the ROC curve are followed each epoch, training stops by
average precision, and the threshold is chosen on validation rows. A reading that is NaN has the weight 0.
"""

from __future__ import annotations

import fastbp as bp
import numpy as np


def readings(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, whether the machine failed, and how far the row is to be trusted: 0 where a reading is missing."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 8)).astype(np.float32)
    risk = 1.6 * x[:, 0] + 1.2 * x[:, 1] * x[:, 2] - 1.0 * np.abs(x[:, 3]) + 0.5 * random.normal(size=rows)
    failed = (risk > np.quantile(risk, 0.98)).astype(int)
    trust = random.uniform(0.5, 1.0, rows)
    missing = random.random(rows) < 0.01
    x[missing, 5], trust[missing] = np.nan, 0.0
    return x, failed, trust


def network() -> bp.Sequential:
    return bp.Sequential(
        [
            bp.Input((8,)),
            bp.Dense(32, activation="relu"),
            bp.Dense(16, activation="relu"),
            bp.Dense(1, activation="sigmoid"),
        ],
        seed=1,
    )


def main() -> dict[str, float]:
    x, failed, trust = readings(20_000, seed=0)
    x_val, failed_val, trust_val = readings(6_000, seed=1)
    x_test, failed_test, trust_test = readings(6_000, seed=2)

    net = network()
    net.compile(
        bp.Adam(0.005),
        "binary_crossentropy",
        weighted_metrics=["average_precision", "AUC"],
        loss_reduction="mean_with_sample_weight",
    )
    run = net.fit(
        x, failed, batch_size=128, epochs=60, verbose=0, sample_weight=trust, class_weight={0: 1.0, 1: 10.0},
        validation_data=(x_val, failed_val, trust_val),
        callbacks=[bp.EarlyStopping("val_average_precision", patience=8, restore_best_weights=True)],
    )  # fmt: skip
    assert "val_auc" in run.history
    assert len(run.epoch) < 60, "early stopping has not stopped"

    seen = trust_val > 0
    threshold = bp.metrics.best_threshold(failed_val[seen], net.predict(x_val[seen]), "f1")
    seen = trust_test > 0
    scores, truth = net.predict(x_test[seen]), failed_test[seen]
    at_half, at_best = (bp.metrics.F1Score(threshold=t)(truth, scores) for t in (0.5, threshold))
    found = {
        "average precision": bp.metrics.AveragePrecision()(truth, scores),
        "area under the ROC curve": bp.metrics.AUC()(truth, scores),
        "threshold": threshold,
        "F1 at 0.5": at_half,
        "F1 at the threshold": at_best,
        "recall": bp.metrics.Recall(thresholds=threshold)(truth, scores),
        "precision": bp.metrics.Precision(thresholds=threshold)(truth, scores),
    }
    print(bp.metrics.confusion_matrix(truth, (scores > threshold).astype(float)))
    return found


if __name__ == "__main__":
    figures = main()
    for name, value in figures.items():
        print(f"{name:26} {value:.3f}")
    assert figures["average precision"] > 0.7
    assert figures["area under the ROC curve"] > 0.97
    assert figures["F1 at the threshold"] > max(0.6, figures["F1 at 0.5"] - 0.02)
