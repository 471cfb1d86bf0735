"""Data frames, byte orders, memory maps and layouts: what the public interface accepts, and what its errors say."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp import _core
from fastbp.lowering import arrays

VALUES = np.random.default_rng(3).integers(0, 100, size=(40, 5))
BACKENDS = ["core", "reference"]


def network(backend: str = "core", dtype: str = "float32") -> bp.Sequential:
    net = bp.Sequential([bp.Rescaling(1 / 100), bp.Dense(3, activation="tanh"), bp.Dense(1)], dtype=dtype)
    net.compile(bp.SGD(0.1), "mse", backend=backend)
    return net


def trained(x: Any, y: Any, backend: str = "core", dtype: str = "float32") -> bytes:
    net = network(backend, dtype)
    net.fit(x, y, batch_size=7, epochs=2, verbose=0)
    return b"".join(w.tobytes() for w in net.get_weights()) + net.predict(x).tobytes()


# --- byte orders


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("swapped", [">f2", ">f4", ">f8", ">i2", ">u2", ">i4", ">u4", ">i8", ">u8"])
@pytest.mark.parametrize("layout", ["rows", "columns", "strided", "one column", "many columns"])
def test_the_other_byte_order_changes_no_bit(swapped: str, layout: str, dtype: str) -> None:
    native = (VALUES - 50 * (swapped[1] != "u")).astype(swapped[1:])
    native = np.abs(native) if swapped[1] == "u" else native
    if layout == "many columns":
        native = np.tile(native, (1, 40))
    if layout == "one column":
        native = native[:, :1]
    x = native.astype(swapped)
    x = {"columns": np.asfortranarray, "strided": lambda a: np.repeat(a, 3, axis=1)[:, ::3]}.get(layout, np.asarray)(x)
    assert not x.dtype.isnative
    assert arrays.as_array(x, "x") is x
    for isa in _core.available_isas():
        _core.set_isa(isa)
        assert trained(x, native[:, 0].astype(swapped), dtype=dtype) == trained(native, native[:, 0], dtype=dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f4", ">i2"])
@pytest.mark.parametrize("mode", ["r", "c"])
def test_maps_are_read_in_place(tmp_path: Path, dtype: str, mode: str, backend: str) -> None:
    VALUES.astype(dtype).tofile(tmp_path / "x")
    x = np.memmap(tmp_path / "x", dtype, mode, shape=VALUES.shape)
    assert np.shares_memory(arrays.as_array(x, "x"), x)
    expected = trained(VALUES.astype(np.float32), VALUES[:, 0], backend)
    assert trained(x, x[:, 0], backend) == expected
    assert (x == VALUES).all()


def test_a_split_of_a_map_copies_nothing(tmp_path: Path) -> None:
    VALUES.astype(">f4").tofile(tmp_path / "x")
    x = np.memmap(tmp_path / "x", ">f4", "r", shape=VALUES.shape)
    seen: list[np.ndarray] = []

    class Watched(bp.Sequential):
        def _evaluated(self, data: Any, *others: Any, **named: Any) -> list[float]:
            seen.extend(data.arrays)
            return super()._evaluated(data, *others, **named)

    net = Watched([bp.Dense(1)])
    net.compile(bp.SGD(1e-6), "mse")
    net.fit(x, x[:, :1], validation_split=0.25, verbose=0)
    assert [len(array) for array in seen] == [10, 10]
    assert all(np.shares_memory(array, x) for array in seen)


# --- data frames


def frame(library: str) -> Any:
    frames = pytest.importorskip(library)
    return frames.DataFrame({name: VALUES[:, i].astype(np.float64) for i, name in enumerate("abcde")})


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_one_column_is_a_target_as_series_and_as_frame(library: str) -> None:
    x = frame(library)
    expected = trained(VALUES.astype(np.float64), VALUES[:, :1])
    assert trained(x, x["a"]) == expected
    assert trained(x, x[["a"]]) == expected
    assert trained(x.to_numpy().tolist(), x["a"].to_list()) == expected


def test_columns_of_several_kinds_are_numbers() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {"a": VALUES[:, 0] * 0.5, "b": VALUES[:, 1] > 50, "c": VALUES[:, 2].astype("u1")}
    expected = trained(np.column_stack([column.astype(np.float64) for column in columns.values()]), columns["a"])
    nullable = pandas.DataFrame(columns).astype({"a": "Float64", "b": "boolean", "c": "UInt8"})
    for x in (pandas.DataFrame(columns), nullable, polars.DataFrame(columns)):
        assert trained(x, x["a"]) == expected
    assert trained(nullable[["c"]], nullable["b"]) == trained(columns["c"][:, None], columns["b"])


def test_missing_values_are_nan_and_check_finite_finds_them() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frames = [
        pandas.DataFrame({"a": pandas.array([1, 2, None], "Int64"), "b": [True, False, True]}),
        pandas.DataFrame({"a": pandas.array([1.0, 2.0, None], "Float64"), "b": pandas.array([1, 0, 1], "boolean")}),
        polars.DataFrame({"a": [1, 2, None], "b": [True, False, True]}),
    ]
    for x in frames:
        np.testing.assert_array_equal(arrays.as_array(x, "x"), [[1, 1], [2, 0], [np.nan, 1]])
        with pytest.raises(ValueError, match="row 2, column 0 is nan"):
            network().fit(x, [1, 2, 3], check_finite=True, verbose=0)
    answers = polars.Series([True, None])
    np.testing.assert_array_equal(arrays.as_array(answers, "y"), [1, np.nan])


def test_a_column_without_numbers_is_named() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {"size": [1.0, 2.0], "colour": ["red", "1.5"]}
    for x in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        with pytest.raises(TypeError, match=r"x must hold real numbers, got \w+ in column 'colour'; for labels, pass"):
            network().predict(x)
    with pytest.raises(TypeError, match="y must hold real numbers, got category; for labels"):
        network().fit([[1.0], [2.0]], pandas.Series(["a", "b"], dtype="category"), verbose=0)
    with pytest.raises(TypeError, match="x must hold real numbers, got LazyFrame"):
        network().predict(polars.DataFrame(columns).lazy())


NOW, DAY = datetime.datetime(2020, 1, 1, 12), datetime.timedelta(1)
TIMES = {"date": [NOW.date()] * 2, "datetime": [NOW, NOW + DAY], "duration": [DAY, DAY], "time": [NOW.time()] * 2}


@pytest.mark.parametrize("beside", [True, False], ids=["beside numbers", "alone"])
@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_dates_and_times_are_no_numbers(library: str, kind: str, beside: bool) -> None:
    """polars makes numbers of them: days, microseconds or nanoseconds."""
    frames = pytest.importorskip(library)
    columns = {"size": [1.0, 2.0], "when": TIMES[kind]}
    x = frames.DataFrame(columns if beside else {"when": TIMES[kind]})
    known = library == "polars" or kind in ("datetime", "duration")  # pandas keeps the others as objects
    hint = "pass numbers, such as days since a date" if known else "for labels"
    with pytest.raises(TypeError, match=rf"x must hold real numbers, got .* in column 'when'; {hint}"):
        network().fit(x, [1.0, 2.0], verbose=0)
    with pytest.raises(TypeError, match=f"y must hold real numbers, got .*; {hint}"):
        network().fit([[1.0], [2.0]], frames.Series(TIMES[kind]), verbose=0)


def test_numbers_that_pandas_keeps_as_objects_are_named() -> None:
    pandas = pytest.importorskip("pandas")
    x = pandas.DataFrame({"a": [1.0, 2.0], "b": np.array([1, 2], object)})
    with pytest.raises(TypeError, match=r"got object in column 'b'; .* for numbers, convert the column with astype"):
        network().predict(x)
    dates = pandas.DataFrame({"a": pandas.Categorical(pandas.to_datetime([NOW, NOW + DAY]))})
    with pytest.raises(TypeError, match="got category in column 'a'; pass numbers, such as days"):
        network().predict(dates)


def test_a_polars_series_of_arrays_is_rows_of_numbers() -> None:
    polars = pytest.importorskip("polars")
    rows = polars.Series([[1.0, 2.0], [3.0, 4.0]], dtype=polars.Array(polars.Float64, 2))
    np.testing.assert_array_equal(arrays.as_array(rows, "x"), [[1, 2], [3, 4]])
    nested = polars.Series([[[1, 2]], [[3, 4]]], dtype=polars.Array(polars.Array(polars.Int16, 2), 1))
    np.testing.assert_array_equal(arrays.as_array(nested, "x"), [[[1, 2]], [[3, 4]]])
    empty = polars.DataFrame({"a": [1, 2], "b": [None, None]})
    np.testing.assert_array_equal(arrays.as_array(empty, "x"), [[1, np.nan], [2, np.nan]])
    days = polars.Series([TIMES["date"]], dtype=polars.Array(polars.Date, 2))
    for wrong in (days, polars.Series([{"a": 1}, {"a": 2}])):
        with pytest.raises(TypeError, match=r"x must hold real numbers, got (Array|Struct)"):
            arrays.as_array(wrong, "x")


# --- invalid data: the same errors in both backends


class Sparse:
    def toarray(self) -> np.ndarray:
        return VALUES


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (VALUES.astype(complex), TypeError, "x must hold real numbers, got complex numbers"),
        (VALUES.astype(str), TypeError, "x must hold real numbers, got strings; for labels, pass whole numbers"),
        (VALUES.astype("S"), TypeError, "x must hold real numbers, got bytes"),
        (VALUES.astype(object), TypeError, r"x must hold real numbers, got objects: pass np.asarray\(x, np.float64\)"),
        ([[1.0, None]], TypeError, "x must hold real numbers, got objects such as None"),
        (VALUES.astype("m8[s]"), TypeError, "x must hold real numbers, got times"),
        (Sparse(), TypeError, r"x must hold real numbers, got Sparse: pass x.toarray\(\)"),
        ({1, 2}, TypeError, "x must hold real numbers, got set"),
        ((row for row in VALUES), TypeError, "x must hold real numbers, got generator"),
        ([[1.0], [2.0, 3.0]], TypeError, "x must be an array of numbers"),
        (np.float32(3), ValueError, r"x must have an axis of rows, got a single number: pass \[3.0\] for one row"),
        (VALUES[:, :4], ValueError, "x has 4 features, but this network was built for 5"),
        (VALUES[0], ValueError, r"x has the shape \(5,\), but this network was built for \(rows, 5\)"),
        (VALUES[None], ValueError, r"x has the shape \(1, 40, 5\), but this network was built for \(rows, 5\)"),
        ([VALUES, VALUES], ValueError, r"x has the shape \(2, 40, 5\)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_what_is_no_data_is_named_before_anything_happens(x: Any, error: Any, message: str, backend: str) -> None:
    net = network(backend)
    net.build((5,))
    before = net.get_weights()
    for act in (net.predict, lambda x: net.fit(x, VALUES[:, 0], verbose=0), lambda x: net.evaluate(x, VALUES[:, 0])):
        with pytest.raises(error, match=message):
            act(x)
    assert all((a == b).all() for a, b in zip(before, net.get_weights()))


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_rows(backend: str) -> None:
    net = network(backend)
    assert net.predict(VALUES[:0]).shape == (0, 1)
    for act in (net.fit, net.evaluate, net.train_on_batch, net.loss_and_gradients):
        with pytest.raises(ValueError, match="x must have at least 1 row, got 0"):
            act(VALUES[:0], VALUES[:0, 0])
    w = bp.parameter(1.0)
    with pytest.raises(ValueError, match="data must have at least 1 row, got 0"):
        bp.minimize(bp.sum(bp.input("x") * w), {"x": VALUES[:0, 0]}, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", ["array", "map", "big-endian map", "float"])
def test_a_label_out_of_range_is_named(tmp_path: Path, how: str, backend: str) -> None:
    labels = VALUES[:, 0] % 3
    labels[31] = 3
    dtype = {"float": "f8", "big-endian map": ">i4"}.get(how, "i8")
    labels.astype(dtype).tofile(tmp_path / "y")
    y = np.memmap(tmp_path / "y", dtype, "r") if "map" in how else labels.astype(dtype)
    net = bp.Sequential([bp.Dense(3, activation="softmax")])
    net.compile(loss="sparse_categorical_crossentropy", backend=backend)
    for act in (net.train_on_batch, net.evaluate, lambda x, y: net.fit(x, y, verbose=0)):
        with pytest.raises(ValueError, match=r"y must hold whole labels 0 … 2, got 3(\.0)? in row 31"):
            act(VALUES, y)
    with pytest.raises(ValueError, match=r"validation y must hold whole labels|y must hold whole labels"):
        net.fit(VALUES[:9], y[:9], validation_data=(VALUES, y), verbose=0)
    assert net._session.steps == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1, 0.5])
def test_a_label_that_is_no_label_is_named(bad: float) -> None:
    y = np.zeros(40)
    y[7] = bad
    net = bp.Sequential([bp.Dense(3, activation="softmax")])
    net.compile(loss="categorical_crossentropy")
    with pytest.raises(ValueError, match=f"y must hold whole labels 0 … 2, got {bad}.* in row 7"):
        net.fit(VALUES, y, verbose=0)


# --- check_finite


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("what", ["x", "y"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_check_finite_names_the_first_bad_number_before_its_step(
    bad: float, what: str, threads: int, backend: str
) -> None:
    bp.set_num_threads(threads)
    _core.testing.share_always(True)
    data = {"x": VALUES.astype(np.float64), "y": VALUES[:, :1].astype(np.float64)}
    for row, column in ((23, -1), (22, -1), (21, -1), (20, -1), (39, 0)):  # some in one batch, found by several threads
        data[what][row, column] = bad
    net = network(backend)
    column = 4 if what == "x" else 0
    with pytest.raises(ValueError, match=f"input '{what}' must be finite, row 20, column {column} is {bad}$"):
        net.fit(data["x"], data["y"], batch_size=8, shuffle=False, check_finite=True, verbose=0)
    assert (net._session.steps, net._session.epochs) == (2, 0)  # of the batches before
    twin = network(backend)
    for start in (0, 8):
        twin.train_on_batch(data["x"][start : start + 8], data["y"][start : start + 8])
    assert net.get_weights()[0].tobytes() == twin.get_weights()[0].tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_only_the_dtype_makes_infinite_is_found_too(backend: str) -> None:
    x = VALUES.astype(np.float64)
    x[3, 2] = 1e39
    with pytest.raises(ValueError, match="row 3, column 2 is inf"):
        network(backend).fit(x, VALUES[:, 0], check_finite=True, verbose=0)
    network(backend, "float64").fit(x, VALUES[:, 0], check_finite=True, verbose=0, batch_size=1, epochs=0)
