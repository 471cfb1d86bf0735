#!/usr/bin/env bash
# Keras' layer and RMS normalisation of float64 have the accuracy of float32.
#
# Expected: a layer whose compute dtype is float64, given float64, is exact to about 1e-15, as Softmax is.
# Seen with Keras 3.15.1 on JAX 0.10.2 with jax_enable_x64 and floatx float64: the results have the dtype float64, but
# differ from float64 NumPy by more than 1e-7, because the sums or the root on the way are computed in float32.
#
#   LayerNormalization float64 5.7e-07
#   RMSNormalization   float64 4.0e-07
#   Softmax            float64 3.3e-16
#
# Fails if this changes.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2
cd "$folder"
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import jax

jax.config.update("jax_enable_x64", True)
import keras  # noqa: E402
import numpy as np  # noqa: E402

keras.config.set_floatx("float64")
x = np.random.default_rng(0).normal(2, 3, size=(200, 50))
powers = np.exp(x - x.max(-1, keepdims=True))
expected = {
    "LayerNormalization": (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3),
    "RMSNormalization": x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6),
    "Softmax": powers / powers.sum(-1, keepdims=True),
}
errors = {}
for name, wanted in expected.items():
    layer = getattr(keras.layers, name)()
    found = np.asarray(layer(x))
    errors[name] = abs(found - wanted).max()
    print(f"{name:18} {found.dtype} {errors[name]:.1e}")
    assert found.dtype == np.float64
    assert layer.compute_dtype == "float64"
assert errors["LayerNormalization"] > 1e-7
assert errors["RMSNormalization"] > 1e-7
assert errors["Softmax"] < 1e-14
PYTHON
