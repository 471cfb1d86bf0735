"""Dropout: an average of many networks, counted one by one, and predictions that say how sure they are.

python examples/dropout.py [--quick]

Saves dropout.png in the current folder (pip install matplotlib).
"""

import itertools
import sys

import fastbp as bp
import numpy as np

QUICK = "--quick" in sys.argv
HIDDEN = 8
random = np.random.default_rng(0)

# Two half moons, and a network whose hidden units are each dropped in half of the steps. With scaling="weights" the
# outgoing weights count half when the whole network is used, as in the lecture.
angle = random.uniform(0, np.pi, 300)
moon = np.arange(300) % 2
x = np.stack([np.cos(angle) + moon, np.sin(angle) * (1 - 2 * moon) + 0.5 * moon], axis=1)
x += random.normal(scale=0.15, size=x.shape)
net = bp.Sequential(
    [bp.Dense(HIDDEN, "tanh"), bp.Dropout(0.5, scaling="weights"), bp.Dense(1, "sigmoid")], seed=4, dtype="float64"
)
net.compile(bp.SGD(0.3, momentum=0.9), "cross_entropy", metrics=["binary_accuracy"])
net.fit(x, moon, batch_size=20, epochs=400, verbose=0)
accuracy = net.evaluate(x, moon, verbose=0, return_dict=True)["binary_accuracy"]

# The networks that dropout draws from: one for every way to leave hidden units out.
thinned = bp.Sequential([bp.Input((2,)), bp.Dense(HIDDEN, "tanh"), bp.Dense(1, "sigmoid")], dtype="float64")
kernel, bias, outgoing, output_bias = net.get_weights()
masks = np.array(list(itertools.product((0, 1), repeat=HIDDEN)))


def of_all(points):
    """The output of every one of the networks: (masks, points)."""
    outputs = []
    for mask in masks:
        thinned.set_weights([kernel, bias, outgoing * mask[:, None], output_bias])
        outputs.append(thinned.predict(points)[:, 0])
    return np.array(outputs)


def geometric_mean(p):
    """The geometric mean of the probabilities p, normalised so that it and that of 1 − p add up to 1."""
    one, zero = np.exp(np.log(p).mean(axis=0)), np.exp(np.log1p(-p).mean(axis=0))
    return one / (one + zero)


whole, each = net.predict(x)[:, 0], of_all(x)
arithmetic, geometric = each.mean(axis=0), geometric_mean(each)
correct = np.mean((each > 0.5) == moon, axis=1)
print(f"one network of {len(masks)}:   {correct.mean():.1%} right on average, {correct.max():.1%} at best")
print(f"the whole network:    {accuracy:.1%} right")
print(f"their geometric mean: differs from the whole network by at most {np.abs(geometric - whole).max():.1e}")
print(f"their mean:           differs by {np.abs(arithmetic - whole).mean():.3f} on average")

# A regression, also beyond its data: many predictions with dropout, their mean and their spread.
x_line = np.concatenate([random.uniform(-3, -0.8, 60), random.uniform(0.8, 3, 60)])[:, None]
y_line = np.sin(2 * x_line[:, 0]) + random.normal(scale=0.1, size=120)
regression = bp.Sequential(
    [bp.Dense(100, "relu"), bp.Dropout(0.1), bp.Dense(100, "relu"), bp.Dropout(0.1), bp.Dense(1)], seed=1
)
regression.compile(bp.SGD(0.02, momentum=0.9), "mse")
regression.fit(x_line, y_line, batch_size=20, epochs=300 if QUICK else 2000, verbose=0)
places = np.linspace(-5, 5, 201)
samples = regression.predict(places[:, None], dropout=True, samples=500)[..., 0]  # (samples, places)
mean, spread = samples.mean(axis=0), samples.std(axis=0)
inside = (np.abs(places) > 0.8) & (np.abs(places) < 3)
outside = np.abs(places) > 4
print(f"spread of {len(samples)} predictions: {spread[inside].mean():.3f} among the data,", end=" ")
print(f"{spread[outside].mean():.3f} beyond")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, (plane, means, line) = plt.subplots(1, 3, figsize=(16, 5), layout="constrained", width_ratios=[1.1, 0.9, 1.2])
figure.suptitle(f"Dropout on {HIDDEN} hidden units trains {len(masks)} networks that share their weights")
first, second = np.linspace(-1.6, 2.6, 120), np.linspace(-1.3, 1.8, 120)
grid = np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
for output in of_all(grid):
    plane.contour(first, second, output.reshape(120, 120), [0.5], colors="silver", linewidths=0.4)
plane.contour(first, second, net.predict(grid).reshape(120, 120), [0.5], colors="black", linewidths=2.5, zorder=4)
for kind, color, marker in ((0, "tab:red", "o"), (1, "tab:blue", "s")):
    plane.scatter(*x[moon == kind].T, s=14, c=color, marker=marker, zorder=3, label=f"class {kind}")
plane.plot([], [], color="silver", label=f"the borders of {len(masks)} networks")
plane.plot([], [], color="black", linewidth=2.5, label="the whole network, weights halved")
plane.set(title="Where each network draws the border", xlabel="x₁", ylabel="x₂")
plane.legend(loc="lower left", fontsize=8)
means.plot([0, 1], [0, 1], color="silver", zorder=0)
means.scatter(whole, arithmetic, s=14, color="tab:orange", label=f"mean of the {len(masks)} outputs")
means.scatter(whole, geometric, s=14, color="tab:green", label="their geometric mean, normalised: the same")
means.set(title="One pass for all of them", xlabel="output of the whole network", ylabel="average of the networks")
means.legend(loc="upper left", fontsize=8)
for width, shade in ((2, 0.2), (1, 0.3)):
    line.fill_between(
        places, mean - width * spread, mean + width * spread, color="tab:blue", alpha=shade, linewidth=0,
        label=f"± {width} standard deviation{'s' * (width > 1)}",
    )  # fmt: skip
line.plot(places, mean, color="tab:blue", label=f"mean of {len(samples)} predictions with dropout")
line.plot(places, np.sin(2 * places), "--", color="gray", linewidth=1, label="sin 2x")
line.scatter(x_line[:, 0], y_line, s=10, color="black", label="data")
line.set(title="predict(x, dropout=True, samples=500)", xlabel="x", ylabel="y", ylim=(-4, 4))
line.legend(loc="lower center", fontsize=8, ncols=2)
figure.savefig("dropout.png", dpi=130)
print("dropout.png shows the networks and the predictions")
