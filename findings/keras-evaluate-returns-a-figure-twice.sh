#!/usr/bin/env bash
# `evaluate` of a Keras model returns more numbers than figures where a metric is measured with and without weights.
#
# Expected: as many numbers as return_dict=True has names: loss, mae, weighted_mae.
# Seen with Keras 3.15.1 on JAX 0.10.2: the list has "mae" twice, so that the place of weighted_mae in it is not that of
# its name. fit and return_dict=True are right.
#
#   as a dict: ['loss', 'mae', 'weighted_mae']    as a list: 4 numbers, the second and the third are equal
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
net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
net.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae"])
listed = net.evaluate(x, y, sample_weight=weights, verbose=0)
named = net.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
print(f"as a dict: {list(named)}    as a list: {len(listed)} numbers, the second and the third are equal")
assert list(named) == ["loss", "mae", "weighted_mae"]
assert len(listed) == 4
assert listed[1] == listed[2] != listed[3]
PYTHON
