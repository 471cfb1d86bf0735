"""How much do more images help? Accuracy against the size of the training set: a network beside an SVM.

FASTBP_DATA=FOLDER python examples/training_set_size.py    (a folder with MNIST's four files; pip install scikit-learn)
python examples/training_set_size.py --quick               (the 8×8 digits that come with fastbp)

Saves training_set_size.png in the current folder (pip install matplotlib).
"""

import os
import sys
from time import perf_counter

import fastbp as bp
import numpy as np
from fastbp.datasets import load_digits, load_mnist, stratified_split

try:
    from sklearn.svm import SVC
except ModuleNotFoundError:
    sys.exit("for the SVM: pip install scikit-learn")

QUICK = "--quick" in sys.argv
if QUICK:
    images, labels = load_digits()
    train, test = stratified_split(labels, 0.3, seed=0)
    x, y, x_test, y_test = images[train], labels[train], images[test], labels[test]
    WHITE, SIDE, WIDTH, STEPS, SIZES = 16, 8, 64, 1000, [50, 200, 1000]
elif "FASTBP_DATA" in os.environ:
    (x, y), (x_test, y_test) = load_mnist(os.environ["FASTBP_DATA"])
    WHITE, SIDE, WIDTH, STEPS, SIZES = 255, 28, 300, 8000, [100, 300, 1000, 3000, 10_000, 30_000]
else:
    sys.exit("FASTBP_DATA must name the folder of MNIST's four files (or try --quick)")
BATCH = 50


def network(x, y, augment=None):
    """Test accuracy of a network with one hidden layer, after the same number of steps for any size."""
    net = bp.Sequential(
        [bp.Rescaling(1 / WHITE), bp.Dense(WIDTH, "relu"), bp.Dropout(0.3), bp.Dense(10, "softmax")], seed=1
    )
    net.compile(bp.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(x, y, batch_size=BATCH, epochs=STEPS * BATCH // len(x), verbose=0, augment=augment)
    return net.evaluate(x_test, y_test, batch_size=500, verbose=0)[1]


def expanded_network(x, y):
    """The same; every epoch sees every image turned, shifted and scaled anew."""
    transform = bp.augment.RandomAffine(12, translate=(0.05, 0.05), scale=(0.9, 1.1), image_shape=(SIDE, SIDE))
    return network(x, y, transform)


def svm(x, y):
    """Test accuracy of a support vector machine with a Gaussian kernel."""
    return SVC(C=10).fit(x / WHITE, y).score(x_test / WHITE, y_test)


learners = {"SVM": svm, "network": network, "network, expanded data": expanded_network}
accuracies, seconds = {name: [] for name in learners}, {name: [] for name in learners}
print(f"{'images':>7}" + "".join(f"{name:>32}" for name in learners))
for size in SIZES:
    print(f"{size:>7}", end="", flush=True)
    for name, learner in learners.items():
        start = perf_counter()
        accuracies[name].append(learner(x[:size], y[:size]))
        seconds[name].append(perf_counter() - start)
        print(f"{accuracies[name][-1]:>22.2%} in {seconds[name][-1]:>5.1f} s", end="", flush=True)
    print()

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, (errors, times) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained", width_ratios=[1.5, 1])
figure.suptitle(f"More images help, and so do expanded ones ({len(x_test)} test images)", weight="bold")
for (name, values), style in zip(accuracies.items(), ("s--", "o-", "^-"), strict=True):
    label = name if name == "SVM" else name.replace("network", f"network {SIDE**2}-{WIDTH}-10")
    errors.loglog(SIZES, 100 * (1 - np.array(values)), style, label=label)
    times.loglog(SIZES, seconds[name], style, label=label)
errors.set(title="Errors", xlabel="training images", ylabel="errors on the test images (%)")
ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50) if errors.get_ylim()[0] < tick < errors.get_ylim()[1]]
errors.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
errors.minorticks_off()
times.set(title="Time to train and to test", xlabel="training images", ylabel="seconds")
for axis in (errors, times):
    axis.set_xticks(SIZES, [f"{size}" for size in SIZES])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
errors.legend()
figure.savefig("training_set_size.png", dpi=130)
print("training_set_size.png shows errors and times")
