"""Logistic regression: the lecture's worked example, gradient by gradient, and a border between two groups.

python examples/logistic_regression.py [--quick]

Saves logistic_regression.png in the current folder (pip install matplotlib).
"""

import sys

import fastbp as bp
import numpy as np

QUICK = "--quick" in sys.argv

# The worked example: w = .3, b = .7, one point x = 1 of class y = 1.
x, y = bp.input("x"), bp.input("y")
w, b = bp.parameter(0.3, name="w"), bp.parameter(0.7, name="b")
z = w * x + b
p = bp.sigmoid(z)
E = bp.cross_entropy(y, p)
z.name, p.name = "z", "p"  # drawings show names

cost, (E_by_p, E_by_z, E_by_w) = bp.function([x, y], E, gradients=[p, z, w])([1.0], [1.0])
probability, p_by_z = bp.function([x], bp.sum(p), gradients=z)([1.0])
worked = {
    "p": float(probability),
    "E": float(cost),
    "∂E/∂p": float(E_by_p[0]),
    "∂p/∂z": float(p_by_z[0]),
    "∂E/∂w": float(E_by_w),
}
for name, value in worked.items():
    print(f"{name:<6} {value:9.6f}")
print(f"∂E/∂p · ∂p/∂z = {E_by_p[0] * p_by_z[0]:.6f} = p − y = {probability - 1:.6f}: the loss computes the latter")

# Bernoulli's likelihood of some labels is exp(−m · cross entropy).
rng = np.random.default_rng(0)
labels = rng.integers(0, 2, 8)
likelihood = np.prod(bp.function([x, y], p**y * (1 - p) ** (1 - y), dtype="float64")(np.linspace(-2, 2, 8), labels))
from_loss = np.exp(-8 * bp.function([x, y], E, dtype="float64")(np.linspace(-2, 2, 8), labels))
print(f"likelihood ∏ pʸ(1 − p)¹⁻ʸ = {likelihood:.9f}, exp(−8 · cross entropy) = {from_loss:.9f}")

# The same in a picture: Graphviz where it is installed, else text for any Markdown page.
drawing = bp.draw(E, {"x": [1.0], "y": [1.0]}, digits=6)
print(f"\n{drawing.mermaid}")

# Two groups of points in the plane, and the border that one sigmoid learns.
count = 60
group = np.repeat([0, 1], count)
points = rng.normal(size=(2 * count, 2)) + np.where(group[:, None], [1.2, 0.8], [-1.0, -0.9])
net = bp.Sequential([bp.Dense(1, activation="sigmoid", kernel_initializer="zeros")])
net.compile(bp.SGD(0.5), loss="cross_entropy", metrics=["accuracy"])
history = net.fit(points, group, batch_size=20, epochs=20 if QUICK else 100, verbose=0).history
print(f"two groups: cross entropy {history['loss'][0]:.3f} -> {history['loss'][-1]:.3f}, "
      f"accuracy {history['accuracy'][-1]:.1%}")  # fmt: skip

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, (example, plane) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
figure.suptitle("Logistic regression")
logit = bp.input("logit")
chance = bp.sigmoid(logit)
logits = np.linspace(-5, 5, 201)
curves = bp.function([logit], [chance, -bp.log(chance)])(logits)
example.plot(logits, curves[0], color="tab:blue", label="p = σ(z)")
example.plot(logits, curves[1], color="tab:orange", label="E = −ln p, the cross entropy for y = 1")
tangent = np.array([-1.0, 3.0])
example.plot(
    tangent,
    cost + E_by_z[0] * (tangent - 1),
    "--",
    color="crimson",
    label=f"its slope at z = 1: p − y = {E_by_z[0]:.3f}",
)
example.plot(
    [1, 1], [probability, cost], "o", color="black", label=f"the example: p = {probability:.3f}, E = {cost:.3f}"
)
example.set(title="The worked example: w = 0.3, b = 0.7, x = 1, y = 1", xlabel="z = wx + b", ylabel="p, E", ylim=(0, 3))
example.legend(fontsize=8)

side = np.linspace(-4.5, 4.5, 91)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
shades = net.predict(grid).reshape(91, 91)
shown = plane.contourf(side, side, shades, np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.6)
plane.contour(side, side, shades, [0.5], colors="black")
for label, color in ((0, "navy"), (1, "darkred")):
    plane.scatter(*points[group == label].T, s=14, color=color, label=f"group {label}")
plane.set(title=f"The border it learns (p = ½): {history['accuracy'][-1]:.0%} on their side",
          xlabel="x₁", ylabel="x₂", aspect="equal")  # fmt: skip
plane.legend(fontsize=8, loc="upper left")
figure.colorbar(shown, ax=plane, label="p, the probability of group 1")
figure.savefig("logistic_regression.png", dpi=130)
print("logistic_regression.png shows the example and the border")
