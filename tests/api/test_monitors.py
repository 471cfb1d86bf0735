"""EarlyStopping and ReduceLROnPlateau against their own sentences: figures in, epochs at which they act out.

The tables were written from the docstrings alone.
"""

from __future__ import annotations

import math
from typing import Any

import fastbp as bp
import numpy as np
import pytest

NAN = math.nan


def network(metrics: Any = None) -> bp.Sequential:
    net = bp.Sequential([bp.Dense(1, kernel_initializer="zeros")])
    net.compile(bp.SGD(0.0), "mse", metrics=metrics)
    net.build((1,))
    return net


def stops_after(figures: list[float], **options: Any) -> int | None:
    """The epoch, from 0, after which training ends; None if it goes on to the end."""
    net, stop = network(), bp.EarlyStopping("val_loss", **options)
    stop.set_model(net)
    stop.on_train_begin({})
    for epoch, figure in enumerate(figures):
        stop.on_epoch_end(epoch, {"val_loss": figure})
        if net.stop_training:
            assert stop.stopped
            assert stop.stopped_epoch == epoch
            return epoch
    assert not stop.stopped
    return None


@pytest.mark.parametrize(
    ("figures", "options", "epoch"),
    [
        # patience: epochs without improvement after which training ends
        ([3, 2, 1, 0], {}, None),
        ([3, 3], {}, 1),
        ([3, 4, 2], {}, 1),
        ([3, 3, 3, 3], {"patience": 1}, 1),
        ([3, 3, 3, 3], {"patience": 2}, 2),
        ([3, 3, 2, 2, 2], {"patience": 2}, 4),
        ([3, 4, 3.5, 2.9, 5], {"patience": 3}, None),
        ([NAN, 3], {"patience": 1}, 0),
        ([3, NAN, 2], {"patience": 2}, None),
        # min_delta: an improvement must be larger than this
        ([3, 2.5, 2.1], {"min_delta": 1}, 1),
        ([3, 2, 1], {"min_delta": 1}, 1),
        ([3, 1.9, 0.8], {"min_delta": 1}, None),
        ([3, 2.5, 1.9], {"min_delta": 1, "patience": 2}, None),
        # mode
        ([1, 2, 3, 3], {"mode": "max"}, 3),
        ([1, 2, 3, 3], {"mode": "min"}, 1),
        # baseline: epochs that are not better than this count as epochs without improvement
        ([3, 2, 1], {"baseline": 0.5}, 0),
        ([3, 2, 1, 0.9], {"baseline": 0.5, "patience": 3}, 2),
        ([3, 2, 0.4, 0.3, 0.4, 0.4, 0.4], {"baseline": 0.5, "patience": 3}, 6),
        # start_from_epoch: epochs before are not looked at
        ([1, 2, 3, 2.5, 2.6], {"start_from_epoch": 2}, 4),
        ([1, 1, 1, 1], {"start_from_epoch": 2}, 3),
        ([1, 1], {"start_from_epoch": 5}, None),
        # target: the first epoch whose figure is at least this good
        ([3, 3, 3, 1, 0], {"target": 1}, 3),
        ([3, 3, 3, 1.1], {"target": 1}, None),
        ([0.5], {"target": 1}, 0),
        ([3, 3, 1], {"target": 1, "patience": 1}, 1),
        ([1, 2, 3], {"target": 2, "mode": "max"}, 1),
    ],
)
def test_early_stopping_ends_as_it_says(figures: list[float], options: dict[str, Any], epoch: int | None) -> None:
    assert stops_after(figures, **options) == epoch


def reduces_after(figures: list[float], **options: Any) -> list[int]:
    net = network()
    assert net.optimizer is not None
    net.optimizer.learning_rate = 1.0
    plateau = bp.ReduceLROnPlateau("val_loss", factor=0.5, **options)
    plateau.set_model(net)
    plateau.on_train_begin({})
    reduced = []
    for epoch, figure in enumerate(figures):
        before = net.optimizer.learning_rate
        plateau.on_epoch_end(epoch, {"val_loss": figure})
        reduced += [epoch] if net.optimizer.learning_rate < before else []
    return reduced


@pytest.mark.parametrize(
    ("figures", "options", "epochs"),
    [
        ([2] * 9, {"patience": 2}, [2, 4, 6, 8]),
        ([2] * 9, {"patience": 1}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ([2] * 9, {"patience": 3}, [3, 6]),
        ([2, 2, 1, 1, 1], {"patience": 2}, [4]),
        # cooldown: epochs after a reduction in which none counts as one without improvement
        ([2] * 12, {"patience": 2, "cooldown": 1}, [2, 5, 8, 11]),
        ([2] * 12, {"patience": 2, "cooldown": 2}, [2, 6, 10]),
        ([2] * 12, {"patience": 1, "cooldown": 3}, [1, 5, 9]),
        ([2, 2, 2, 1, 1, 1, 1], {"patience": 2, "cooldown": 1}, [2, 5]),
        # min_delta
        ([2, 1.5, 1.2], {"patience": 2, "min_delta": 1}, [2]),
        ([2, 0.9, -0.2], {"patience": 1, "min_delta": 1}, []),
        # min_lr: the rate does not go below this
        ([2] * 5, {"patience": 1, "min_lr": 0.3}, [1, 2]),
        ([1, 2, 3, 3], {"patience": 1, "mode": "max"}, [3]),
    ],
)
def test_the_plateau_reduces_as_it_says(figures: list[float], options: dict[str, Any], epochs: list[int]) -> None:
    assert reduces_after(figures, **options) == epochs


# --- the direction


def r2(y: Any, a: Any) -> Any:
    return 1.0 - bp.mean(bp.square(y - a)) / bp.mean(bp.square(y))


X = np.linspace(-1, 1, 32)[:, None]


@pytest.mark.parametrize("make", [bp.EarlyStopping, bp.ReduceLROnPlateau])
@pytest.mark.parametrize("monitor", ["r2", "val_r2"])
def test_the_direction_of_an_unknown_figure_is_asked_for(make: Any, monitor: str) -> None:
    net = network([r2])
    weights = net.get_weights()
    with pytest.raises(ValueError, match=rf"mode must be 'min' or 'max' for '{monitor}'"):
        net.fit(X, 3 * X, epochs=5, verbose=0, validation_data=(X, X), callbacks=[make(monitor, patience=3)])
    assert [w.tobytes() for w in net.get_weights()] == [w.tobytes() for w in weights]
    assert net._session.steps == 0
    net.fit(X, 3 * X, epochs=5, verbose=0, validation_data=(X, X), callbacks=[make(monitor, patience=3, mode="max")])


@pytest.mark.parametrize(
    ("monitor", "mode"), [("mae", "min"), ("val_mse", "min"), ("accuracy", "max"), ("loss", "min")]
)
def test_the_direction_of_losses_and_accuracies_is_known(monitor: str, mode: str) -> None:
    net = network(["mae", "mse", "accuracy"])
    stop = bp.EarlyStopping(monitor)
    net.fit(X, X, epochs=1, verbose=0, validation_data=(X, X), callbacks=[stop])
    assert stop.mode == mode


@pytest.mark.parametrize("make", [bp.EarlyStopping, bp.ReduceLROnPlateau])
def test_a_figure_that_is_not_there_is_one_warning(make: Any) -> None:
    net = network()
    with pytest.warns(UserWarning, match="monitors 'val_loss', which is not there: loss") as caught:
        net.fit(X, X, epochs=5, verbose=0, callbacks=[make()])
    assert len(caught) == 1
