"""Biological data: is a tumour malignant? A small network with early stopping beside logistic regression.

python examples/breast_cancer.py [--quick]    (pip install scikit-learn)

Saves breast_cancer.png in the current folder (pip install matplotlib). The data, 30 measurements of the cell nuclei of
569 tumours, are those of W. Street, W. Wolberg and O. Mangasarian, Nuclear Feature Extraction for Breast Tumor
Diagnosis, 1993.
"""

import sys

import fastbp as bp
import numpy as np
from fastbp.datasets import stratified_split

try:
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
except ModuleNotFoundError:
    sys.exit("for the data: pip install scikit-learn")

SPLITS = 3 if "--quick" in sys.argv else 30
CLASSES = ["benign", "malignant"]
x, benign = load_breast_cancer(return_X_y=True)
y = 1 - benign


def split(seed):
    """A fifth of each class for the test; inputs of mean 0 and standard deviation 1 on the rows that are left."""
    train, test = stratified_split(y, 0.2, seed=seed)
    standard = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    return (standard[train], y[train]), (standard[test], y[test])


def network(train, seed):
    """30-16-1. A fifth of the rows it is given validate: their loss decides which epoch's weights are kept."""
    net = bp.Sequential([bp.Dense(16, "relu"), bp.Dense(1, "sigmoid")], seed=seed)
    net.compile(bp.SGD(0.05, momentum=0.9), "binary_crossentropy", ["accuracy"])
    stop = bp.EarlyStopping("val_loss", patience=20, restore_best_weights=True)
    history = net.fit(
        *train, batch_size=16, epochs=200, verbose=0, callbacks=[stop],
        validation_split=0.2, validation_seed=seed, stratify=True,
    )  # fmt: skip
    return net, history.history, stop


def logistic_regression(train):
    """One layer, λ = 1, trained to its only minimum, so that no rows must be held out to know when to stop."""
    net = bp.Sequential([bp.Dense(1, "sigmoid")], dtype="float64")
    net.compile(bp.SGD(0.5, momentum=0.9), "binary_crossentropy", l2=1)
    net.fit(*train, batch_size=len(train[0]), epochs=2000, verbose=0)
    return net


def confusion(net, test):
    """[[benign called benign, benign called malignant], [malignant called benign, malignant called malignant]]."""
    guesses = net.predict(test[0])[:, 0] > 0.5
    return np.histogram2d(test[1], guesses, bins=2)[0].astype(int)


tables = {"network 30-16-1": [], "logistic regression": []}
for seed in range(SPLITS):
    train, test = split(seed)
    net, curves, stop = network(train, seed)
    logistic = logistic_regression(train)
    for name, model in zip(tables, (net, logistic), strict=True):
        tables[name].append(confusion(model, test))
    if seed == 0:
        shown, stopped = curves, stop
        scikit = LogisticRegression(C=1, tol=1e-8).fit(*train)
        apart = float(np.abs(logistic.get_weights()[0] - scikit.coef_.T).max())
print(f"{len(x)} tumours, {y.sum()} of them malignant; {len(test[1])} in each test, {SPLITS} splits")
print(f"logistic regression: weights within {apart:.0e} of scikit-learn's, of C = 1/λ")

totals = {name: np.sum(of, axis=0) for name, of in tables.items()}
accuracies = {name: np.array([np.trace(table) / table.sum() for table in of]) for name, of in tables.items()}
for name, total in totals.items():
    mean, deviation = accuracies[name].mean(), accuracies[name].std()
    print(f"\n{name}: test accuracy {mean:.1%}, from split to split ± {deviation:.1%}")
    print(f"{'':>16}" + "".join(f"{'called ' + kind:>18}" for kind in CLASSES))
    for kind, row in zip(CLASSES, total, strict=True):
        print(f"{'is ' + kind:>16}" + "".join(f"{count:>18}" for count in row))

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, axes = plt.subplots(1, 4, figsize=(17, 4.6), layout="constrained", width_ratios=[1.5, 1, 1, 1.1])
figure.suptitle("Benign or malignant? 30 measurements of 569 tumours", weight="bold")
curve, *confused, spread = axes
epochs = np.arange(1, len(shown["loss"]) + 1)
curve.semilogy(epochs, shown["loss"], label="training rows")
curve.semilogy(epochs, shown["val_loss"], label="validation rows")
curve.axvline(stopped.best_epoch + 1, color="gray", linestyle=":", label=f"weights of epoch {stopped.best_epoch + 1}")
curve.set(title="The network stops by itself (first split)", xlabel="epoch", ylabel="cross-entropy (nats)")
curve.legend(loc="lower left")
for axis, (name, total) in zip(confused, totals.items(), strict=True):
    shares = total / total.sum(axis=1, keepdims=True)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1.3)
    for (i, j), count in np.ndenumerate(total):
        color = "white" if shares[i, j] > 0.5 else "black"
        axis.text(j, i, f"{count}\n{shares[i, j]:.1%}", ha="center", va="center", size=12, color=color)
    axis.set(title=f"{name}\n(tests of {SPLITS} splits together)", xlabel="is called", ylabel="is")
    axis.set_xticks([0, 1], CLASSES)
    axis.set_yticks([0, 1], CLASSES, rotation=90, va="center")
rng = np.random.default_rng(0)
for place, values in enumerate(accuracies.values()):
    spread.plot(place + rng.uniform(-0.12, 0.12, len(values)), 100 * values, "o", alpha=0.5, markersize=5)
    spread.plot([place - 0.25, place + 0.25], [100 * values.mean()] * 2, color="black", linewidth=2)
spread.set(title="Each split; the line is their mean", ylabel="test accuracy (%)", xlim=(-0.6, 1.6))
spread.set_xticks([0, 1], ["network", "logistic\nregression"])
figure.savefig("breast_cancer.png", dpi=130)
print("\nbreast_cancer.png shows curves, confusion tables and every split's accuracy")
