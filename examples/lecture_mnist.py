"""The lecture's network for handwritten digits: 784-30-10, sigmoid, quadratic cost, learning rate 3, batches of 10.

FASTBP_DATA=folder-with-the-four-files python examples/lecture_mnist.py
python examples/lecture_mnist.py --quick

The first needs MNIST's files (fastbp downloads nothing); the quick run takes the 8×8 digits that come with fastbp.
Saves lecture_mnist.png in the current folder (pip install matplotlib). After M. Nielsen, Neural Networks and Deep
Learning, 2015, chapter 1, where such a network reaches about 95 % in 30 epochs.
"""

import os
import sys
from time import perf_counter

import fastbp as bp
import numpy as np
from fastbp.datasets import load_digits, load_mnist, stratified_split

EPOCHS = 30
if "--quick" in sys.argv:
    images, digits = load_digits()
    train, test = stratified_split(digits, 0.2, seed=1)
    (x_train, y_train), (x_test, y_test), ink = (images[train], digits[train]), (images[test], digits[test]), 16
elif "FASTBP_DATA" in os.environ:
    (x_train, y_train), (x_test, y_test), ink = *load_mnist(os.environ["FASTBP_DATA"]), 255
else:
    print("no MNIST here: set FASTBP_DATA to the folder of its four files, or run with --quick")
    sys.exit()
pixels = x_train.shape[1]
one_hot = np.eye(10, dtype=np.uint8)  # the targets: 1 for the digit, 0 for the nine others

# All weights and biases start standard normal. The pixels go in as bytes; Rescaling makes them 0 to 1.
normal = {"kernel_initializer": bp.RandomNormal(stddev=1.0), "bias_initializer": bp.RandomNormal(stddev=1.0)}
net = bp.Sequential(
    [bp.Rescaling(1 / ink), bp.Dense(30, "sigmoid", **normal), bp.Dense(10, "sigmoid", **normal)], seed=1
)
net.compile(bp.SGD(3.0), "quadratic", metrics=["accuracy"])

start = perf_counter()
history = net.fit(
    x_train,
    one_hot[y_train],
    batch_size=10,
    epochs=EPOCHS,
    validation_data=(x_test, one_hot[y_test]),
    validation_batch_size=1000,
    verbose=0,
).history
seconds = perf_counter() - start
for epoch in (1, 2, 5, 10, 20, EPOCHS):
    right = round(history["val_accuracy"][epoch - 1] * len(y_test))
    print(f"epoch {epoch:2d}: {right} / {len(y_test)} right, cost of the training {history['loss'][epoch - 1]:.4f}")
steps = EPOCHS * -(-len(y_train) // 10)
print(f"{pixels}-30-10, {EPOCHS} epochs of {len(y_train):,} digits: {steps:,} steps in {seconds:.1f} s")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure = plt.figure(figsize=(13, 5), layout="constrained")
figure.suptitle(f"{pixels}-30-10, sigmoid, quadratic cost, η = 3, batches of 10: {steps:,} steps in {seconds:.1f} s")
curves, hidden, wrong = figure.subfigures(1, 3, width_ratios=[1.25, 1.2, 1])

axis = curves.subplots()
epochs = np.arange(1, EPOCHS + 1)
axis.plot(epochs, 100 * np.array(history["accuracy"]), color="tab:blue", label=f"{len(y_train):,} digits of training")
axis.plot(epochs, 100 * np.array(history["val_accuracy"]), color="tab:orange", label=f"{len(y_test):,} of the test")
last = 100 * history["val_accuracy"][-1]
axis.annotate(f"{last:.2f} %", (EPOCHS, last), (0, 7), textcoords="offset points", ha="center", color="tab:orange")
axis.axhline(95, color="silver", linestyle="--", zorder=0, label="95 %")
axis.set(title="How many are right", xlabel="epoch", ylabel="accuracy in %")
axis.legend(loc="lower right")

side = int(pixels**0.5)
kernel = net.get_weights()[0]
hidden.suptitle("What the 30 hidden units look for\n(blue: ink excites, red: ink inhibits)", fontsize="large")
for axis, weights in zip(hidden.subplots(6, 5).flat, kernel.T, strict=True):
    largest = np.quantile(np.abs(weights), 0.99)
    axis.imshow(weights.reshape(side, side), cmap="RdBu", vmin=-largest, vmax=largest)
    axis.set_axis_off()

outputs = net.predict(x_test)
guesses = outputs.argmax(axis=1)
missed = np.flatnonzero(guesses != y_test)[:12]
wrong.suptitle("Taken for another digit\n(right → guessed)", fontsize="large")
for axis in wrong.subplots(4, 3).flat:
    axis.set_axis_off()
    if len(missed):
        i, missed = missed[0], missed[1:]
        axis.imshow(x_test[i].reshape(side, side), cmap="gray_r")
        axis.set_title(f"{y_test[i]} → {guesses[i]}", fontsize=9)
figure.savefig("lecture_mnist.png", dpi=130)
print("lecture_mnist.png shows the accuracy, the hidden units and some mistakes")
