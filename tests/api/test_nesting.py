"""Models as layers, inputs of `Sequential`, and shapes that a model infers from data without changing its inputs."""

import fastbp as bp
import numpy as np
import pytest

X = np.random.default_rng(3).normal(size=(8, 4)).astype(np.float32)


def lines_of(net):
    lines = []
    net.summary(print_fn=lines.append)
    return lines


def test_an_input_is_added_before_the_layers():
    net = bp.Sequential()
    net.add(bp.Input((4,)))
    net.add(bp.Dense(2))
    assert [w.shape for w in net.get_weights()] == [(4, 2), (2,)]
    assert [layer.name for layer in net.layers] == ["dense"]
    with pytest.raises(ValueError, match="built"):
        net.add(bp.Dense(2))
    late = bp.Sequential([bp.Dense(2)])
    with pytest.raises(ValueError, match="an input comes before all layers"):
        late.add(bp.Input((4,)))
    with pytest.raises(ValueError, match="an input comes before all layers"):
        bp.Sequential([bp.Dense(2), bp.Input((4,), name="late")])


def test_an_input_without_shape_takes_that_of_the_first_layer():
    first = bp.Input()
    net = bp.Sequential([first])
    net.add(bp.Dense(2, input_shape=(4,)))
    assert net.count_params() == 10
    assert first.shape is None


def test_models_in_a_sequential_are_layers_with_names_of_their_own():
    encoder = bp.Sequential([bp.Input((4,)), bp.Dense(3), bp.Dense(2)])
    x = bp.input("x", (2,))
    decoder = bp.Model(x, bp.Dense(4)(x), name="decoder")
    third = bp.Sequential([bp.Dense(4)])
    net = bp.Sequential([encoder, decoder, third, bp.Dense(1)])
    assert [layer is own for layer, own in zip(net.layers, (encoder, decoder, third))] == [True] * 3
    assert net.get_layer("sequential") is encoder
    assert net.get_layer("sequential_1") is third
    assert net.get_layer("decoder") is decoder
    assert net.get_layer("dense") is net.layers[3]
    names = [line.split()[0] for line in lines_of(net)[4:8]]
    assert names == ["sequential", "decoder", "sequential_1", "dense"]
    assert net.count_params() == sum(layer.count_params() for layer in net.layers[:3]) + 5
    assert net.weights[0].name == "sequential/dense/kernel"
    assert net.predict(X).shape == (8, 1)


def test_a_model_without_a_shape_is_built_by_the_model_that_it_is_in():
    inner = bp.Sequential([bp.Dense(3)])
    net = bp.Sequential([inner, bp.Dense(1)])
    net.compile(bp.SGD(0.1), "mse")
    net.fit(X, X[:, 0], verbose=0)
    assert all((a == b).all() for a, b in zip(inner.get_weights(), net.get_weights()[:2]))
    assert inner.predict(X).shape == (8, 3)


def test_a_model_called_on_other_features_than_its_inputs_says_so():
    inner = bp.Sequential([bp.Input((5,), name="five"), bp.Dense(3)], name="inner")
    with pytest.raises(ValueError, match=r"inner has got the shape \(rows, 4\), but its input 'five' .*\(rows, 5\)"):
        bp.Sequential([bp.Input((4,)), inner]).build()


def test_a_layer_called_twice_is_one_line_of_the_summary():
    x = bp.input("x", (4,))
    shared = bp.Dense(4)
    assert sum("dense" in line for line in lines_of(bp.Model(x, shared(shared(x))))) == 1


def test_a_model_is_built_for_one_shape():
    net = bp.Sequential([bp.Dense(2)])
    net.build((3,))
    net.build((None, 3))
    with pytest.raises(ValueError, match=r"input_shape must be \(3,\), for which this network was built, got \(5,\)"):
        net.build((5,))
    with pytest.raises(ValueError, match=r"input_shape must be \(3,\), for which this network was made, got \(5,\)"):
        bp.Sequential([bp.Input((3,)), bp.Dense(2)]).build((5,))
    a, b = bp.input("a"), bp.input("b")
    with pytest.raises(ValueError, match="list of 2 shapes"):
        bp.Model([a, b], a + b).build([(3,)])


def test_what_a_model_infers_stays_in_the_model():
    x = bp.input("x")
    net = bp.Model(x, bp.Dense(2)(x))
    assert net.predict(X).shape == (8, 2)
    assert x.shape is None
    assert bp.function([x], bp.sum(x))(np.ones((2, 7))) == 14
    with pytest.raises(ValueError, match="x has 7 features, but this network was built for 4"):
        net.predict(np.ones((2, 7)))


def test_predict_refuses_outputs_without_rows():
    x, w = bp.input("x"), bp.parameter([1.0, 2.0])
    with pytest.raises(ValueError, match=r"outputs\[0\] has no rows: its shape is \(\); bp.function computes it"):
        bp.Model(x, bp.mean(x)).predict(X)
    with pytest.raises(ValueError, match=r"outputs\[1\] has no rows: its shape is \(2,\)"):
        bp.Model(x, [x, w * 2.0]).predict(X)


@pytest.mark.parametrize("verbose", [1, 2, "auto"])
def test_verbose_evaluation_is_one_line_with_the_figures(verbose, capsys):
    net = bp.Sequential([bp.Dense(1)])
    net.compile(loss="mse", metrics=["mae"])
    loss, mae = net.evaluate(X, X[:, 0], verbose=verbose)
    net.predict(X, verbose=verbose)
    evaluated, predicted = capsys.readouterr().out.splitlines()
    assert evaluated.startswith("evaluate  8 rows  ")
    assert evaluated.endswith(f"rows/s  loss {loss:.4g}  mae {mae:.4g}")
    assert predicted.startswith("predict  8 rows  ")
    net.evaluate(X, X[:, 0])
    net.predict(X)
    assert not capsys.readouterr().out
    for call in (lambda: net.predict(X, verbose=7), lambda: net.evaluate(X, X[:, 0], verbose="aut")):
        with pytest.raises(ValueError, match="verbose must be"):
            call()
