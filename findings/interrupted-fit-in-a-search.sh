#!/usr/bin/env bash
# Ctrl-C during cross-validation of scikit-learn's MLPClassifier ends one fit, not the cross-validation.
#
# Expected: KeyboardInterrupt ends cross_validate, as it ends every other loop of Python.
# Seen with scikit-learn 1.9.1 and NumPy 2.4.6: the fit in hand catches KeyboardInterrupt, warns and returns as if it
# were done. cross_validate goes on with the next split and reports the score of the broken-off fit among the others.
#
#   KeyboardInterrupt raised: no    epochs of the three fits: [3, 20, 20]
#
# Fails if this changes.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import signal
import warnings

import numpy as np
from sklearn.model_selection import cross_validate
from sklearn.neural_network import MLPClassifier

signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
x = rng.normal(size=(3000, 20))
y = (x[:, 0] + x[:, 1] > 0).astype(int)


class Net(MLPClassifier):
    """Gets Ctrl-C once, at the end of its third epoch."""

    epochs = 0

    def _update_no_improvement_count(self, *arguments):
        Net.epochs += 1
        if Net.epochs == 3:
            signal.raise_signal(signal.SIGINT)
        return super()._update_no_improvement_count(*arguments)


raised = False
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        net = Net((20,), max_iter=20, tol=0, n_iter_no_change=1000, random_state=0)
        result = cross_validate(net, x, y, cv=3, return_estimator=True)
    except KeyboardInterrupt:
        raised = True
epochs = [] if raised else [fitted.n_iter_ for fitted in result["estimator"]]
print(f"KeyboardInterrupt raised: {'yes' if raised else 'no'}    epochs of the three fits: {epochs}")
assert not raised
assert epochs[0] < 20
assert epochs[1:] == [20, 20]
assert len(result["test_score"]) == 3
assert any("interrupted by user" in str(warning.message) for warning in caught)
PYTHON
