"""Two heads with losses and metrics of their own; fourteen labels at once; a regression of three targets.

1. A network of flats predicts the price, a number, and the kind, one of three, from one trunk. Half of the kinds are
   not known: their weight is 0.
2. Fourteen questions to each row, answered by fourteen sigmoids.
3. Three numbers of each row.
"""

from __future__ import annotations

import fastbp as bp
import numpy as np


def two_heads() -> dict[str, float]:
    random = np.random.default_rng(0)
    x = random.normal(size=(4_000, 12)).astype(np.float32)
    price = (2 * x[:, 0] + np.sin(3 * x[:, 1]) + 0.1 * random.normal(size=4_000)).astype(np.float32)
    kind = np.argmax([x[:, 2] + x[:, 3], x[:, 4] * x[:, 5], 1 - np.abs(x[:, 6])], axis=0)
    is_known = random.random(4_000) < 0.5
    told = np.where(is_known, kind, -1)  # -1 is no kind: rows of weight 0 may hold anything

    flat = bp.input("flat", (12,))
    trunk = bp.Dense(64, activation="relu")(bp.Dense(64, activation="relu")(flat))
    net = bp.Model(flat, {"price": bp.Dense(1)(trunk), "kind": bp.Dense(3, activation="softmax")(trunk)}, seed=1)
    net.compile(
        bp.Adam(0.003),
        {"price": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"price": 0.5},
        metrics={"price": ["R2Score"]},
        weighted_metrics={"kind": ["accuracy", "AUC"]},
    )
    train = slice(0, 3_000)
    run = net.fit(
        x[train], {"price": price[train], "kind": told[train]}, batch_size=32, epochs=25, verbose=0,
        sample_weight={"kind": is_known[train].astype(float)},
        callbacks=[bp.EarlyStopping("loss", patience=5)],
    )  # fmt: skip
    assert {"loss", "price_loss", "kind_loss", "price_r2_score", "kind_accuracy", "kind_auc"} <= set(run.history)
    figures: dict[str, float] = net.evaluate(x[3_000:], [price[3_000:], kind[3_000:]], return_dict=True)
    predicted = net.predict(x[3_000:])
    assert predicted["price"].shape == (1_000, 1)
    assert predicted["kind"].shape == (1_000, 3)
    return figures


def fourteen_labels() -> dict[str, float]:
    random = np.random.default_rng(1)
    x = random.normal(size=(3_000, 20)).astype(np.float32)
    labels = (x @ random.normal(size=(20, 14)) + 0.5 * random.normal(size=(3_000, 14)) > 1).astype(np.float32)
    net = bp.Sequential([bp.Dense(64, activation="relu"), bp.Dense(14, activation="sigmoid")], seed=1)
    net.compile(
        bp.Adam(0.005),
        "binary_crossentropy",
        metrics=[
            "accuracy",
            bp.metrics.AUC(multi_label=True),
            "Precision",
            "Recall",
            bp.metrics.F1Score(threshold=0.5),
        ],
    )
    net.fit(x[:2_000], labels[:2_000], epochs=20, verbose=0)
    figures: dict[str, float] = net.evaluate(x[2_000:], labels[2_000:], return_dict=True)
    return figures


def three_targets() -> dict[str, float]:
    random = np.random.default_rng(2)
    x = random.normal(size=(3_000, 10)).astype(np.float32)
    y = np.stack([x[:, 0] * x[:, 1], np.tanh(x[:, 2]) + x[:, 3], np.abs(x[:, 4])], axis=1)
    net = bp.Sequential([bp.Dense(64, activation="tanh"), bp.Dense(64, activation="tanh"), bp.Dense(3)], seed=1)
    net.compile(bp.Adam(0.003), "mse", metrics=["mae", "R2Score", "RootMeanSquaredError"])
    net.fit(x[:2_000], y[:2_000], epochs=40, verbose=0)
    figures: dict[str, float] = net.evaluate(x[2_000:], y[2_000:], return_dict=True)
    return figures


if __name__ == "__main__":
    heads, questions, numbers = two_heads(), fourteen_labels(), three_targets()
    for title, figures in (("two heads", heads), ("fourteen labels", questions), ("three targets", numbers)):
        print(title, {name: round(value, 3) for name, value in figures.items()})
    assert heads["price_r2_score"] > 0.9
    assert heads["kind_accuracy"] > 0.8
    assert heads["kind_auc"] > 0.93
    assert questions["auc"] > 0.95
    assert questions["f1_score"] > 0.8
    assert numbers["r2_score"] > 0.85
    assert abs(numbers["root_mean_squared_error"] - numbers["loss"] ** 0.5) < 1e-5
