"""An ill-conditioned valley: gradient descent goes to and fro between its walls, momentum along its floor.

python examples/conditioning.py

Saves conditioning.png in the current folder (pip install matplotlib), after figure 4.6 of I. Goodfellow, Y. Bengio and
A. Courville, Deep Learning, 2016.
"""

import math
import sys

import fastbp as bp
import numpy as np

START = [-9.0, 4.5]
w = bp.parameter(START, name="w")
# across (1, 1) the valley is 50 times as curved as along (1, −1)
cost = (50 * (w[0] + w[1]) ** 2 + (w[0] - w[1]) ** 2) / 4
print("bp.curvature:", bp.curvature(cost))

hessian = bp.function([], bp.hessian(cost, w), dtype="float64")()
(least, most), directions = np.linalg.eigh(hessian)
condition = most / least
print("Hessian:", *hessian.tolist())
print(f"eigenvalues {least:.6g} and {most:.6g}: condition number {condition:.6g}")


def path(optimizer, steps):
    """The places after 0 to `steps` steps; a run of its own from the start reaches each, with the same bits."""
    places = []
    for count in range(steps + 1):
        w.value = START
        bp.minimize(cost, optimizer=optimizer, epochs=count, dtype="float64")
        places.append(w.value)
    return np.array(places)


def costs(places):
    x = bp.input("x", (2,))
    value = (50 * (x[:, 0] + x[:, 1]) ** 2 + (x[:, 0] - x[:, 1]) ** 2) / 4
    return bp.function([x], value, dtype="float64")(places)


# The best learning rate for descent, and momentum that is critically damped along the floor of the valley. In the long
# run each step leaves these shares of the distance: descent's depends on the condition number, momentum's on its root.
root = math.sqrt(condition)
optimizers = {
    "gradient descent": bp.SGD(2 / (least + most)),
    "momentum": bp.SGD(1 / most, momentum=(1 - 1 / root) ** 2),
    "too large a rate": bp.SGD(2.02 / most),
}
shares = {"gradient descent": (condition - 1) / (condition + 1), "momentum": 1 - 1 / root}
paths = {name: path(optimizer, 60) for name, optimizer in optimizers.items()}
reached = {name: costs(places) for name, places in paths.items()}
for name, optimizer in optimizers.items():
    share = f"; of the distance stays {shares[name]:.3f} a step" if name in shares else "; the limit is 2 / 50"
    rates = f"learning rate {optimizer.learning_rate:.4f}, momentum {optimizer.momentum:.2f}"
    print(f"{name:<17} {rates}: cost after 60 steps {reached[name][-1]:.3g}{share}")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, (valley, curve) = plt.subplots(1, 2, figsize=(13, 5.6), layout="constrained", width_ratios=[1.3, 1])
figure.suptitle(f"A valley that is {condition:.0f} times as curved across as along it", weight="bold")
first, second = np.linspace(-11, 4, 200), np.linspace(-4, 10, 200)
grid = np.stack(np.meshgrid(first, second), axis=-1)
heights = costs(grid.reshape(-1, 2)).reshape(200, 200)
valley.contour(first, second, heights, np.geomspace(0.5, 2000, 10), colors="silver", linewidths=0.9)
for name, color in (("gradient descent", "tab:red"), ("momentum", "tab:blue")):
    valley.plot(*paths[name][:31].T, ".-", color=color, linewidth=1.2, alpha=0.85, label=f"{name}: 30 steps")
    curve.semilogy(reached[name], color=color, label=name)
curve.semilogy(reached["too large a rate"], ":", color="gray", label="gradient descent, 1 % above the limit 2/50")
valley.plot(0, 0, "*", color="black", markersize=13, label="minimum")
for eigenvalue, direction in zip((least, most), directions.T, strict=True):
    arrow = 2.2 * direction * np.sign(direction[1])
    foot = [0.8, 6.5]
    valley.annotate("", arrow + foot, foot, arrowprops={"arrowstyle": "-|>", "color": "black"})
    valley.annotate(f"λ = {eigenvalue:.0f}", arrow + foot, (0, 5), textcoords="offset points", ha="center")
valley.set(title="The way of both", xlabel="w₁", ylabel="w₂", aspect="equal", xlim=(-11, 4), ylim=(-4, 10))
valley.legend(loc="lower left")
curve.set(title="The cost of every step", xlabel="step", ylabel="cost", ylim=(1e-6, 1e4))
curve.legend(loc="lower left")
figure.savefig("conditioning.png", dpi=130)
print("conditioning.png shows both ways")
