"""Handwritten digits: bytes go in, a fifth is kept for the test, wrong guesses are drawn.

python examples/classify_digits.py
"""

import fastbp as bp
import numpy as np
from fastbp.datasets import load_digits, stratified_split

x, y = load_digits()
train, test = stratified_split(y, 0.2, seed=1)

net = bp.Sequential(
    [
        bp.Rescaling(1 / 16),
        bp.Dense(64, activation="relu"),
        bp.Dropout(0.2),
        bp.Dense(10, activation="softmax"),
    ],
    seed=0,
)
net.compile(bp.SGD(0.1, momentum=0.9), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
net.fit(x[train], y[train], batch_size=32, epochs=20)

guesses = np.argmax(net.predict(x[test]), axis=1)
wrong = np.flatnonzero(guesses != y[test])
print(f"{len(wrong)} of {len(test)} guesses are wrong")
for i in wrong[:2]:
    print(f"\nthis {y[test][i]} was taken for a {guesses[i]}:")
    for line in x[test][i].reshape(8, 8):
        print("".join(" ░▒▓█"[pixel // 4] * 2 for pixel in line))
