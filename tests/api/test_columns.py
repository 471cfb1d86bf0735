"""The columns of data frames: kept by training, and asked of every later frame, as scikit-learn does."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
import pytest

VALUES = np.random.default_rng(5).normal(size=(12, 3))
TARGETS = VALUES @ [1.0, 10.0, 100.0]
LACKS = "x has no column names, but this model was trained with them"


def frame(columns: Any = ("a", "b", "c"), values: Any = VALUES, library: str = "pandas") -> Any:
    frames = pytest.importorskip(library)
    return frames.DataFrame(dict(zip(columns, np.asarray(values).T)))


def network() -> bp.Sequential:
    net = bp.Sequential([bp.Dense(1)])
    net.compile(bp.SGD(1e-3), "mse")
    return net


def fitted(x: Any) -> bp.Sequential:
    net = network()
    net.fit(x, TARGETS, verbose=0)
    return net


def outcome(predict: Callable[[], Any], words: tuple[str, str]) -> str:
    """What comes of it: error, warning or taken, with the words that the error and the warning hold."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            predict()
        except ValueError as error:
            return "error" if words[0] in str(error) else f"another error: {error}"
    assert all(words[1] in str(warning.message) for warning in caught)
    return "warning" if caught else "taken"


LATER: dict[str, Callable[[], Any]] = {
    "the same": frame,
    "another order": lambda: frame()[["b", "a", "c"]],
    "another name": lambda: frame(("a", "b", "d")),
    "one more": lambda: frame().assign(d=1.0),
    "one less": lambda: frame()[["a", "b"]],
    "an array": lambda: VALUES,
    "a list": lambda: VALUES.tolist(),
    "an unnamed frame": lambda: frame(range(3)),
    "the same in polars": lambda: frame(library="polars"),
    "another order in polars": lambda: frame(library="polars")[["b", "a", "c"]],
}


@pytest.mark.parametrize("later", LATER)
def test_decisions_are_those_of_scikit_learn(later: str) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    x = LATER[later]()
    judge = linear.LinearRegression().fit(frame(), TARGETS)
    expected = outcome(lambda: judge.predict(x), ("feature names", "does not have valid feature names"))
    regression = bp.linear_regression(frame(), TARGETS)
    net = fitted(frame())
    calls: list[Callable[[], Any]] = [
        lambda: regression.predict(x),
        lambda: copy.copy(net).predict(x),
        lambda: copy.copy(net).evaluate(x, TARGETS),
        lambda: copy.copy(net).fit(x, TARGETS, verbose=0),
        lambda: copy.copy(net).train_on_batch(x, TARGETS),
        lambda: copy.copy(net).loss_and_gradients(x, TARGETS),
        lambda: copy.copy(net).fit(frame(), TARGETS, validation_data=(x, TARGETS), verbose=0),
    ]
    for call in calls:
        assert outcome(call, ("x must have", "x has no column names, but")) == expected, inspect.getsource(call)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_names_are_kept(library: str) -> None:
    net = fitted(frame(library=library))
    assert net.feature_names_in_ == ["a", "b", "c"]
    assert bp.linear_regression(frame(library=library), TARGETS).feature_names_in_ == ["a", "b", "c"]
    assert fitted(VALUES).feature_names_in_ is None
    assert bp.linear_regression(VALUES, TARGETS).feature_names_in_ is None
    net = network()
    net.train_on_batch(frame(library=library), TARGETS)
    assert net.feature_names_in_ == ["a", "b", "c"]


def test_messages_say_what_differs() -> None:
    net = fitted(frame())
    for x, words in (
        (frame(("a", "d", "e")), r"x .* this model was trained with: missing 'b', 'c', unexpected 'd', 'e'; feature_n"),
        (frame().assign(d=1.0), r"trained with: unexpected 'd'; feature_names_in_ = None forgets them$"),
        (frame()[["a", "c", "b"]], r"in the order .*: from column 1 on 'b', 'c', got 'c', 'b';"),
    ):
        with pytest.raises(ValueError, match=words):
            net.predict(x)
    many = [f"column {i}" for i in range(8)]
    wide = frame(many, np.ones((3, 8)))
    with pytest.raises(ValueError, match=r"got 'column 7', 'column 6', 'column 5', 'column 4', 'column 3', …$"):
        bp.linear_regression(wide, [1.0, 2.0, 3.0]).predict(wide[many[::-1]])


def test_names_that_are_numbers_are_names_too() -> None:
    """scikit-learn keeps text alone, and takes the years of a pivoted table in any order."""
    years = frame((2019, 2020, 2021))
    with pytest.raises(ValueError, match="from column 0 on 2019, 2020, 2021, got 2021, 2020, 2019"):
        fitted(years).predict(years[[2021, 2020, 2019]])
    numbered = frame(range(3))
    net = fitted(numbered)
    with pytest.raises(ValueError, match="from column 0 on 0, 1, 2, got 1, 0, 2"):
        net.predict(numbered[[1, 0, 2]])
    net.predict(VALUES)  # an array's columns have the same numbers: no warning


def test_columns_of_a_fit_that_was_refused_are_not_kept() -> None:
    net = network()
    other = frame()[["b", "a", "c"]]
    with pytest.raises(ValueError, match="validation x must have its columns in the order"):
        net.fit(frame(), TARGETS, validation_data=(other, TARGETS), verbose=0)
    with pytest.raises(TypeError, match="callbacks"):
        net.fit(frame(), TARGETS, callbacks=[3], verbose=0)
    assert net.feature_names_in_ is None
    assert not net.built
    net.fit(other, TARGETS, verbose=0)
    assert net.feature_names_in_ == ["b", "a", "c"]


def test_training_with_other_columns_changes_nothing_until_the_names_are_forgotten() -> None:
    net = fitted(frame())
    other = frame()[["b", "a", "c"]]
    before = net.get_weights()
    for train in (net.train_on_batch, lambda x, y: net.fit(x, y, verbose=0)):
        with pytest.raises(ValueError, match="feature_names_in_ = None forgets them"):
            train(other, TARGETS)
    np.testing.assert_equal(net.get_weights(), before)
    with pytest.raises(ValueError, match="feature_names_in_ can only be set to None"):
        net.feature_names_in_ = ["b", "a", "c"]
    net.feature_names_in_ = None
    np.testing.assert_equal(net.get_weights(), before)
    net.predict(frame(("x", "y", "z")))  # nothing to compare with
    net.fit(other, TARGETS, verbose=0)
    assert net.feature_names_in_ == ["b", "a", "c"]


def test_one_warning_says_that_names_are_lacking() -> None:
    net = network()
    net.train_on_batch(VALUES, TARGETS)  # arrays like it are not looked at from now on
    net.predict(VALUES)
    net.fit(frame(), TARGETS, verbose=0)
    with pytest.warns(UserWarning, match=LACKS) as caught:
        net.predict(VALUES)
    assert [warning.filename for warning in caught] == [__file__]
    for x in (VALUES, VALUES.tolist(), VALUES.astype("f4"), frame(range(3))):
        net.predict(x)
        net.train_on_batch(x, TARGETS)
    with pytest.raises(ValueError, match="order"):
        net.predict(frame()[["b", "a", "c"]])
    net.feature_names_in_ = None
    net.fit(frame(), TARGETS, verbose=0)
    with pytest.warns(UserWarning, match=LACKS) as caught:
        net.fit(VALUES, TARGETS, epochs=2, verbose=0)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_and_pickles_keep_the_names(copied: Callable[[Any], Any]) -> None:
    net = copied(fitted(frame()))
    assert net.feature_names_in_ == ["a", "b", "c"]
    net.predict(frame())
    with pytest.raises(ValueError, match="order"):
        net.predict(frame()[["b", "a", "c"]])
    regression = copied(bp.linear_regression(frame(), TARGETS))
    with pytest.raises(ValueError, match="the order that the regression was trained with"):
        regression.predict(frame()[["b", "a", "c"]])


def test_every_input_has_columns_of_its_own() -> None:
    one, two = bp.input("one", (2,)), bp.input("two", (1,))
    net = bp.Model([one, two], bp.Dense(1)(bp.concatenate([one, two])))
    net.compile("sgd", "mse")
    first, second = frame()[["a", "b"]], frame()[["c"]]
    assert net.feature_names_in_ is None
    net.fit({"one": first, "two": second.to_numpy()}, TARGETS, verbose=0)
    assert net.feature_names_in_ == {"one": ["a", "b"], "two": None}
    net.fit([first, second], TARGETS, verbose=0)
    assert net.feature_names_in_ == {"one": ["a", "b"], "two": ["c"]}
    with pytest.raises(ValueError, match=r"two must have the columns .*: missing 'c', unexpected 'a'"):
        net.predict({"one": first, "two": frame()[["a"]]})
    with pytest.raises(ValueError, match="one must have its columns in the order"):
        net.predict([first[["b", "a"]], second])
    net.predict([first, second])


def test_a_series_has_no_columns() -> None:
    regression = bp.linear_regression(frame()["a"], TARGETS)
    assert regression.feature_names_in_ is None
    regression.predict(frame()["b"])
