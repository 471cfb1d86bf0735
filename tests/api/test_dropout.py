"""Dropout: masks per row and per batch, exact numbers of nodes, scaling as in the lecture, Monte-Carlo predictions."""

import itertools

import fastbp as bp
import numpy as np
import pytest

ROWS, WIDTH = 32, 10


@pytest.fixture(params=["reference", "core"])
def backend(request):
    if request.param == "core":
        pytest.importorskip("fastbp._core")
    return request.param


def dropped(backend, rate=0.5, rows=ROWS, width=WIDTH, training=True, **options):
    x = bp.input("x", (width,))
    f = bp.function([x], bp.dropout(x, rate, **options), training=training, backend=backend)
    return f(np.ones((rows, width)))


def test_a_mask_per_batch_is_the_same_for_all_its_rows(backend):
    per_batch, per_row = dropped(backend, per="batch"), dropped(backend, per="row")
    assert (per_batch == per_batch[0]).all()
    assert 0 < np.count_nonzero(per_batch[0]) < WIDTH
    assert not (per_row == per_row[0]).all()


class Masks(bp.Callback):
    """The inputs that dropout kept in each batch: after an SGD step from weights of 0, only their weights are not 0."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        (weights,) = self.model.get_weights()
        self.seen.append(weights[:, 0] != 0)
        self.model.set_weights([np.zeros_like(weights)])


def masks_of_a_fit(backend, epochs=2, **options):
    net = bp.Sequential([bp.Dropout(0.5, **options), bp.Dense(1, use_bias=False, kernel_initializer="zeros")])
    net.compile(bp.SGD(0.1), loss=lambda y_true, y_pred: bp.sum(y_pred - 0 * y_true, axis=-1), backend=backend)
    masks = Masks()
    net.fit(np.ones((ROWS, 50)), np.zeros(ROWS), batch_size=8, epochs=epochs, verbose=0, callbacks=[masks])
    return np.array(masks.seen)


def test_every_batch_of_every_epoch_has_a_mask_of_its_own(backend):
    masks = masks_of_a_fit(backend, per="batch", exact=True)
    assert masks.shape == (8, 50)
    assert (masks.sum(axis=1) == 25).all()  # a weight of a dropped node gets no gradient from any row of the batch
    assert len({mask.tobytes() for mask in masks}) == 8


def test_exactly_the_rounded_number_of_nodes_is_dropped(backend):
    for rate, width, count in [(0.5, 10, 5), (0.5, 5, 3), (0.25, 10, 3), (0.1, 4, 0), (0.9, 30, 27)]:
        for per in ("row", "batch"):
            kept = np.count_nonzero(dropped(backend, rate, width=width, exact=True, per=per), axis=1)
            assert (kept == width - count).all(), (rate, width, per)


def test_an_exact_dropout_keeps_every_node_equally_often():
    kept = np.mean(dropped("core", 0.3, rows=20000, exact=True) != 0, axis=0)
    assert np.abs(kept - 0.7).max() < 0.015  # 4.6 standard deviations


def test_what_is_kept_is_scaled_so_that_the_mean_stays(backend):
    assert set(np.unique(dropped(backend, 0.2, width=1000))) == {0, np.float32(1.25)}
    assert set(np.unique(dropped(backend, 0.5, width=5, exact=True))) == {0, 2.5}  # 2 of 5 are kept
    assert set(np.unique(dropped(backend, 0.2, width=1000, scaling="weights"))) == {0, 1}


def test_the_lectures_halving_counts_outgoing_weights_half_in_the_whole_net(backend):
    dense = bp.Dense(3)
    net = bp.Sequential([bp.Dropout(0.5, scaling="weights"), dense])
    net.compile(backend=backend, loss="mse")
    x = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
    whole = net.predict(x)
    kernel, bias = net.get_weights()
    net.set_weights([kernel, bias])
    halved = bp.Sequential([bp.Dense(3)])
    halved.compile(backend=backend, loss="mse")
    halved.predict(x)
    halved.set_weights([0.5 * kernel, bias])
    assert np.array_equal(whole, halved.predict(x))  # halving is exact in binary


def test_the_whole_net_is_the_average_of_the_networks_that_dropout_draws(backend):
    """A linear unit behind 6 inputs: the mean over all 2^6 masks, enumerated, is the prediction of the whole net."""
    net = bp.Sequential([bp.Dropout(0.5, scaling="weights"), bp.Dense(1)], dtype="float64")
    net.compile(backend=backend, loss="mse")
    x = np.random.default_rng(1).normal(size=(4, 6))
    whole = net.predict(x)
    kernel, bias = net.get_weights()
    masks = np.array(list(itertools.product((0, 1), repeat=6)))
    np.testing.assert_allclose(np.mean([(x * mask) @ kernel + bias for mask in masks], axis=0), whole, atol=1e-14)


def test_the_softmax_of_the_whole_net_is_the_normalised_geometric_mean_of_its_networks(backend):
    """Goodfellow et al., Deep Learning, section 7.12: exact for softmax regression with dropout on its inputs."""
    net = bp.Sequential([bp.Dropout(0.5, scaling="weights"), bp.Dense(3, activation="softmax")], dtype="float64")
    net.compile(backend=backend, loss="categorical_crossentropy")
    x = np.random.default_rng(2).normal(size=(4, 6))
    whole = net.predict(x)
    kernel, bias = net.get_weights()
    logits = np.array([(x * mask) @ kernel + bias for mask in itertools.product((0, 1), repeat=6)])
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    mean = np.exp(logs.mean(axis=0))
    np.testing.assert_allclose(mean / mean.sum(axis=-1, keepdims=True), whole, atol=1e-14)


def test_samples_of_predictions_drop_anew_and_repeat_in_every_call(backend):
    net = bp.Sequential([bp.Dropout(0.5), bp.Dense(2)])
    net.compile(backend=backend, loss="mse")
    x = np.ones((ROWS, WIDTH))
    samples = net.predict(x, dropout=True, samples=3, batch_size=7)
    assert samples.shape == (3, ROWS, 2)
    assert len({sample.tobytes() for sample in samples}) == 3
    assert np.array_equal(net.predict(x, dropout=True, samples=3), samples)
    assert np.array_equal(net.predict(x, dropout=True), samples[:1])
    assert np.array_equal(net.predict(x), net.predict(x[:1]).repeat(ROWS, axis=0))  # and none by default


def test_the_samples_mean_approaches_the_whole_net():
    net = bp.Sequential([bp.Dropout(0.5), bp.Dense(1)])
    x = np.random.default_rng(3).normal(size=(5, 20))
    samples = net.predict(x, dropout=True, samples=4000)
    error = np.abs(samples.mean(axis=0) - net.predict(x)) / (samples.std(axis=0) / np.sqrt(4000))
    assert error.max() < 4.5  # standard errors


def test_both_backends_sample_alike():
    pytest.importorskip("fastbp._core")
    x = np.random.default_rng(4).normal(size=(9, WIDTH))
    results = []
    for backend in ("reference", "core"):
        net = bp.Sequential([bp.Dropout(0.3, per="batch"), bp.Dense(4), bp.Dropout(0.5, exact=True), bp.Dense(2)])
        net.compile(backend=backend, loss="mse")
        results.append(net.predict(x, dropout=True, samples=2))
    assert np.array_equal(*results)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: bp.Dropout(0.5, per="rows"), ValueError, "per must be .*did you mean 'row'"),
        (lambda: bp.Dropout(0.5, exact=1), TypeError, "exact must be True or False, got 1"),
        (lambda: bp.Dropout(0.5, scaling="weight"), ValueError, "scaling must be .*did you mean 'weights'"),
        (lambda: bp.dropout(bp.input("x"), 0.5, "column"), ValueError, "per must be"),
        (lambda: bp.Sequential([bp.Dense(1)]).predict([[1.0]], samples=2), ValueError, "pass dropout=True"),
        (
            lambda: bp.Sequential([bp.Dense(1)]).predict([[1.0]], dropout=True, samples=0),
            ValueError,
            "at least 1, got 0",
        ),
    ],
)
def test_what_makes_no_sense_is_an_error(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_an_exact_dropout_drops_the_decimal_share_rounded_half_up(backend: str) -> None:
    from fractions import Fraction

    for rate in ("0.29", "0.15", "0.35", "0.57", "0.1", "0.3", "0.7", "0.05", "0.5", "0.99", "0.58", "0.145"):
        for width in (1, 2, 3, 5, 7, 10, 50, 100, 150, 350, 1000):
            x = bp.input("x")
            f = bp.function([x], bp.dropout(x, float(rate), exact=True), training=True, backend=backend)
            dropped = int(width - np.count_nonzero(f(np.ones((1, width)))))
            assert dropped == int(Fraction(rate) * width + Fraction(1, 2)), (rate, width)
