"""Convex or not, minimum or saddle: what curvature tells about a function, and about where descent ends.

python examples/curvature.py

Saves curvature.png in the current folder (pip install matplotlib), after figures 4.2 to 4.4 of I. Goodfellow, Y. Bengio
and A. Courville, Deep Learning, 2016.
"""

import sys

import fastbp as bp
import numpy as np


def descended(of, start, rate, steps):
    """The places of gradient descent on the function `of` from `start`, step by step."""
    w = bp.parameter(start)
    cost, places = bp.sum(of(w)), [start]
    for _ in range(steps):
        bp.minimize(cost, optimizer=bp.SGD(rate), dtype="float64")
        places.append(float(w.value))
    return np.array(places)


def values(of, places):
    x = bp.input("x")
    return bp.function([x], of(x), dtype="float64")(places)


# What the rules of composition say. Descent on a function that they call convex reaches the same cost from any start.
w = bp.parameter(1.0, name="w")
functions = {
    "3w + 1": lambda w: 3 * w + 1,
    "exp(w²)": lambda w: bp.exp(w**2),
    "w² + |w − 2|": lambda w: w**2 + abs(w - 2),
    "w⁴ − w": lambda w: w**4 - w,
    "w + 1/w, for w > 0": lambda w: w + 1 / w,
    "w ln w": lambda w: w * bp.log(w),
    "max(w², 2 − w)": lambda w: bp.maximum(w**2, 2 - w),
    "softplus(w) − w/3": lambda w: bp.softplus(w) - w / 3,
    "ln w": lambda w: bp.log(w),
    "sigmoid(w)": lambda w: bp.sigmoid(w),
    "(w² − 1)² + 0.3w": lambda w: (w**2 - 1) ** 2 + 0.3 * w,
}
said, ends = {}, {}
print(f"{'function':<20} {'bp.curvature':<14} cost after descent from w = 0.5, 1 and 1.5")
for name, of in functions.items():
    said[name] = bp.curvature(of(w), positive=w if "w > 0" in name else [])
    ends[name] = []
    if said[name] == "convex":
        for start in (0.5, 1.0, 1.5):
            w.value = start
            bp.minimize(of(w), optimizer=bp.SGD(0.05), epochs=1500, dtype="float64")
            bp.minimize(of(w), optimizer=bp.SGD(0.0002), epochs=1500, dtype="float64")  # for the kinks
            ends[name].append(float(bp.function([], of(w), dtype="float64")()))
    print(f"{name:<20} {said[name]:<14} {'  '.join(f'{end:.4f}' for end in ends[name])}")

# Where the gradient is zero, the eigenvalues of the Hessian tell what kind of point it is.
v = bp.parameter([0.0, 0.0], name="v")
critical = {
    "minimum": v[0] ** 2 + v[1] ** 2,
    "maximum": -(v[0] ** 2) - v[1] ** 2,
    "saddle point": v[0] ** 2 - v[1] ** 2,
}
eigenvalues = {}
print("\nat v = 0              gradient   eigenvalues of the Hessian")
for name, cost in critical.items():
    gradient, hessian = bp.function([], [bp.gradients(cost, v), bp.hessian(cost, v)], dtype="float64")()
    eigenvalues[name] = np.linalg.eigvalsh(hessian)
    print(f"{name:<20} {gradient + 0.0}   {eigenvalues[name]}")


# One function, several starts: a global and a local minimum, and a plateau on which the gradient all but vanishes.
def landscape(w):
    def valley(place, width):
        return bp.exp(-(((w - place) / width) ** 2))

    return 1.0 - 0.95 * valley(-2.2, 0.9) - 0.6 * valley(1.0, 0.7) + 0.004 * (w - 1) ** 2


starts = {-4.0: "global minimum", -0.9: "global minimum", 0.2: "local minimum", 2.1: "local minimum", 4.2: "plateau"}
paths = {start: descended(landscape, start, 0.1, 60) for start in starts}
print("\n60 steps of descent on one function")
for start, path in paths.items():
    print(f"from w = {start:4.1f} to {path[-1]:6.3f}, cost {values(landscape, path[-1:])[0]:.3f}")

# By the gradient, a step of descent lowers the cost by ε g². Negative curvature makes it more, positive less.
bends = {"negative": -0.6, "zero": 0.0, "positive": 0.6}
fallen = {}
u = bp.parameter(0.0, name="u")
for name, second in bends.items():
    u.value = 0.0
    cost = -u + second * u**2 / 2
    bp.minimize(cost, optimizer=bp.SGD(1.0), dtype="float64")
    fallen[name] = -float(bp.function([], cost, dtype="float64")())
    print(f"{name:>8} curvature: the gradient promises a fall by 1.0, the step falls by {fallen[name]:.1f}")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure = plt.figure(figsize=(12, 11), layout="constrained")
top, middle, bottom = figure.subfigures(3, 1, hspace=0.06)

top.suptitle("Critical points: the slope is zero; the second derivative tells which kind it is", weight="bold")
line = np.linspace(-1.6, 1.6, 200)
kinds = {"minimum": lambda w: w**2, "maximum": lambda w: -(w**2), "saddle point": lambda w: w**3}
for axis, (kind, of) in zip(top.subplots(1, 3), kinds.items(), strict=True):
    p = bp.parameter(0.0)
    second = float(bp.function([], bp.hessian(of(p), p))()[0, 0])
    axis.plot(line, values(of, line), color="tab:blue")
    axis.plot([-0.7, 0.7], [0, 0], "--", color="gray", label="slope 0")
    axis.plot(0, 0, "o", color="crimson", label=f"second derivative {second:g}".replace("-", "−"))
    axis.set(title=kind, xlabel="w", ylabel="f(w)")
    axis.legend(loc="upper center" if kind == "minimum" else "lower center" if kind == "maximum" else "lower right")

middle.suptitle("Local minima and plateaus: where descent ends depends on where it starts", weight="bold")
axis = middle.subplots()
line = np.linspace(-5, 5, 400)
axis.plot(line, values(landscape, line), color="black", linewidth=1)
colors = plt.get_cmap("tab10")
for number, (start, path) in enumerate(paths.items()):
    heights = values(landscape, path)
    lifted = 0.012 * (number + 1)
    axis.plot(
        path, heights + lifted, ".-", color=colors(number), markersize=5, label=f"from {start:g}: {starts[start]}"
    )
    axis.plot(path[0], heights[0] + lifted, "o", color=colors(number), markersize=9)
    axis.plot(path[-1], heights[-1] + lifted, "*", color=colors(number), markersize=14)
axis.set(xlabel="w", ylabel="f(w)", title="60 steps, learning rate 0.1; a circle is the start, a star the end")
axis.legend(loc="lower right")

bottom.suptitle("Curvature: what the gradient alone predicts of a step (dashed) and what comes of it", weight="bold")
line = np.linspace(-1, 1.6, 100)
for axis, (name, second) in zip(bottom.subplots(1, 3, sharey=True), bends.items(), strict=True):
    axis.plot(line, values(lambda u, c=second: -u + c * u**2 / 2, line), color="tab:blue", label="f(w)")
    axis.plot(line, -line, "--", color="gray", label="predicted by the gradient")
    axis.plot(0, 0, "o", color="black")
    axis.plot(1, -fallen[name], "*", color="crimson", markersize=13, label=f"after the step: −{fallen[name]:.1f}")
    more = {"negative": "falls more than predicted", "zero": "falls as predicted", "positive": "falls less"}[name]
    axis.set(title=f"{name} curvature: {more}", xlabel="w", ylabel="f(w)" if name == "negative" else "")
    axis.legend(loc="lower left")
figure.savefig("curvature.png", dpi=130)
print("curvature.png shows critical points, the landscape and the three curvatures")
