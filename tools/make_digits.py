"""Makes python/fastbp/datasets/digits.npz from scikit-learn's copy of the handwritten digits.

    python tools/make_digits.py            # writes the file
    python tools/make_digits.py --check    # compares the file that is there with scikit-learn's copy

scikit-learn ships the test part of UCI's "Optical Recognition of Handwritten Digits" (see
python/fastbp/datasets/DATA-LICENSE.md). Order and values stay as they are there; the floats 0.0 … 16.0 become bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parent.parent / "python" / "fastbp" / "datasets" / "digits.npz"


def digits_of_scikit_learn() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    data, target = load_digits(return_X_y=True)
    x, y = data.astype(np.uint8), target.astype(np.uint8)
    if not (np.array_equal(x, data) and x.shape == (1797, 64) and x.max() == 16):
        raise SystemExit("scikit-learn's digits are not the 1797 images with values 0 … 16 that were expected")
    return x, y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, compare with the file that is there")
    arguments = parser.parse_args()
    x, y = digits_of_scikit_learn()
    if arguments.check:
        with np.load(TARGET, allow_pickle=False) as there:
            if not (np.array_equal(there["x"], x) and np.array_equal(there["y"], y)):
                raise SystemExit(f"{TARGET} differs from scikit-learn's digits")
        print(f"{TARGET} equals scikit-learn's digits")
    else:
        np.savez_compressed(TARGET, x=x, y=y)
        print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
