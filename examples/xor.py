"""The exclusive or: no line separates it, two hidden units do.

python examples/xor.py [--quick]

Saves xor.png in the current folder (pip install matplotlib). The solution set by hand is that of I. Goodfellow,
Y. Bengio and A. Courville, Deep Learning, 2016, section 6.1.
"""

import sys
from time import perf_counter

import fastbp as bp
import numpy as np

SEEDS = 20 if "--quick" in sys.argv else 100
x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([0, 1, 1, 0])

# A linear model can do no better than 0.5 everywhere.
linear = bp.Sequential([bp.Dense(1)], seed=1)
linear.compile(bp.SGD(0.1, momentum=0.9), "mse")
linear.fit(x, y, batch_size=4, epochs=1000, verbose=0)
linear_outputs = linear.predict(x)[:, 0]
print("linear          ", np.round(linear_outputs, 3))

# The textbook's solution, set by hand.
by_hand = bp.Sequential([bp.Input((2,)), bp.Dense(2, "relu"), bp.Dense(1)])
by_hand.set_weights([[[1, 1], [1, 1]], [0, -1], [[1], [-2]], [0]])
by_hand_outputs = by_hand.predict(x)[:, 0]
print("relu, by hand   ", by_hand_outputs)


def trained(activation, seed):
    """A net of two inputs, two hidden units and one output, after 1000 steps."""
    net = bp.Sequential([bp.Dense(2, activation), bp.Dense(1, "sigmoid")], seed=seed)
    net.compile(bp.SGD(0.5, momentum=0.9), "binary_crossentropy")
    net.fit(x, y, batch_size=4, epochs=1000, verbose=0)
    return net


def solves(net):
    return bool(np.all(np.abs(net.predict(x)[:, 0] - y) < 0.1))


start = perf_counter()
solved = {}
for activation in ("identity", "relu", "leaky_relu", "tanh", "sigmoid", "softplus"):
    solved[activation] = [seed for seed in range(SEEDS) if solves(trained(activation, seed))]
    print(f"{activation:<16} {len(solved[activation])} of {SEEDS} seeds solve it")
print(f"{len(solved) * SEEDS} trainings in {perf_counter() - start:.1f} s")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

net = trained("relu", solved["relu"][0])
hidden = bp.Sequential([bp.Input((2,)), bp.Dense(2, "relu")])
hidden.set_weights(net.get_weights()[:2])
last = bp.Sequential([bp.Input((2,)), bp.Dense(1, "sigmoid")])
last.set_weights(net.get_weights()[2:])
h = hidden.predict(x)

figure, (x_space, h_space, counts) = plt.subplots(
    1, 3, figsize=(14, 4.6), layout="constrained", width_ratios=[1.1, 1.1, 1]
)
figure.suptitle("XOR with two hidden relu units: the hidden layer moves the points to where a line separates them")


def space(axis, of, points, title, names):
    """The points of both classes over the output that the network `of` gives everywhere around them."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.35 * (high - low) + 0.05
    grid = np.stack(np.meshgrid(*np.linspace(low - margin, high + margin, 200).T), axis=-1)
    output = of.predict(grid.reshape(-1, 2)).reshape(200, 200)
    shades = axis.contourf(grid[..., 0], grid[..., 1], output, np.linspace(0, 1, 21), cmap="RdBu", alpha=0.75)
    axis.contour(grid[..., 0], grid[..., 1], output, [0.5], colors="black", linewidths=1.5)
    for target, marker in ((0, "o"), (1, "s")):
        axis.scatter(
            *points[y == target].T, s=110, c="white", edgecolor="black", marker=marker, label=f"y = {target}", zorder=3
        )
    together = {}
    for row, point in zip(x, points, strict=True):
        together.setdefault(tuple(np.round(point, 2)), []).append(f"({row[0]}, {row[1]})")
    for place, labels in together.items():
        axis.annotate(" and ".join(labels), place, (9, 9), textcoords="offset points", weight="bold")
    axis.set(title=title, xlabel=names[0], ylabel=names[1])
    axis.legend(loc="lower left")
    return shades


space(x_space, net, x.astype(float), "x space: the line of output 0.5 is bent", ("x₁", "x₂"))
shades = space(h_space, last, h, "the learned h space: it is straight", ("h₁", "h₂"))
figure.colorbar(shades, ax=h_space, label="output of the network", ticks=[0, 0.5, 1])
bars = counts.barh(list(solved), [len(seeds) for seeds in solved.values()], color="tab:blue")
counts.bar_label(bars, padding=3)
counts.set(title=f"2-2-1 trained from {SEEDS} seeds", xlabel="seeds that solve it", xlim=(0, 1.1 * SEEDS))
counts.invert_yaxis()
figure.savefig("xor.png", dpi=130)
print("xor.png shows x space and h space")
