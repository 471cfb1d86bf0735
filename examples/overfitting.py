"""Overfitting on 1,000 images, and what helps: L2, dropout, more data, expanded data.

FASTBP_DATA=FOLDER python examples/overfitting.py    (a folder with MNIST's four files)
python examples/overfitting.py --quick               (100 of the 8×8 digits that come with fastbp)

Saves overfitting.png in the current folder (pip install matplotlib). After M. Nielsen, Neural Networks and Deep
Learning, 2015, chapter 3.
"""

import os
import sys

import fastbp as bp
import numpy as np
from fastbp.datasets import load_digits, load_mnist, stratified_split

QUICK = "--quick" in sys.argv
if QUICK:
    images, labels = load_digits()
    many, test = stratified_split(labels, 0.3, seed=0)
    x_many, y_many, x_test, y_test = images[many], labels[many], images[test], labels[test]
    WHITE, SIDE, FEW, EPOCHS, EVERY = 16, 8, 100, 200, 10
elif "FASTBP_DATA" in os.environ:
    (x_many, y_many), (x_test, y_test) = load_mnist(os.environ["FASTBP_DATA"])
    WHITE, SIDE, FEW, EPOCHS, EVERY = 255, 28, 1000, 400, 4
else:
    sys.exit("FASTBP_DATA must name the folder of MNIST's four files (or try --quick)")
x, y = x_many[:FEW], y_many[:FEW]
BATCH = 10


def figures(net, x, y):
    """Mean cross-entropy, without penalties, and accuracy of the whole network."""
    p = net.predict(x, batch_size=1000)
    return -np.mean(np.log(np.maximum(p[np.arange(len(y)), y], 1e-30))), np.mean(p.argmax(axis=1) == y)


def curves(x_train, y_train, dropout=0.0, l2=0.0, augment=None):
    """Figures of a network after every few epochs; the number of steps is the same for any number of images."""
    start = bp.RandomNormal(stddev=1.0)  # as in the book's chapter 1: it begins with large weights
    net = bp.Sequential(
        [
            bp.Rescaling(1 / WHITE),
            bp.Dense(100, "sigmoid", kernel_initializer=start),
            bp.Dropout(dropout),
            bp.Dense(10, "softmax", kernel_initializer=start),
        ],
        seed=1,
    )
    net.compile(bp.SGD(0.5), "sparse_categorical_crossentropy", l2=l2)
    times = max(1, len(x_train) // FEW)
    epochs, every = EPOCHS // times, max(1, EVERY // times)
    rows = []
    for epoch in range(0, epochs, every):
        net.fit(
            x_train, y_train, batch_size=BATCH, initial_epoch=epoch, epochs=epoch + every, verbose=0, augment=augment
        )
        rows.append((*figures(net, x_train[:FEW], y_train[:FEW]), *figures(net, x_test, y_test)))
    steps = every * -(-len(x_train) // BATCH) * np.arange(1, len(rows) + 1)
    return dict(zip(("steps", "cost", "accuracy", "test_cost", "test_accuracy"), (steps, *np.array(rows).T)))


transform = bp.augment.RandomAffine(
    degrees=15, translate=(0.1, 0.1), scale=(0.9, 1.1), image_shape=(SIDE, SIDE)
)  # another version of every image in every epoch
runs = {
    "nothing": curves(x, y),
    "L2": curves(x, y, l2=0.1),
    "dropout": curves(x, y, dropout=0.5),
    "expanded data": curves(x, y, augment=transform),
    "more data": curves(x_many, y_many),
}
print(f"{SIDE**2}-100-10, {BATCH} images a step, {FEW} images but for more data")
print(f"\n{'':<14}{'images':>8}{'steps':>8}{'training accuracy':>19}{'test accuracy':>15}{'test cost':>11}{'least':>8}")
for name, run in runs.items():
    count = len(x_many) if name == "more data" else FEW
    line = f"{name:<14}{count:>8}{run['steps'][-1]:>8}{run['accuracy'][-1]:>19.1%}{run['test_accuracy'][-1]:>15.1%}"
    print(f"{line}{run['test_cost'][-1]:>11.3f}{run['test_cost'].min():>8.3f}")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, axes = plt.subplots(2, 2, figsize=(13, 8.4), layout="constrained")
figure.suptitle(f"{FEW} images, {BATCH} a step: overfitting, and what helps", weight="bold")
(cost, accuracy), (tests, bars) = axes
colors = dict(zip(runs, ("tab:red", "tab:orange", "tab:green", "tab:blue", "black")))
alone = runs["nothing"]
for axis, kind in ((cost, "cost"), (accuracy, "accuracy")):
    scale = 100 if kind == "accuracy" else 1
    axis.plot(alone["steps"], scale * alone[kind], "--", color="tab:red", label=f"the {FEW} training images")
    axis.plot(alone["steps"], scale * alone[f"test_{kind}"], color="tab:red", label=f"{len(x_test)} test images")
    axis.legend(loc="upper right" if kind == "cost" else "center right")
best = alone["test_cost"].argmin()
cost.annotate(
    "here the test cost is least",
    (alone["steps"][best], alone["test_cost"][best]),
    (0.3, 0.3),
    textcoords="axes fraction",
    arrowprops={"arrowstyle": "->"},
)
cost.set(
    title="Without regularisation: the cost",
    xlabel="steps",
    ylabel="cross-entropy (nats)",
    ylim=(0, 1.4 * alone["test_cost"].max()),
)
accuracy.set(title="Without regularisation: the accuracy", xlabel="steps", ylabel="accuracy (%)")
for name, run in runs.items():
    label = f"{name}: {len(x_many)} images" if name == "more data" else name
    tests.plot(run["steps"], 100 * run["test_accuracy"], color=colors[name], label=label)
low = 100 * min(run["test_accuracy"][len(run["steps"]) // 8] for run in runs.values())
tests.set(title="What helps: accuracy on the test images", xlabel="steps", ylabel="accuracy (%)", ylim=(low - 12, 100))
tests.legend(loc="lower right", ncols=2)
places = np.arange(len(runs))
for shift, kind, alpha in ((-0.2, "accuracy", 0.45), (0.2, "test_accuracy", 1)):
    values = [100 * run[kind][-1] for run in runs.values()]
    drawn = bars.bar(places + shift, values, 0.38, color=list(colors.values()), alpha=alpha)
    bars.bar_label(drawn, fmt="%.1f", padding=2, size=9)
bars.set(title="At the end: training (pale) and test images", ylabel="accuracy (%)", ylim=(low - 6, 102))
bars.set_xticks(places, [name.replace(" ", "\n") for name in runs])
figure.savefig("overfitting.png", dpi=130)
print("\noverfitting.png shows the curves of all five")
