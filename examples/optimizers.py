"""Nine optimisers, and descent with six learning-rate schedules, on the handwritten digits.

python examples/optimizers.py [--quick]

Saves optimizers.png in the current folder (pip install matplotlib).
"""

import sys

import fastbp as bp
import numpy as np
from fastbp.datasets import load_digits, stratified_split

quick = "--quick" in sys.argv
epochs, batch_size = (8, 32) if quick else (30, 32)
x, y = load_digits()
train, test = stratified_split(y, fraction=0.2)
updates = epochs * -(-len(train) // batch_size)


def trained(optimizer):
    """The loss after each epoch, and the accuracy on digits that were not trained on."""
    net = bp.Sequential([bp.Rescaling(1 / 16), bp.Dense(32, activation="tanh"), bp.Dense(10, activation="softmax")])
    net.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = net.fit(x[train], y[train], batch_size=batch_size, epochs=epochs, verbose=0)
    return history.history["loss"], net.evaluate(x[test], y[test], verbose=0)[1]


# The learning rate of each is the best of 3, 1, 0.3, 0.1, … for the training loss after 30 epochs.
optimizers = {
    "SGD": bp.SGD(1.0),
    "momentum": bp.SGD(0.3, momentum=0.9),
    "Nesterov": bp.SGD(0.3, momentum=0.9, nesterov=True),
    "Adagrad": bp.Adagrad(0.3),
    "RMSprop": bp.RMSprop(0.03),
    "Adam": bp.Adam(0.03),
    "AdamW": bp.AdamW(0.03, weight_decay=0.01),
    "Nadam": bp.Nadam(0.03),
    "Lion": bp.Lion(0.001),
}
losses, accuracies = {}, {}
print(f"{'optimiser':<10} {'loss, epoch 1':>14} {'loss at the end':>16} {'test accuracy':>14}")
for name, optimizer in optimizers.items():
    losses[name], accuracies[name] = trained(optimizer)
    print(f"{name:<10} {losses[name][0]:>14.4f} {losses[name][-1]:>16.5f} {accuracies[name]:>13.1%}")

# Plain descent again, with learning rates that follow schedules.
schedules = {
    "constant 0.3": 0.3,
    "step": bp.StepDecay(1.0, every=updates // 3, factor=0.3),
    "exponential": bp.ExponentialDecay(1.0, decay_steps=updates, decay_rate=0.03),
    "cosine, restarts": bp.CosineDecayRestarts(1.0, first_decay_steps=updates // 7 + 1),
    "one cycle": bp.OneCycle(1.5, total_steps=updates),
    "warm-up, cosine": bp.Warmup(bp.CosineDecay(1.0, updates - updates // 10), steps=updates // 10),
}
scheduled, rates = {}, {}
print(f"\n{'schedule':<18} {'loss at the end':>16} {'test accuracy':>14}")
for name, schedule in schedules.items():
    rates[name] = [schedule(t) if callable(schedule) else schedule for t in range(updates)]
    scheduled[name], accuracy = trained(bp.SGD(schedule))
    print(f"{name:<18} {scheduled[name][-1]:>16.5f} {accuracy:>13.1%}")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(16, 5), layout="constrained")
colours = plt.get_cmap("tab10").colors
after = np.arange(1, epochs + 1)
for colour, (name, loss) in zip(colours, losses.items()):
    left.plot(after, loss, color=colour, label=f"{name} ({accuracies[name]:.1%})")
left.set(title="Optimisers (accuracy on 359 unseen digits)", xlabel="epoch", ylabel="cross-entropy while training")
for colour, name in zip(colours, schedules):
    middle.plot(np.arange(updates) / updates * epochs, rates[name], color=colour, label=name)
    right.plot(after, scheduled[name], color=colour, label=name)
middle.set(title="Schedules of the learning rate", xlabel="epoch", ylabel="learning rate η of each update")
right.set(title="Plain gradient descent with each of them", xlabel="epoch", ylabel="cross-entropy while training")
for axes in (left, right):
    axes.set_yscale("log")
for axes in (left, middle, right):
    axes.legend(fontsize=9)
    axes.grid(alpha=0.3)
figure.suptitle("A network 64-32-10 learns 1,438 handwritten digits")
figure.savefig("optimizers.png", dpi=150)
print("\nsaved optimizers.png")
