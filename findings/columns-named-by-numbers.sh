#!/usr/bin/env bash
# scikit-learn notices columns in another order only if their names are text.
#
# Expected: an estimator that was fitted on a DataFrame refuses one with the same columns in another order, whatever
# the columns are called, as it does for "a" and "b".
# Seen with scikit-learn 1.9.1, pandas 3.1.1 and NumPy 2.4.6: where the names are numbers, such as the years of a
# pivoted table, no names are kept. A frame with the columns turned round is accepted without a warning, and the
# predictions are those of the wrong columns.
#
#   text: ValueError    years: accepted, largest error 28.3
#
# Fails if this changes.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

x = np.random.default_rng(0).normal(size=(50, 2))
y = x @ [1.0, 10.0]
seen = {}
for names, columns in {"text": ["a", "b"], "years": [2019, 2020]}.items():
    frame = pd.DataFrame(x, columns=columns)
    model = LinearRegression().fit(frame, y)
    try:
        seen[names] = float(np.abs(model.predict(frame[columns[::-1]]) - y).max())
    except ValueError as error:
        assert "feature names should match" in str(error)
        seen[names] = None
print(f"text: {'ValueError' if seen['text'] is None else 'accepted'}    years: accepted, largest error {seen['years']:.1f}")
assert seen["text"] is None
assert seen["years"] > 1
PYTHON
