"""Artificial expansion of training data: a digit through every transform, and a five turned 15 degrees to the left.

python examples/augmentation.py [--quick]

Saves augmentation.png in the current folder (pip install matplotlib). The digits are those that come with fastbp, or
MNIST's where FASTBP_DATA names the folder of its files. The elastic distortion is that of P. Y. Simard, D. Steinkraus
and J. C. Platt, Best Practices for Convolutional Neural Networks, 2003.
"""

import os
import sys

import fastbp as bp
import numpy as np
from fastbp.augment import Compose, ElasticTransform, GaussianNoise, RandomAffine, RandomFlip, expand
from fastbp.datasets import load_digits, load_mnist

COLUMNS = 4 if "--quick" in sys.argv else 8

if "FASTBP_DATA" in os.environ:
    (x, y), _ = load_mnist(os.environ["FASTBP_DATA"])
    x = x.reshape(-1, 28, 28) / 255
else:
    x, y = load_digits()
    x = x.reshape(-1, 8, 8) / 16
size = x.shape[1]
five = x[y == 5][:1]

# The lecture's case, always the same turn: the low and the high end of the angle are one number.
turned = RandomAffine(degrees=(15, 15))(five)


def slant(image):
    """How far the ink's axis leans to the left of upright, in degrees."""
    rows, columns = np.mgrid[:size, :size]
    up, right = rows.mean() - rows, columns - columns.mean()
    ink = image / image.sum()
    up, right = up - (ink * up).sum(), right - (ink * right).sum()
    return np.rad2deg(0.5 * np.arctan2(-2 * (ink * up * right).sum(), (ink * (up**2 - right**2)).sum()))


slants = slant(five[0]), slant(turned[0])
print(f"the five leans {slants[0]:+.1f} degrees to the left, turned {slants[1]:+.1f}")

transforms = {
    "turn": RandomAffine(25),
    "shift": RandomAffine(translate=(0.15, 0.15)),
    "scale": RandomAffine(scale=(0.7, 1.3)),
    "shear": RandomAffine(shear=25),
    "elastic": ElasticTransform(alpha=34, sigma=4) if size == 28 else ElasticTransform(alpha=5, sigma=1.5),
    "noise": GaussianNoise(0.1),
    "flip": RandomFlip(),
}
transforms["all but flips"] = Compose([transforms[name] for name in ("turn", "shift", "scale", "elastic", "noise")])

# A stored set by `expand`, and below images that are new in every epoch: the first epoch of `fit` sees the first copy.
grid, labels = {}, {}
for name, transform in transforms.items():
    grid[name], labels[name] = expand(five, [5], transform, copies=COLUMNS - 1)
    print(f"{name:<14} {len(grid[name])} images of a {labels[name][0]}")

net = bp.Sequential([bp.Flatten(), bp.Dense(30, "relu"), bp.Dense(10, "softmax")])
net.compile(bp.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = net.fit(x[:1500], y[:1500], epochs=5, verbose=0, augment=transforms["turn"]).history
print(f"five epochs on turned digits: accuracy {history['accuracy'][-1]:.3f}")

try:
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    sys.exit("for the picture: pip install matplotlib")

figure, axes = plt.subplots(1 + len(grid), COLUMNS, figsize=(1.1 * COLUMNS + 1.2, 1.1 * (1 + len(grid))))
rows = {"15° to the left": [five[0], turned[0]], **grid}
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for axis in line:
        axis.axis("off")
    for axis, image in zip(line, images):
        axis.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
figure.suptitle("left: the five as it is; beside it: what the transform makes of it", y=0.92)
figure.savefig("augmentation.png", dpi=100, bbox_inches="tight")
print("saved augmentation.png")
