"""Fits a line by gradient descent: an expression, its data, and `minimize`.

python examples/linear_regression.py
"""

import fastbp as bp
import numpy as np

rng = np.random.default_rng(0)
hours = rng.uniform(0, 10, 100)
marks = 6.5 * hours + 20 + rng.normal(0, 2, 100)

x, y = bp.input("x"), bp.input("y")
w, b = bp.parameter(0.0, name="w"), bp.parameter(0.0, name="b")
cost = bp.mean((w * x + b - y) ** 2)

run = bp.minimize(cost, data={"x": hours, "y": marks}, optimizer=bp.SGD(0.02), epochs=500)
print(f"marks = {w.value:.2f} · hours + {b.value:.2f}   (drawn from 6.50 · hours + 20.00)")
print(f"mean squared error {run.history['cost'][0]:.1f} -> {run.history['cost'][-1]:.2f}")

# The same cost as a function: its value and its gradients, here at the minimum.
f = bp.function([x, y], cost, gradients=[w, b])
value, (dw, db) = f(hours, marks)
print(f"cost {value:.2f}, gradient ({dw:.4f}, {db:.4f})")
