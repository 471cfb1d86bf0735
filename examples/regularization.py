"""L1 and L2: how weights shrink, where the minimum goes, and how many weights become exactly 0.

python examples/regularization.py [--quick]

Saves regularization.png in the current folder (pip install matplotlib). The view through the Hessian's eigenvectors is
that of I. Goodfellow, Y. Bengio and A. Courville, Deep Learning, 2016, section 7.1.
"""

import sys

import fastbp as bp
import numpy as np
from fastbp.datasets import load_digits, stratified_split

QUICK = "--quick" in sys.argv
random = np.random.default_rng(0)

# How a weight shrinks if the data have no influence (x = 0): with one row, λ/m is λ.
STEPS, RATE = 60, 0.05
penalties = {
    "L1": {"l1": 0.5},
    "L1, proximal": {"l1": 0.5, "proximal": True},
    "L2": {"l2": 1.0},
}


def shrinking(start, **penalty):
    """The weight after each step."""
    net = bp.Sequential([bp.Dense(1, use_bias=False, kernel_initializer=bp.Constant(start))], dtype="float64")
    net.compile(bp.SGD(RATE), "quadratic", **penalty)
    weights = [start]
    for _ in range(STEPS):
        net.train_on_batch([[0.0]], [0.0])
        weights.append(net.get_weights()[0].item())
    return np.array(weights)


shrunk = {name: {start: shrinking(start, **penalty) for start in (1.0, 0.52)} for name, penalty in penalties.items()}
print("step         " + "".join(f"{step:9d}" for step in (0, 1, 2, 20, 41, 60)))
for name, weights in shrunk.items():
    print(f"{name:<13}" + "".join(f"{weights[1.0][step]:9.4f}" for step in (0, 1, 2, 20, 41, 60)))

# A quadratic cost: a linear net on 40 rows. Its Hessian H = QDQᵀ says where the minimum goes under λ/2 ‖w‖².
x_data = random.normal(size=(40, 2)) @ [[1.6, 1.2], [-0.3, 0.4]]
y_data = x_data @ [2.0, 1.0] + random.normal(scale=0.3, size=40)
data = {"x": x_data, "y": y_data}
x, y = bp.input("x", (2,)), bp.input("y")
w = bp.parameter([0.0, 0.0], name="w")
cost = bp.mean((bp.sum(x * w, axis=-1) - y) ** 2) / 2
curvatures, axes = np.linalg.eigh(bp.function([x, y], bp.hessian(cost, w), dtype="float64")(x_data, y_data))


def minimum(strength):
    """Where descent ends, from 0."""
    w.value = [0.0, 0.0]
    penalized = cost + strength / 2 * bp.sum(w**2)
    optimizer = bp.SGD(1 / (curvatures[1] + strength), momentum=0.9)
    bp.minimize(penalized, data, optimizer, epochs=1500, dtype="float64")
    return w.value


strengths = np.array([0, *np.geomspace(0.003, 100, 13 if QUICK else 28)])
minima = np.array([minimum(strength) for strength in strengths])
kept = (minima @ axes)[1:] / (minima[0] @ axes)  # shares of w*'s components along the eigenvectors
told = curvatures / (curvatures + strengths[1:, None])
formula = (axes * (curvatures / (curvatures + strengths[:, None]))[:, None, :]) @ (axes.T @ minima[0])
error = np.abs(minima - formula).max()
print(f"\ncurvatures D: {curvatures[0]:.4f} and {curvatures[1]:.4f}; without a penalty w* = {minima[0].round(4)}")
print(f"with λ descent ends at Q (D + λI)⁻¹ D Qᵀ w*, for {len(strengths)} λ: largest difference {error:.1e}")

# How many weights become exactly 0: digits, 64-30-10.
images, digits = load_digits()
train, test = stratified_split(digits, 0.3, seed=1)
goals = {"none": {}, "L2": {"l2": 3.0}, "L1": {"l1": 1.0}, "L1, proximal": {"l1": 1.0, "proximal": True}}
magnitudes, accuracies = {}, {}
print("\npenalty        weights of 0   below 0.001   accuracy of the test")
for name, penalty in goals.items():
    net = bp.Sequential([bp.Rescaling(1 / 16), bp.Dense(30, "relu"), bp.Dense(10, "softmax")], seed=0)
    net.compile(bp.SGD(0.1, momentum=0.5), "sparse_categorical_crossentropy", metrics=["accuracy"], **penalty)
    net.fit(images[train], digits[train], batch_size=32, epochs=200, verbose=0)
    magnitudes[name] = np.abs(np.concatenate([kernel.ravel() for kernel in net.get_weights()[::2]]))
    accuracies[name] = net.evaluate(images[test], digits[test], verbose=0, return_dict=True)["accuracy"]
    zero, small = np.mean(magnitudes[name] == 0), np.mean(magnitudes[name] < 1e-3)
    print(f"{name:<14} {zero:12.1%} {small:13.1%} {accuracies[name]:16.1%}")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, ((shrinkage, moving), (shares, sparsity)) = plt.subplots(2, 2, figsize=(13, 10), layout="constrained")
figure.suptitle("What L1 and L2 do to weights")
colors = {"L1": "tab:orange", "L1, proximal": "tab:red", "L2": "tab:blue"}
for name, weights in shrunk.items():
    style = ":" if name == "L1, proximal" else "-"
    for start, values in weights.items():
        label = name if start == 1.0 else None
        shrinkage.plot(values, style, color=colors[name], linewidth=4 if style == ":" else 1.8, label=label)
shrinkage.set(
    title="L1 takes the same from every weight, L2 a share of it", xlabel="step", ylabel="weight, without data"
)
shrinkage.axhline(0, color="silver", linewidth=0.8, zorder=0)
shrinkage.legend()

first, second = np.meshgrid(np.linspace(-0.3, 2.7, 150), np.linspace(-0.5, 2.2, 150))
grid = np.stack([first, second], axis=-1) - minima[0]
heights = np.einsum("abi,ij,abj->ab", grid, (axes * curvatures) @ axes.T, grid) / 2
moving.contour(first, second, heights, np.geomspace(0.005, 8, 10), colors="silver", linewidths=0.9)
moving.plot(*minima.T, "o-", color="tab:blue", markersize=4, label="where descent ends, λ from 0 to 100")
for strength in (1.0, 3.0, 10.0):
    i = np.abs(strengths - strength).argmin()
    moving.annotate(f"λ = {strengths[i]:.2g}", minima[i], (8, -4), textcoords="offset points", fontsize=9)
for curvature, axis in zip(curvatures, axes.T, strict=True):
    arrow = 0.45 * axis * np.sign(axis[1])
    moving.annotate("", minima[0] + arrow, minima[0], arrowprops={"arrowstyle": "-|>", "color": "black"})
    moving.annotate(f"D = {curvature:.2g}", minima[0] + 1.15 * arrow, ha="center")
moving.plot(*minima[0], "*", color="black", markersize=13, label="w*, the minimum without a penalty")
moving.set(
    title="L2 moves the minimum: first along what the cost hardly feels", xlabel="w₁", ylabel="w₂", aspect="equal"
)
moving.legend(loc="lower right")

strength = np.geomspace(0.003, 100, 200)
for i, color in enumerate(("tab:green", "tab:purple")):
    label = f"D = {curvatures[i]:.3g}"
    shares.semilogx(strength, curvatures[i] / (curvatures[i] + strength), color=color, label=f"D/(D + λ), {label}")
    shares.semilogx(strengths[1:], kept[:, i], "o", color=color, markersize=5, label=f"where descent ended, {label}")
shares.set(
    title="What is left of w* along each eigenvector of the Hessian", xlabel="λ", ylabel="share of the component"
)
shares.legend()

edges = np.concatenate([[0], np.geomspace(1e-4, 2, 40)])
for name, values in magnitudes.items():
    most = np.mean(values == 0)
    label = f"{name}: {most:.0%} are exactly 0, {accuracies[name]:.1%} of the test right"
    above = [np.mean(values > edge) for edge in edges[1:]]
    sparsity.semilogx(edges[1:], 100 * np.array(above), color=colors.get(name, "gray"), linewidth=2, label=label)
sparsity.set(
    title="Digits, 64-30-10: the weights that are left",
    xlabel="magnitude",
    ylabel="weights above it, in %",
    ylim=(0, 105),
)
sparsity.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13))
figure.savefig("regularization.png", dpi=120)
print("regularization.png shows all four")
