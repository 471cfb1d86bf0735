"""Backpropagation: the four equations, the slow learning of a saturated neuron, and in what sense it is fast.

python examples/backpropagation.py [--quick]

Saves backpropagation.png in the current folder (pip install matplotlib). The neuron is that of M. Nielsen, Neural
Networks and Deep Learning, 2015, chapter 3.
"""

import sys
from time import perf_counter

import fastbp as bp
import numpy as np

QUICK = "--quick" in sys.argv

# Every z, a and δ of a small network, and the gradients that follow from them.
rng = np.random.default_rng(1)
x, y = rng.normal(size=(5, 4)), rng.random((5, 2))
net = bp.Sequential([bp.Dense(3, "sigmoid"), bp.Dense(2, "sigmoid")], dtype="float64")
net.compile(loss="quadratic")
back = net.backpropagate(x, y)
W3 = net.get_weights()[2]


def prime(a):
    return a * (1 - a)  # σ′(z) of a sigmoid


differences = {
    "BP1: δ[L] = (a[L] − y) ⊙ σ′(z[L])": back.delta[3] - (back.a[3] - y) * prime(back.a[3]),
    "BP2: δ[l] = δ[l+1] W[l+1]ᵀ ⊙ σ′(z[l])": back.delta[2] - back.delta[3] @ W3.T * prime(back.a[2]),
    "BP3: ∂C/∂b[l] = mean of δ[l]": back.bias_gradients[2] - back.delta[2].mean(axis=0),
    "BP4: ∂C/∂W[l] = mean of a[l−1]ᵀ δ[l]": back.weight_gradients[2] - back.a[1].T @ back.delta[2] / len(x),
}
largest = {name: float(np.abs(difference).max()) for name, difference in differences.items()}
for name, difference in largest.items():
    print(f"{name:<40} holds to {difference:.0e}")

# One neuron, input 1, target 0: it begins with output 0.98, as wrong as can be.
curves, slopes, outputs = {}, {}, {}
for loss in ("quadratic", "cross_entropy"):
    neuron = bp.Sequential([bp.Input((1,)), bp.Dense(1, "sigmoid")])
    neuron.set_weights([[[2.0]], [2.0]])
    neuron.compile(bp.SGD(0.15), loss)
    slopes[loss] = float(neuron.backpropagate([[1]], [[0]]).delta[2][0, 0])
    curves[loss] = neuron.fit([[1]], [[0]], epochs=300, verbose=0).history["loss"]
    outputs[loss] = float(neuron.predict([[1]])[0, 0])
    print(f"{loss:<14} δ at the start {slopes[loss]:.4f}, output after 300 epochs {outputs[loss]:.3f}")

# All gradients in one backward pass, or weight by weight, each from another forward pass.
rows, inputs, targets = 32, bp.input("x"), bp.input("y")
sizes, times, passes = [], {"backward": [], "forward": [], "differences": []}, []
print("\n weights   forward pass   with a backward pass   finite differences   forward passes")
for width in (2, 8) if QUICK else (2, 4, 8, 16, 32, 64):
    data = rng.normal(size=(rows, width)), rng.random((rows, 1))
    v, w = bp.parameter(rng.normal(size=(width, width))), bp.parameter(rng.normal(size=(width, 1)))
    cost = bp.quadratic(targets, bp.sigmoid(bp.sigmoid(inputs @ v) @ w))
    forward = bp.function([inputs, targets], cost, dtype="float64")
    backward = bp.function([inputs, targets], cost, gradients=[v, w], dtype="float64")
    calls = 0

    def evaluated(forward=forward, data=data):
        global calls
        calls += 1
        return float(forward(*data))

    def by_differences(parameters=(v, w), step=1e-6, evaluated=evaluated):
        """The same gradients, one weight after the other."""
        base, gradients = evaluated(), []
        for parameter in parameters:
            value = parameter.value
            gradient = np.empty_like(value)
            for place in np.ndindex(value.shape):
                moved = value.copy()
                moved[place] += step
                parameter.value = moved
                gradient[place] = (evaluated() - base) / step
            parameter.value = value
            gradients.append(gradient)
        return gradients

    def seconds(call, repeats):
        """The seconds of the fastest call, which other work of the machine disturbs least."""
        times = []
        for _ in range(repeats):
            start = perf_counter()
            call()
            times.append(perf_counter() - start)
        return min(times)

    approximate = by_differences()
    passes.append(calls)
    times["differences"].append(seconds(by_differences, 3))
    exact = backward(*data)[1]
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(exact, approximate, strict=True))
    times["forward"].append(seconds(lambda forward=forward, data=data: forward(*data), 100))
    times["backward"].append(seconds(lambda backward=backward, data=data: backward(*data), 100))
    sizes.append(v.value.size + w.value.size)
    print(
        f"{sizes[-1]:8,d} {1e6 * times['forward'][-1]:11.1f} µs {1e6 * times['backward'][-1]:19.1f} µs"
        f" {1e6 * times['differences'][-1]:17,.0f} µs {passes[-1]:16,d}"
    )

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, (learning, fast) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
for (loss, curve), color in zip(curves.items(), ("tab:red", "tab:blue"), strict=True):
    label = f"{loss.replace('_', ' ')}: δ = {slopes[loss]:.3f} at first, output {outputs[loss]:.2f} at last"
    learning.plot(np.array(curve) / curve[0], color=color, label=label)
learning.set(
    title="A saturated sigmoid: one neuron, input 1, target 0, w = b = 2, η = 0.15",
    xlabel="epoch",
    ylabel="cost, as a share of the first",
    ylim=(0, 1.25),
)
learning.legend()
fast.loglog(
    sizes, times["differences"], "o-", color="tab:red", label="finite differences: a forward pass per weight, + 1"
)
fast.loglog(sizes, times["backward"], "s-", color="tab:blue", label="a forward and a backward pass")
fast.loglog(sizes, times["forward"], "^:", color="gray", label="a forward pass alone")
fast.set(title="All gradients of a network", xlabel="weights", ylabel="time (s)")
fast.grid(alpha=0.3)
fast.legend()
figure.savefig("backpropagation.png", dpi=130)
print("\nbackpropagation.png shows both")
