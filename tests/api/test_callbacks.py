"""Callbacks: Keras' hooks in Keras' order, early stopping, and progress."""

import io

import fastbp as bp
import numpy as np
import pytest
from fastbp.progress import Bar, Lines

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
    assert len(ended) == 1
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
