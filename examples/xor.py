"""A network learns the exclusive or, which no single line can separate.

python examples/xor.py
"""

import fastbp as bp
import numpy as np

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([0, 1, 1, 0])

net = bp.Sequential([bp.Dense(4, activation="tanh"), bp.Dense(1, activation="sigmoid")], seed=1)
net.compile(optimizer=bp.SGD(0.5, momentum=0.9), loss="binary_crossentropy")
history = net.fit(x, y, batch_size=4, epochs=300, verbose=0)

print(f"loss {history.history['loss'][0]:.3f} -> {history.history['loss'][-1]:.4f}")
for row, probability in zip(x, net.predict(x, verbose=0), strict=True):
    print(f"{row[0]} xor {row[1]}: {probability[0]:.3f}")
