"""Callbacks: Keras' hooks in Keras' order, early stopping, and progress."""

import io
import sys

import fastbp as bp
import numpy as np
import pytest
from fastbp.training.progress import Bar, Lines

X = np.random.default_rng(2).normal(size=(20, 3))
Y = X[:, 0]


@pytest.fixture(params=["reference", "core"])
def backend(request):
    if request.param == "core":
        pytest.importorskip("fastbp._core")
    return request.param


def network(backend="reference", rate=0.01):
    net = bp.Sequential([bp.Dense(1)])
    net.compile(bp.SGD(rate), "mse", backend=backend)
    return net


class Recorder(bp.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            short = name.removeprefix("on_")
            return lambda *arguments: self.calls.append((short, *arguments[:-1]))
        return super().__getattribute__(name)


def test_the_hooks_come_in_keras_order(backend):
    recorder = Recorder()
    network(backend).fit(X, Y, batch_size=10, epochs=1, verbose=0, callbacks=[recorder], validation_data=(X, Y))
    assert recorder.calls == [
        ("train_begin",),
        ("epoch_begin", 0),
        ("train_batch_begin", 0),
        ("train_batch_end", 0),
        ("train_batch_begin", 1),
        ("train_batch_end", 1),
        ("test_begin",),
        ("test_batch_begin", 0),
        ("test_batch_end", 0),
        ("test_batch_begin", 1),
        ("test_batch_end", 1),
        ("test_end",),
        ("epoch_end", 0),
        ("train_end",),
    ]


def test_predict_and_evaluate_have_hooks(backend):
    net, recorder = network(backend), Recorder()
    whole = net.predict(X)
    assert net.predict(X, batch_size=8, callbacks=[recorder]).tobytes() == whole.tobytes()
    assert net.evaluate(X, Y, batch_size=8, callbacks=[recorder]) == net.evaluate(X, Y, batch_size=8)
    names = [call[0] for call in recorder.calls]
    assert names.count("predict_batch_end") == 3
    assert names.count("test_batch_end") == 3


def test_batch_logs_are_means_over_the_epoch_so_far(backend):
    net, logs = network(backend, rate=0.0), []
    watch = bp.LambdaCallback(on_train_batch_end=lambda batch, given: logs.append(given["loss"]))
    history = net.fit(X, Y, batch_size=8, shuffle=False, verbose=0, callbacks=[watch])
    assert logs[-1] == history.history["loss"][0]
    assert logs[0] == pytest.approx(net.evaluate(X[:8], Y[:8]), rel=1e-6)


def test_training_stops_where_a_callback_says(backend):
    net = network(backend)

    class Stop(bp.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    history = net.fit(X, Y, batch_size=5, epochs=9, verbose=0, callbacks=[Stop()])
    assert len(history.history["loss"]) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes before Python 3.11")
def test_a_training_that_diverges_says_where_the_best_weights_are():
    def fit(**options):
        net = bp.Sequential([bp.Dense(1, kernel_initializer="ones")])
        net.compile(bp.SGD(1.0), "mse")
        rise = bp.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(net.optimizer, "learning_rate", 1e30))
        stop = bp.EarlyStopping("loss", patience=9, **options)
        with pytest.raises(bp.NonFiniteError) as caught:
            net.fit([[1.0]], [3.0], epochs=9, verbose=0, callbacks=[stop, rise])
        return net, stop, getattr(caught.value, "__notes__", [])

    net, stop, notes = fit(restore_best_weights=True)
    assert len(notes) == 1
    assert (
        f"weights of epoch {stop.best_epoch}, the best one, are in the best_weights of this EarlyStopping" in notes[0]
    )
    net.set_weights(stop.best_weights)
    assert np.isfinite(net.evaluate([[1.0]], [3.0]))
    assert fit()[2] == []


def test_early_stopping_waits_and_restores_the_best_weights(backend):
    net = network(backend, rate=0.3)
    kept = []

    def set_rate(epoch, logs):
        kept.append(net.get_weights())
        net.optimizer.learning_rate = 0.3 if epoch < 2 else 0.8

    stop = bp.EarlyStopping(monitor="loss", patience=2, restore_best_weights=True)
    history = net.fit(
        X, Y, batch_size=20, epochs=50, verbose=0, callbacks=[bp.LambdaCallback(on_epoch_end=set_rate), stop]
    )
    best = int(np.argmin(history.history["loss"]))
    assert stop.best_epoch == best
    assert len(history.epoch) == best + 3 or len(history.epoch) == 50
    assert net.get_weights()[0].tobytes() == kept[best][0].tobytes()


def test_early_stopping_follows_keras_rules():
    stop = bp.EarlyStopping(monitor="val_accuracy", min_delta=0.1, patience=2, start_from_epoch=1)
    assert stop.mode == "max"
    stop.set_model(network())
    stop.on_train_begin()
    stopped = []
    for epoch, value in enumerate([0.9, 0.5, 0.55, 0.58, 0.7]):
        stop.on_epoch_end(epoch, {"val_accuracy": value})
        stopped.append(stop.model.stop_training)
    assert stopped == [False, False, False, True, True]
    assert stop.stopped_epoch == 3
    with pytest.warns(UserWarning, match="monitors 'val_accuracy'"):
        stop.on_epoch_end(5, {"loss": 1.0})


def test_ctrl_c_ends_training_with_valid_weights(backend):
    net, ended = network(backend), []

    def interrupt(batch, logs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, batch_size=5, verbose=0, callbacks=[
            bp.LambdaCallback(on_train_batch_end=interrupt, on_train_end=ended.append)])  # fmt: skip
    assert not ended  # as in Keras: no hook after an exception
    net.fit(X, Y, verbose=0)
    assert all(np.isfinite(w).all() for w in net.get_weights())


def test_initial_epoch_and_validation_freq_count_as_in_keras(backend):
    history = network(backend).fit(
        X, Y, epochs=6, initial_epoch=2, validation_data=(X, Y), validation_freq=2, verbose=0
    )
    assert history.epoch == [2, 3, 4, 5]
    assert len(history.history["val_loss"]) == 2


def test_progress_is_a_line_per_epoch_where_there_is_no_terminal(backend, capsys):
    network(backend).fit(X, Y, epochs=2, batch_size=5)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert all("rows/s" in line and "loss" in line for line in lines)


def test_progress_is_a_bar_in_place_on_request(backend, capsys):
    network(backend).fit(X, Y, epochs=2, batch_size=5, verbose=1, validation_data=(X, Y))
    out = capsys.readouterr().out
    assert out.count("\n") == 2
    assert "\r" in out
    assert "val_loss" in out
    assert "20/20" in out


def test_silence_is_silent(backend, capsys):
    network(backend).fit(X, Y, epochs=2, verbose=0)
    assert capsys.readouterr().out == ""


def test_a_bar_never_leaves_old_characters():
    stream = io.StringIO()
    bar = Bar(epochs=1, rows=10, stream=stream)
    bar.begin_epoch(0)
    bar.update(5, {"loss": 123456.789, "accuracy": 0.5})
    bar.update(10, {"loss": 1.0})
    drawn = stream.getvalue().split("\r")[1:]
    assert len(drawn[-1]) >= len(drawn[-2])
    bar.close()
    Lines(1, 10, stream).end_epoch({})


def test_unknown_hooks_and_callbacks_are_named():
    with pytest.raises(ValueError, match="did you mean 'on_epoch_end'"):
        bp.LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="callbacks must be instances"):
        network().fit(X, Y, callbacks=[print], verbose=0)


def test_the_learning_rate_of_a_batch_hook_holds_from_the_next_step(backend):
    rates = [0.1, 0.05, 0.0, 0.2]
    net, by_hand = network(backend, rates[0]), network(backend, rates[0])

    def set_rate(batch, logs):
        if batch + 1 < len(rates):
            net.optimizer.learning_rate = rates[batch + 1]
            net.optimizer.momentum = 0.5 if batch == 1 else 0.0  # velocities begin in the middle of a fit

    net.fit(X, Y, batch_size=5, shuffle=False, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=set_rate)])
    for step, rate in enumerate(rates):
        by_hand.optimizer.learning_rate = rate
        by_hand.optimizer.momentum = 0.5 if step == 2 else 0.0
        by_hand.train_on_batch(X[5 * step : 5 * step + 5], Y[5 * step : 5 * step + 5])
    assert [w.tobytes() for w in net.get_weights()] == [w.tobytes() for w in by_hand.get_weights()]


def test_the_learning_rate_may_change_in_a_fit_of_several_threads():
    core = pytest.importorskip("fastbp._core")
    weights = []
    for threads in (1, 3):
        bp.set_num_threads(threads)
        core.testing.share_always(True)
        net = network("core")

        def halve(batch, logs, net=net):
            net.optimizer.learning_rate *= 0.9
            net.optimizer.momentum = 0.5

        net.fit(X, Y, batch_size=3, epochs=5, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_begin=halve)])
        weights.append([w.tobytes() for w in net.get_weights()])
    assert weights[0] == weights[1]


def test_a_learning_rate_that_makes_no_sense_ends_training_where_it_was_set(backend):
    net = network(backend)

    def spoil(batch, logs):
        net.optimizer.learning_rate = -1.0

    with pytest.raises(ValueError, match=r"learning_rate must be finite and at least 0, got -1\.0"):
        net.fit(X, Y, batch_size=5, verbose=0, callbacks=[bp.LambdaCallback(on_train_batch_end=spoil)])
    assert net._session.steps == 1


def test_the_logs_are_those_of_keras(backend):
    net, seen = network(backend), {}
    net.compile(bp.SGD(0.01), "mse", ["mae"], backend=backend)
    hooks = {
        name: lambda *given, name=name: seen.setdefault(name, list(given[-1]))
        for name in ("on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_test_begin",
                     "on_test_batch_end", "on_test_end", "on_epoch_end", "on_train_end")
    }  # fmt: skip
    net.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[bp.LambdaCallback(**hooks)])
    assert seen == {
        "on_train_begin": [],
        "on_epoch_begin": [],
        "on_train_batch_begin": [],
        "on_train_batch_end": ["loss", "mae"],
        "on_test_begin": [],
        "on_test_batch_end": ["loss", "mae"],
        "on_test_end": ["loss", "mae"],
        "on_epoch_end": ["loss", "mae", "val_loss", "val_mae"],
        "on_train_end": ["loss", "mae", "val_loss", "val_mae"],
    }


def test_the_history_of_a_broken_off_fit_holds_the_finished_epochs(backend):
    whole, broken = network(backend), network(backend)
    expected = whole.fit(X, Y, batch_size=5, epochs=3, verbose=0).history["loss"]

    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, Y, batch_size=5, epochs=3, verbose=0, callbacks=[bp.LambdaCallback(on_epoch_begin=interrupt)])
    assert broken.history.history == {"loss": expected[:2]}
    assert broken.history.epoch == [0, 1]


@pytest.mark.parametrize(("baseline", "last"), [(None, 2), (0.1, 1)])
def test_patience_is_not_renewed_above_the_baseline(baseline, last):
    stop = bp.EarlyStopping(monitor="loss", baseline=baseline, patience=2)
    stop.set_model(network())
    stop.on_train_begin()
    for epoch in range(5):
        stop.on_epoch_end(epoch, {"loss": 1.0})
        if stop.model.stop_training:
            break
    assert epoch == last


def test_the_line_of_a_narrow_terminal_does_not_wrap(monkeypatch):
    for columns in (100, 60, 30, 10):
        monkeypatch.setenv("COLUMNS", str(columns))
        stream = io.StringIO()
        bar = Bar(epochs=3, rows=60000, stream=stream)
        bar.begin_epoch(0)
        bar.update(30000, {"loss": 0.123456, "accuracy": 0.5})
        bar.update(60000, {"loss": 0.123456, "accuracy": 0.5})
        assert all(len(line) < columns for line in stream.getvalue().split("\r"))
        assert ("loss 0.1235" in stream.getvalue()) == (columns >= 60)


def test_a_stream_without_the_bars_characters_gets_others():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    bar = Bar(epochs=1, rows=10, stream=stream)
    bar.begin_epoch(0)
    bar.update(5, {"loss": 1.0})
    bar.end_epoch({"loss": 1.0})
    assert b"====" in raw.getvalue()


def test_tqdm_counts_the_rows_of_all_epochs(backend, capsys):
    pytest.importorskip("tqdm")
    network(backend).fit(X, Y, epochs=3, batch_size=5, verbose="tqdm", validation_data=(X, Y))
    error = capsys.readouterr().err
    assert "60.0/60.0" in error
    assert "Epoch 3" in error
    assert "val_loss" in error


def test_nan_is_never_the_best():
    stop = bp.EarlyStopping(monitor="loss", patience=3)
    stop.set_model(network())
    stop.on_train_begin()
    for epoch, value in enumerate([float("nan"), 2.0, float("nan")]):
        stop.on_epoch_end(epoch, {"loss": value})
    assert (stop.best, stop.best_epoch) == (2.0, 1)


def test_training_ends_when_the_target_is_reached(backend):
    free = network(backend).fit(X, Y, epochs=30, verbose=0).history["loss"]
    target = (free[10] + free[11]) / 2  # between two epochs: the loss falls
    stop = bp.EarlyStopping("loss", target=target)
    losses = network(backend).fit(X, Y, epochs=30, verbose=0, callbacks=[stop]).history["loss"]
    assert losses == free[:12]
    assert (stop.reached, stop.stopped_epoch) == (True, 11)


def test_a_target_of_an_accuracy_is_reached_from_below():
    net = network()
    stop = bp.EarlyStopping("val_accuracy", target=0.75)
    stop.set_model(net)
    for epoch, accuracy in enumerate([0.7, 0.2, 0.3, 0.75]):  # no patience was asked for: getting worse ends nothing
        assert not net.stop_training
        stop.on_epoch_end(epoch, {"val_accuracy": accuracy})
    assert net.stop_training
    assert stop.reached


def test_a_target_counts_also_where_the_step_to_it_is_below_min_delta(capsys):
    net = network()
    stop = bp.EarlyStopping("loss", target=1.0, min_delta=0.5, verbose=1)
    stop.set_model(net)
    stop.on_epoch_end(0, {"loss": 1.1})
    stop.on_epoch_end(1, {"loss": 1.0})
    assert net.stop_training
    stop.on_train_end()
    assert capsys.readouterr().out == "Epoch 2: loss has reached 1\n"


def test_patience_beside_a_target_still_ends_training():
    net = network()
    stop = bp.EarlyStopping("loss", target=0.1, patience=1)
    stop.set_model(net)
    for epoch in range(2):
        stop.on_epoch_end(epoch, {"loss": 1.0})
    assert net.stop_training
    assert not stop.reached


@pytest.mark.parametrize("backend", ["core", "reference"])
def test_a_callback_that_looks_at_gradients_changes_no_bit(backend):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    found = []
    for looks in (True, False):
        net = bp.Sequential([bp.Dense(8), bp.Dropout(0.5), bp.Dense(1)], seed=1)
        net.compile(bp.Adam(0.01), "mse", backend=backend)

        def look(batch, logs, net=net, looks=looks):
            if looks:
                net.loss_and_gradients(x, x[:, :1])

        hook = bp.LambdaCallback(on_train_batch_end=look)
        net.fit(x, x[:, :1], batch_size=7, epochs=3, verbose=0, callbacks=[hook])
        assert net._session.steps == 18
        net.train_on_batch(x, x[:, :1])
        found.append(bp.weights_hash(net.get_weights()))
    assert found[0] == found[1]
