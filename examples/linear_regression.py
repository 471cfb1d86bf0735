"""A line through 17 points: the lecture's table by gradient descent, one point a step, and the closed form.

python examples/linear_regression.py [--quick]

Saves linear_regression.png in the current folder (pip install matplotlib).
"""

import sys

import fastbp as bp
import numpy as np

QUICK = "--quick" in sys.argv
x_data = [3.3, 4.4, 5.5, 6.71, 6.93, 4.168, 9.779, 6.182, 7.59, 2.167, 7.042, 10.791, 5.313, 7.997, 5.654, 9.27, 3.1]
y_data = [1.7, 2.76, 2.09, 3.19, 1.694, 1.573, 3.366, 2.596, 2.53, 1.221, 2.827, 3.465, 1.65, 2.904, 2.42, 2.94, 1.3]
data = {"x": x_data, "y": y_data}

# The cost as the lecture writes it, with the parameters at the end of its epoch 50.
x, y = bp.input("x"), bp.input("y")
w, b = bp.parameter(0.441748, name="w"), bp.parameter(-0.580876, name="b")
cost = bp.sum((w * x + b - y) ** 2) / (2 * 17)

# One point a step, in order. Between calls the parameters stay where the last one left them.
cost_of_all = bp.function([x, y], cost)
table = {50: (float(cost_of_all(x_data, y_data)), float(w.value), float(b.value))}
for epoch in range(60, 1001, 10):
    run = bp.minimize(cost, data, bp.SGD(0.01), batch_size=1, shuffle=False, epochs=10, evaluate_every=10)
    table[epoch] = (run.history["full_cost"][-1], float(w.value), float(b.value))

print("epoch         cost         w          b")
for epoch in (50, 100, 500, 1000):
    print("{:5d}  {:.9f}  {:.6f}  {:9.6f}".format(epoch, *table[epoch]))

# The closed form, and the descent that converges to it: all points in a step.
exact = bp.linear_regression(x_data, y_data)
steps = 4_000 if QUICK else 20_000
bp.minimize(cost, data, bp.SGD(0.04), epochs=steps, dtype="float64")
descended = float(w.value), float(b.value)
least = exact.residual_sum_of_squares / (2 * 17)
print(f"\nclosed form     w = {exact.coefficients:.9f}, b = {exact.intercept:.9f}, cost {least:.9f}")
print(f"{steps:,} steps    w = {descended[0]:.9f}, b = {descended[1]:.9f}")

# The same line is the most likely one if y is normal around wx + b.
bp.minimize(bp.gaussian_nll(y, w * x + b), data, bp.SGD(0.04), epochs=steps, dtype="float64")
likeliest = float(w.value), float(b.value)
print(f"most likely     w = {likeliest[0]:.9f}, b = {likeliest[1]:.9f}")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")


def line(weight, bias):
    return f"y = {weight:.3f} x {'−' if bias < 0 else '+'} {abs(bias):.3f}"


figure, (points, curve) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
figure.suptitle("Linear regression by gradient descent: one point a step, learning rate 0.01")
ends = np.array([1.5, 11.5])
shown = [50, 200, 400, 600, 1000]
for epoch, color in zip(shown, plt.get_cmap("viridis")(np.linspace(0.85, 0.15, len(shown))), strict=True):
    _, weight, bias = table[epoch]
    points.plot(ends, weight * ends + bias, color=color, label=f"epoch {epoch}: {line(weight, bias)}")
closed = f"closed form: {line(exact.coefficients, exact.intercept)}"
points.plot(ends, exact.predict(ends), "--", color="crimson", label=closed)
points.scatter(x_data, y_data, color="black", zorder=3, label="the 17 points")
points.set(title="The line moves through the points", xlabel="x", ylabel="y")
points.legend(fontsize=8)
curve.plot(list(table), [value for value, _, _ in table.values()], color="tab:blue", label="gradient descent")
curve.axhline(least, color="crimson", linestyle="--", label=f"least possible: {least:.4f} (closed form)")
for epoch in (50, 100, 500, 1000):
    curve.annotate(f"{table[epoch][0]:.4f}", (epoch, table[epoch][0]), (4, 4), textcoords="offset points", fontsize=8)
    curve.plot(epoch, table[epoch][0], "o", color="tab:blue")
curve.set(
    title="The cost of all points", xlabel="epoch", ylabel="Σ (wx + b − y)² / (2·17)", xlim=(0, 1100), ylim=(0.06, 0.21)
)
curve.legend(fontsize=8)
figure.savefig("linear_regression.png", dpi=130)
print("\nlinear_regression.png shows the line and the cost")
