"""Data of any dtype and layout give the bits of their converted copies; anything else raises a clear error."""

import fastbp as bp
import numpy as np
import pytest
from fastbp.lowering import arrays, domains

VALUES = np.random.default_rng(8).integers(0, 2, size=(30, 4))


@pytest.fixture(params=["reference", "core"])
def backend(request):
    if request.param == "core":
        pytest.importorskip("fastbp._core")
    return request.param


def trained(x, y, backend, dtype="float32"):
    net = bp.Sequential([bp.Dense(3, activation="tanh"), bp.Dense(1)], dtype=dtype)
    net.compile(bp.SGD(0.1), "mse", backend=backend)
    net.fit(x, y, batch_size=7, epochs=2, verbose=0)
    return net.get_weights(), net.predict(x)


def same(a, b):
    return all(p.tobytes() == q.tobytes() for p, q in zip([*a[0], a[1]], [*b[0], b[1]]))


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", ">f4", ">i2", ">f8", "<f4"]
)
def test_a_dtype_changes_no_bit(dtype, backend):
    expected = trained(VALUES.astype(np.float32), VALUES[:, 0].astype(np.float32), backend)
    assert same(trained(VALUES.astype(dtype), VALUES[:, 0].astype(dtype), backend), expected)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "lists": lambda a: a.tolist(),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_changes_no_bit(layout, backend):
    y = VALUES[:, :1].astype(np.float32)
    expected = trained(VALUES.astype(np.float32), y, backend)
    x = LAYOUTS[layout](VALUES.astype(np.float32))
    assert same(trained(x, LAYOUTS[layout](y), backend), expected)


def test_a_memory_map_is_read_in_place(tmp_path, backend):
    path = tmp_path / "x.bin"
    VALUES.astype(np.uint8).tofile(path)
    x = np.memmap(path, np.uint8, "r", shape=VALUES.shape)
    array = arrays.as_array(x, "x")
    assert np.shares_memory(array, x)
    assert array.dtype == np.uint8
    assert same(trained(x, VALUES[:, 0], backend), trained(VALUES.astype(np.float32), VALUES[:, 0], backend))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_data(library, backend):
    frames = pytest.importorskip(library)
    x = VALUES.astype(np.float64)
    frame = frames.DataFrame({name: x[:, i] for i, name in enumerate("abcd")})
    assert same(trained(frame, frame["a"], backend), trained(x, x[:, 0], backend))


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.array([["a"]]), TypeError, "x must hold real numbers, got strings"),
        (np.array([[1j]]), TypeError, "x must hold real numbers, got complex numbers"),
        (np.array([[object()]]), TypeError, "x must hold real numbers, got objects"),
        (np.array([["2020-01-01"]], "M8[D]"), TypeError, "got dates"),
        ([[1.0], [2.0, 3.0]], TypeError, "x must be an array of numbers"),
        (np.ma.array([[1.0]], mask=[[True]]), TypeError, "masked"),
        (3.0, ValueError, "axis of rows"),
        (None, TypeError, "x must hold real numbers"),
    ],
)
def test_what_is_no_data_is_named(value, error, message):
    net = bp.Sequential([bp.Dense(1)])
    net.compile(loss="mse", backend="reference")
    with pytest.raises(error, match=message):
        net.predict(value)


def test_check_finite_names_row_and_column(backend):
    x = VALUES.astype(np.float64)
    x[17, 2] = np.nan
    net = bp.Sequential([bp.Dense(1)])
    net.compile(loss="mse", backend=backend)
    with pytest.raises(ValueError, match="row 17, column 2"):
        net.fit(x, VALUES[:, 0], check_finite=True, verbose=0)


def test_labels_far_down_are_checked():
    labels = np.zeros(200_000)
    domains.labels(3).check(labels, "y")
    labels[150_009] = 3
    with pytest.raises(ValueError, match=r"y must hold whole labels 0 … 2, got 3.0 in row 150009"):
        domains.labels(3).check(labels, "y")
