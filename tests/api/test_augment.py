"""bp.augment: what the transforms do to images, what `fit` sees, and what its errors say."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp.augment import Compose, ElasticTransform, GaussianNoise, RandomAffine, RandomFlip, Transform, expand

PIPELINE = Compose([RandomAffine(15, (0.1, 0.1), (0.9, 1.1)), ElasticTransform(8, 4), GaussianNoise(0.01)])


def images(rows: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(3).random((rows, *shape))


# --- one transform after the other


def ink(image: np.ndarray) -> tuple[float, float]:
    """The centre of the ink, (x to the right, y upwards), relative to the image's centre."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width]
    total = image.sum()
    return float((image * x).sum() / total - (width - 1) / 2), float((height - 1) / 2 - (image * y).sum() / total)


@pytest.mark.parametrize("degrees", [15, 90, -30])
def test_positive_degrees_turn_to_the_left(degrees: float) -> None:
    dot = np.zeros((1, 41, 41))
    dot[0, 19:22, 33:36] = 1  # to the right of the centre
    turned = RandomAffine((degrees, degrees))(dot)[0]
    expected = 14 * np.exp(1j * np.deg2rad(degrees))
    assert ink(turned) == pytest.approx((expected.real, expected.imag), abs=0.05)


def test_a_quarter_turn_is_numpys() -> None:
    x = images(2, 7, 7)
    assert RandomAffine((90, 90))(x, dtype="float64") == pytest.approx(np.rot90(x, axes=(1, 2)), abs=1e-13)


def test_shifts_scales_and_shears_lie_within_their_ranges() -> None:
    dot = np.zeros((2000, 21, 31))
    dot[:, 10, 15] = 1
    moved = np.array([ink(image) for image in RandomAffine(translate=(0.2, 0.1))(dot)])
    assert np.abs(moved).max(axis=0) == pytest.approx([6.2, 2.1], abs=0.1)
    assert np.abs(moved.mean(axis=0)).max() < 0.3
    square = np.zeros((300, 41, 41))
    square[:, 15:26, 15:26] = 1
    sizes = RandomAffine(scale=(0.5, 1.5))(square).sum(axis=(1, 2)) / 121
    assert [sizes.min(), sizes.max()] == pytest.approx([0.25, 2.25], abs=0.1)
    sheared = RandomAffine(shear=20)(square)
    assert sheared.sum(axis=(1, 2)) == pytest.approx(np.full(300, 121), rel=0.01)
    tops = np.array([ink(image[15:16])[0] for image in sheared])
    assert np.abs(tops).max() == pytest.approx(5 * np.tan(np.deg2rad(20)), abs=0.05)


def test_flips_change_sides_with_their_probabilities() -> None:
    x = images(1000, 3, 5, 2).astype(np.float32)
    assert (RandomFlip(1, 1)(x) == x[:, ::-1, ::-1]).all()
    assert (RandomFlip(0, 1)(x) == x[:, ::-1]).all()
    flipped = RandomFlip(0.25)(x)
    changed = (flipped != x).any(axis=(1, 2, 3))
    assert 0.2 < changed.mean() < 0.3
    assert (flipped[changed] == x[changed][:, :, ::-1]).all()


def test_noise_has_its_standard_deviation() -> None:
    noise = GaussianNoise(0.5)(np.zeros((50, 20, 20)), dtype="float64")
    assert [noise.mean(), noise.std()] == pytest.approx([0, 0.5], abs=0.01)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.2


def test_fill_is_what_lies_beyond_the_edges() -> None:
    shifted = RandomAffine(translate=(3, 3), fill=7)(np.zeros((20, 4, 4)))
    assert (shifted.max(axis=(1, 2)) == 7).all()


# --- against scipy


def test_affine_maps_are_scipys() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    from fastbp.reference.augment import _Stream, affine_matrix
    from fastbp.reference.random import AUGMENTATION, stream_of

    x = images(5, 12, 17)
    transform = RandomAffine((-40, 60), (0.2, 0.3), (0.6, 1.5), (10, 20), fill=0.5)
    ((_, numbers),) = transform.steps()
    matrices = affine_matrix(numbers, _Stream(9, np.arange(5), stream_of(AUGMENTATION, 0), 2), 12, 17)
    expected = [
        ndimage.affine_transform(image, m[:, :2], m[:, 2], order=1, mode="grid-constant", cval=0.5)
        for image, m in zip(x, matrices)
    ]
    assert transform(x, seed=9, epoch=2, dtype="float64") == pytest.approx(np.array(expected), abs=1e-12)


def test_elastic_distortions_are_scipys() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    from fastbp.reference.augment import _Stream
    from fastbp.reference.random import AUGMENTATION, stream_of

    height, width = 11, 14
    x = images(3, height, width)
    words = _Stream(5, np.arange(3), stream_of(AUGMENTATION, 0), 0).words(height * width // 2)
    fields = (words >> 8).reshape(3, height, width, 2) * 2.0**-23 - 1
    expected = []
    for image, field in zip(x, fields):
        smooth = [ndimage.gaussian_filter(field[..., axis], 2.0, mode="constant") for axis in (0, 1)]
        positions = np.mgrid[:height, :width] + 9 * np.array(smooth)
        expected.append(ndimage.map_coordinates(image, positions, order=1, mode="grid-constant"))
    assert ElasticTransform(9, 2)(x, seed=5, dtype="float64") == pytest.approx(np.array(expected), abs=1e-12)


# --- fit


def model(seed: int = 6, backend: str = "core") -> bp.Sequential:
    net = bp.Sequential([bp.Flatten(), bp.Dense(5, "tanh"), bp.Dense(3, "softmax")], seed=seed)
    net.compile(bp.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", backend=backend)
    return net


def test_fit_sees_what_the_transform_gives_for_each_epoch() -> None:
    x, y = (255 * images(50, 6, 6)).astype(np.uint8), np.arange(50) % 3
    new, stored = model(), model()
    new.fit(x, y, epochs=3, batch_size=16, verbose=0, augment=PIPELINE)
    for epoch in range(3):
        stored.fit(PIPELINE(x, seed=6, epoch=epoch), y, batch_size=16, verbose=0)
    assert bp.weights_hash(new.get_weights()) == bp.weights_hash(stored.get_weights())
    plain = model()
    plain.fit(x, y, epochs=3, batch_size=16, verbose=0)
    assert bp.weights_hash(plain.get_weights()) != bp.weights_hash(new.get_weights())


def test_two_fits_of_one_epoch_are_one_of_two() -> None:
    x, y = images(40, 5, 5), np.arange(40) % 3
    once, twice = model(), model()
    once.fit(x, y, epochs=2, verbose=0, augment=PIPELINE)
    for _ in range(2):
        twice.fit(x, y, verbose=0, augment=PIPELINE)
        twice = pickle.loads(pickle.dumps(twice))
    assert bp.weights_hash(once.get_weights()) == bp.weights_hash(twice.get_weights())


def test_flat_rows_are_images_where_their_shape_is_told() -> None:
    x, y = images(20, 4, 6, 2), np.arange(20) % 3
    flat = Compose(PIPELINE.transforms, image_shape=(4, 6, 2))
    assert (flat(x.reshape(20, 48)) == PIPELINE(x).reshape(20, 48)).all()
    assert (flat(x) == PIPELINE(x)).all()
    nets = model(), model()
    nets[0].fit(x, y, verbose=0, augment=PIPELINE)
    nets[1].fit(x.reshape(20, 48), y, verbose=0, augment=flat)
    assert bp.weights_hash(nets[0].get_weights()) == bp.weights_hash(nets[1].get_weights())


def test_what_validates_and_what_steps_alone_stays_as_it_is() -> None:
    x, y = images(40, 5, 5), np.arange(40) % 3
    net, twin = model(), model()
    history = net.fit(x[:30], y[:30], verbose=0, augment=PIPELINE, validation_data=(x[30:], y[30:])).history
    assert history["val_loss"] == [net.evaluate(x[30:], y[30:])]
    twin.fit(x[:30], y[:30], verbose=0, augment=PIPELINE)
    assert net.train_on_batch(x, y) == twin.evaluate(x, y)


def test_a_row_with_nan_is_named_as_it_came() -> None:
    x, y = images(20, 5, 5), np.arange(20) % 3
    x[7, 2, 3] = np.nan
    for backend in ("core", "reference"):
        with pytest.raises(ValueError, match="row 7, column 13 is nan"):
            model(backend=backend).fit(x, y, verbose=0, augment=PIPELINE, check_finite=True, shuffle=False)


# --- expand


def test_expand_gives_the_originals_then_the_copies_labels_aligned() -> None:
    x, y, weight = images(4, 5, 5), np.array([3, 1, 4, 1]), np.arange(4.0)
    more, (labels, weights) = expand(x, (y, weight), PIPELINE, copies=2, seed=8)
    assert (more[:4] == x.astype(np.float32)).all()
    assert (more[4:8] == PIPELINE(x, seed=8, epoch=0)).all()
    assert (more[8:] == PIPELINE(x, seed=8, epoch=1)).all()
    assert labels.tolist() == 3 * [3, 1, 4, 1]
    assert weights.tolist() == 3 * [0, 1, 2, 3]


# --- copies and errors


@pytest.mark.parametrize("transform", [*PIPELINE.transforms, RandomFlip(image_shape=(3, 4)), PIPELINE], ids=repr)
def test_transforms_pickle_copy_and_show_their_arguments(transform: Transform) -> None:
    for made in (pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)):
        assert made == transform
    assert eval(repr(transform)) == transform
    assert transform != GaussianNoise(0.3)


ERRORS: list[tuple[Any, type, str]] = [
    (lambda: RandomAffine("x"), TypeError, "degrees must be a number, got str"),
    (lambda: RandomAffine((5, -5)), ValueError, "degrees must be .low, high. with low at most high"),
    (lambda: RandomAffine(translate=0.1), TypeError, "translate must be .x, y., got 0.1"),
    (lambda: RandomAffine(translate=(-1, 0)), ValueError, "translate must be shares of at least 0"),
    (lambda: RandomAffine(scale=(0, 1)), ValueError, "scale must be"),
    (lambda: RandomAffine(shear=90), ValueError, "shear must be"),
    (lambda: RandomAffine(fill=np.inf), ValueError, "fill must be finite, got inf"),
    (lambda: RandomAffine(degree=3), TypeError, "did you mean 'degrees'"),
    (lambda: ElasticTransform(-1, 4), ValueError, "alpha must be finite and at least 0, got -1"),
    (lambda: ElasticTransform(1, 0), ValueError, "sigma must be 0.001 to 10000 pixels, got 0"),
    (lambda: GaussianNoise(-0.1), ValueError, "stddev must be finite and at least 0"),
    (lambda: RandomFlip(1.5), ValueError, "horizontal must be a probability, 0 to 1, got 1.5"),
    (lambda: RandomFlip(image_shape=5), TypeError, "image_shape must be"),
    (lambda: Compose([]), ValueError, "at least 1 transform"),
    (lambda: Compose([3]), TypeError, "list of transforms of bp.augment, got 3"),
    (lambda: Compose([RandomFlip(image_shape=(2, 3)), RandomFlip(image_shape=(3, 2))]), ValueError, "one for all"),
    (lambda: PIPELINE(images(3, 16)), ValueError, "image_shape must be given"),
    (lambda: RandomFlip(image_shape=(4, 5))(images(3, 16)), ValueError, "image_shape is .4, 5., but x has rows of"),
    (lambda: PIPELINE(images(3, 4, 4), seed=-1), ValueError, "seed must be at least 0, got -1"),
    (lambda: expand(images(3, 4, 4), [1, 2], PIPELINE), ValueError, "y has 2 rows, but x has 3"),
    (lambda: expand(images(3, 4, 4), [1, 2, 3], len), TypeError, "transform must be a transform of bp.augment"),
    (lambda: model().fit(images(3, 4, 4), [0, 1, 2], augment=len), TypeError, "augment must be a transform of bp.aug"),
    (lambda: model().fit(images(3, 16), [0, 1, 2], augment=PIPELINE), ValueError, "image_shape must be given"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[message for *_, message in ERRORS])
def test_errors_name_the_argument_and_what_would_be_right(call: Any, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
