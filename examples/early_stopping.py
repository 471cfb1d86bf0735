"""Early stopping: train until validation no longer improves or reaches a target, and keep the best weights.

python examples/early_stopping.py

Saves early_stopping.png in the current folder (pip install matplotlib).
"""

import sys

import fastbp as bp
import numpy as np
from fastbp.datasets import load_digits

EPOCHS, TARGET = 300, 0.75
x, y = load_digits()
# so few and so noisy that a network learns them by heart
x, y = x[:500] + np.random.default_rng(0).normal(scale=6, size=(500, 64)), y[:500]


def train(*callbacks, epochs=EPOCHS):
    """Always the same start and the same 300 training rows, with the same share of every class; the others validate."""
    net = bp.Sequential([bp.Rescaling(1 / 16), bp.Dense(50, "relu"), bp.Dense(10, "softmax")], seed=0)
    net.compile(bp.SGD(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(
        x,
        y,
        batch_size=30,
        epochs=epochs,
        validation_split=0.4,
        validation_seed=1,
        stratify=True,
        callbacks=list(callbacks),
        verbose=0,
    )
    return net, {name: np.array(figures) for name, figures in net.history.history.items()}


# To the end, for comparison: the training loss keeps falling, the validation loss turns upwards.
_, to_the_end = train()

# Until the validation loss has not improved for 15 epochs; the weights are then those of its best epoch.
patient = bp.EarlyStopping("val_loss", patience=15, restore_best_weights=True)
stopped_net, stopped = train(patient)
best_net, _ = train(epochs=patient.best_epoch + 1)
restored = bp.weights_hash(stopped_net.get_weights()) == bp.weights_hash(best_net.get_weights())
print(f"patience 15:   stopped after epoch {patient.stopped_epoch + 1} of {EPOCHS}")
print(f"               best validation loss {patient.best:.4f}, after epoch {patient.best_epoch + 1}")
print(f"               it has the weights of that epoch again: {restored}")
print(f"               validation loss at the end of all {EPOCHS} epochs: {to_the_end['val_loss'][-1]:.4f}")

# Until the validation accuracy reaches the target.
satisfied = bp.EarlyStopping("val_accuracy", target=TARGET)
_, until = train(satisfied)
print(f"target {TARGET:.0%}:    reached after epoch {satisfied.stopped_epoch + 1}: {until['val_accuracy'][-1]:.1%}")

# Until it stops, every run has the same figures, to the bit.
same_way = all(
    np.array_equal(figures, to_the_end[name][: len(figures)])
    for run in (stopped, until)
    for name, figures in run.items()
)
print(f"the same figures as without stopping, epoch by epoch: {same_way}")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, (losses, accuracies) = plt.subplots(1, 2, figsize=(13, 4.8), layout="constrained")
figure.suptitle("300 noisy digits to train on, 200 to validate: when to stop")
epochs = np.arange(1, EPOCHS + 1)
end, best = patient.stopped_epoch + 1, patient.best_epoch + 1
for key, color, label in (("loss", "tab:blue", "training"), ("val_loss", "tab:orange", "validation")):
    losses.plot(epochs[:end], to_the_end[key][:end], color=color, linewidth=2, label=label)
    losses.plot(epochs[end - 1 :], to_the_end[key][end - 1 :], ":", color=color, label=f"{label}, had it gone on")
losses.axvline(end, color="gray", linewidth=1, label=f"stopped after epoch {end}: no better for 15 epochs")
losses.plot(
    best, patient.best, "*", color="black", markersize=13, label=f"best: epoch {best}, its weights are restored"
)
losses.set(title="EarlyStopping(patience=15, restore_best_weights=True)", xlabel="epoch", ylabel="cross entropy")
losses.legend(loc="upper right")
reached = satisfied.stopped_epoch + 1
shown = slice(0, max(2 * reached, 40))
for key, color, label in (("accuracy", "tab:blue", "training"), ("val_accuracy", "tab:orange", "validation")):
    accuracies.plot(epochs[:reached], 100 * until[key], color=color, linewidth=2, label=label)
    accuracies.plot(epochs[shown], 100 * to_the_end[key][shown], ":", color=color, label=f"{label}, had it gone on")
accuracies.axhline(100 * TARGET, color="gray", linewidth=1, linestyle="--", label=f"target: {TARGET:.0%}")
accuracies.plot(
    reached,
    100 * until["val_accuracy"][-1],
    "*",
    color="black",
    markersize=13,
    label=f"satisfied after epoch {reached}",
)
accuracies.set(title=f'EarlyStopping("val_accuracy", target={TARGET})', xlabel="epoch", ylabel="accuracy in %")
accuracies.legend(loc="lower right")
figure.savefig("early_stopping.png", dpi=130)
print("early_stopping.png shows the curves")
