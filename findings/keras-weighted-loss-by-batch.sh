#!/usr/bin/env bash
# The figure of a Keras loss with reduction "mean_with_sample_weight" depends on the batch size of `evaluate`.
#
# Expected: the weighted mean over all rows, as the weighted metric beside it is, whatever the batch size.
# Seen with Keras 3.15.1 on JAX 0.10.2: `evaluate` averages the batches' quotients by rows, not by weights. The same
# data, weights and model give another loss for another batch size; the metric "mse" in weighted_metrics does not.
#
#   batch size  7: loss 2.605050, weighted mse 2.492411
#   batch size 40: loss 2.492411, weighted mse 2.492411
#
# Fails if this changes.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2
cd "$folder"
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

random = np.random.default_rng(0)
x, y, weights = random.normal(size=(40, 3)), random.normal(size=(40, 1)), np.linspace(0, 5, 40)
keras.utils.set_random_seed(0)
net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
loss = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
net.compile("sgd", loss, weighted_metrics=["mse"])
found = {}
for batch_size in (7, 40):
    found[batch_size] = net.evaluate(x, y, sample_weight=weights, batch_size=batch_size, verbose=0)
    print(f"batch size {batch_size:2}: loss {found[batch_size][0]:.6f}, weighted mse {found[batch_size][1]:.6f}")
error = (net.predict(x, verbose=0) - y)[:, 0]
expected = np.average(error**2, weights=weights)
assert np.isclose(found[40], expected, rtol=1e-5).all()
assert np.isclose(found[7][1], expected, rtol=1e-5)
assert abs(found[7][0] / expected - 1) > 0.01
PYTHON
