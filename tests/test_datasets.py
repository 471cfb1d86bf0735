"""The data that ship with fastbp, MNIST's files, and the split."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from fastbp.datasets import load_digits, load_mnist, stratified_split
from mnist_files import idx, write_mnist


def test_the_digits_are_1797_images_of_64_pixels_from_0_to_16() -> None:
    x, y = load_digits()
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((1797, 64), np.uint8, (1797,), np.uint8)
    assert (x.min(), x.max(), int(x.sum())) == (0, 16, 561718)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_digits_equal_those_of_scikit_learn() -> None:
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    data, target = sklearn_datasets.load_digits(return_X_y=True)
    x, y = load_digits()
    np.testing.assert_array_equal(x, data)
    np.testing.assert_array_equal(y, target)


def test_a_split_holds_every_row_once_and_every_class_in_proportion() -> None:
    y = np.random.default_rng(0).integers(0, 5, 203)
    kept, held_out = stratified_split(y, 0.25, seed=3)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(203))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held_out) > 0).all()
    counts, held = np.bincount(y), np.bincount(y[held_out])
    np.testing.assert_array_equal(held, np.floor(counts * 0.25 + 0.5))


def test_a_split_is_the_seeds_alone() -> None:
    y = np.repeat([3, 1, 2], 4)
    first, again, other = (stratified_split(y, 0.5, seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again == [0, 3, 6, 7, 8, 9]
    assert first != other


def test_a_split_takes_any_sortable_classes() -> None:
    kept, held_out = stratified_split(["b", "a", "b", "a"], 0.5)
    assert len(kept) == len(held_out) == 2


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_a_split_refuses_fractions_outside_0_to_1(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction must lie between 0 and 1, got"):
        stratified_split([0, 1], fraction)


def test_a_split_refuses_one_hot_classes() -> None:
    with pytest.raises(ValueError, match=r"y must have one axis, a class per row, but has shape \(4, 2\)"):
        stratified_split(np.zeros((4, 2)), 0.5)


def test_mnist_files_are_read_zipped_or_not(tmp_path: Path) -> None:
    arrays = write_mnist(tmp_path)
    (x_train, y_train), (x_test, y_test) = load_mnist(tmp_path)
    np.testing.assert_array_equal(x_train, arrays["train-images-idx3-ubyte"].reshape(40, 784))
    np.testing.assert_array_equal(y_train, arrays["train-labels-idx1-ubyte"])
    np.testing.assert_array_equal(x_test, arrays["t10k-images-idx3-ubyte"].reshape(20, 784))
    np.testing.assert_array_equal(y_test, arrays["t10k-labels-idx1-ubyte"])


def test_a_missing_mnist_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        load_mnist(tmp_path / "nowhere")


def test_all_missing_mnist_files_are_named(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="lacks train-images-idx3-ubyte, t10k-labels-idx1-ubyte"):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "must hold 31360 bytes of data for its shape .*, but holds 31359"),
        (lambda content: content + b"\0", "must hold 31360 bytes of data for its shape .*, but holds 31361"),
        (lambda content: content[:10], "must begin with the idx header"),
        (lambda content: b"\x89PNG" + content, "but begins with 89 50 4e 47"),
        (lambda content: b"", "but begins with nothing"),
    ],
)
def test_damaged_mnist_files_are_refused(tmp_path: Path, damage, message: str) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        load_mnist(tmp_path)


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"nothing zipped"])
def test_damaged_zipped_mnist_files_are_refused(tmp_path: Path, damage) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="is not a whole gzip file"):
        load_mnist(tmp_path)


def test_mnist_images_and_labels_must_agree(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(39, np.uint8))))
    with pytest.raises(ValueError, match="there are 40 images and 39 labels"):
        load_mnist(tmp_path)


@pytest.mark.skipif("FASTBP_DATA" not in os.environ, reason="FASTBP_DATA names no folder with MNIST's four files")
def test_the_real_mnist_has_60000_and_10000_images() -> None:
    (x_train, y_train), (x_test, y_test) = load_mnist(os.environ["FASTBP_DATA"])
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == (
        (60000, 784),
        (60000,),
        (10000, 784),
        (10000,),
    )
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
