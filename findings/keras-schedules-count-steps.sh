#!/usr/bin/env bash
# Under gradient accumulation, Keras' learning-rate schedules count the steps that only accumulate.
#
# Expected: with gradient_accumulation_steps=k, update t of the weights takes schedule(t). `optimizer.iterations` counts
# the updates, and k·n small batches are to do what n large ones did.
# Seen with Keras 3.15.1 on JAX 0.10.2: update t takes schedule(k·t + k − 1), so that a decay runs k times as fast, and
# a decay of as many steps as there are updates has ended after one k-th of them.
#
#   updates: 4    rates: [3.0, 7.0, 11.0, 15.0]    expected: [0.0, 1.0, 2.0, 3.0]
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


class Count(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


optimizer = keras.optimizers.SGD(Count(), gradient_accumulation_steps=4)
weight = keras.Variable(np.zeros(1))
seen = [0.0]
for _ in range(16):
    optimizer.apply([np.ones(1)], [weight])
    seen.append(-float(keras.ops.convert_to_numpy(weight)[0]))
rates = [after - before for before, after in zip(seen[::4], seen[4::4])]
print(f"updates: {int(optimizer.iterations)}    rates: {rates}    expected: {[0.0, 1.0, 2.0, 3.0]}")
assert int(optimizer.iterations) == 4
assert rates == [3.0, 7.0, 11.0, 15.0]
PYTHON
