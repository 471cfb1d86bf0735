"""fastbp's own classes refuse attributes that they do not know, settings refuse values that make no sense, at once."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import fastbp as bp
import numpy as np
import pytest
from fastbp._shared.known_attributes import KnownAttributes
from fastbp.initializers import INITIALIZERS
from fastbp.optimizers import OPTIMIZERS

SCHEDULES: list[Callable[[], Any]] = [
    lambda: bp.StepDecay(0.1, 2, 0.5),
    lambda: bp.PiecewiseConstantDecay([1], [0.1, 0.2]),
    lambda: bp.ExponentialDecay(0.1, 2, 0.5),
    lambda: bp.CosineDecay(0.1, 2),
    lambda: bp.CosineDecayRestarts(0.1, 2),
    lambda: bp.OneCycle(0.1, 2),
    lambda: bp.Warmup(0.1, 2),
]
OTHERS: list[Callable[[], Any]] = [
    lambda: bp.Dense(2),
    lambda: bp.Dropout(0.5),
    bp.Flatten,
    lambda: bp.Rescaling(1),
    lambda: bp.LayerNormalization(),
    lambda: bp.RMSNormalization(),
    lambda: bp.Activation("relu"),
    lambda: bp.Sequential([bp.Input((2,)), bp.Dense(1)]),
    lambda: bp.Model((x := bp.Input((2,))), bp.Dense(1)(x)),
    lambda: bp.EarlyStopping("loss"),
    lambda: bp.ReduceLROnPlateau("loss"),
    lambda: bp.LambdaCallback(on_epoch_end=print),
    bp.Callback,
    bp.History,
    bp.VarianceScaling,
    lambda: bp.L1L2(0.1),
    lambda: bp.L1(0.1),
    lambda: bp.L2(0.1),
    bp.MaxNorm,
    lambda: bp.augment.GaussianNoise(0.1),
    lambda: bp.augment.RandomAffine(10),
    lambda: bp.augment.ElasticTransform(1.0, 2.0),
    lambda: bp.augment.RandomFlip(0.5),
    lambda: bp.augment.Compose([bp.augment.GaussianNoise(0.1)]),
]


def made() -> Iterator[Any]:
    for make in [*OPTIMIZERS.values(), *SCHEDULES, *OTHERS]:
        yield make()
    for initializer in INITIALIZERS.values():
        yield initializer() if isinstance(initializer, type) else initializer


def subclasses(cls: type) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_the_list_has_all_public_classes() -> None:
    own = {type(thing) for thing in made()}
    public = {cls for cls in subclasses(KnownAttributes) if cls.__module__ == "fastbp"}
    assert public - own <= {bp.Layer, bp.Optimizer, bp.LearningRateSchedule, bp.Initializer, bp.augment.Transform}


@pytest.mark.parametrize("thing", list(made()), ids=lambda thing: type(thing).__name__)
def test_every_attribute_can_be_set_again_and_none_other(thing: Any) -> None:
    for name in [name for name in vars(thing) if not name.startswith("_")]:
        setattr(thing, name, getattr(thing, name))
    if isinstance(thing, bp.History):
        return  # a result, not a setting
    before = dict(vars(thing))
    with pytest.raises(AttributeError, match=f"{type(thing).__name__} has no attribute 'qqqqq'$"):
        thing.qqqqq = 1
    for name in before:
        if len(name) > 5 and not name.startswith("_"):
            with pytest.raises(AttributeError, match=f"no attribute '{name}_': did you mean '{name}'"):
                setattr(thing, f"{name}_", 1)
    assert vars(thing) == before
    thing._mine = 1  # private names are free
    assert thing._mine == 1


@pytest.mark.parametrize(
    "base", [bp.Layer, bp.Dense, bp.Callback, bp.SGD, bp.Sequential, bp.LearningRateSchedule, bp.L2]
)
def test_users_subclasses_set_what_they_like(base: type) -> None:
    class Own(base):  # type: ignore[misc]
        pass

    own = Own.__new__(Own)
    own.anything = 1
    assert own.anything == 1


@pytest.mark.parametrize(
    ("name", "meant"),
    [("lr", "learning_rate"), ("learning_rat", "learning_rate"), ("wd", "weight_decay"), ("decay", "weight_decay")],
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_nearest_name_is_said(optimizer: str, name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"did you mean '{meant}'"):
        setattr(OPTIMIZERS[optimizer](), name, 0.1)
    with pytest.raises(TypeError, match=f"no argument '{name}': did you mean '{meant}'"):
        OPTIMIZERS[optimizer](**{name: 0.1})


def test_a_misspelt_optimizer_of_a_model_is_answered() -> None:
    net = bp.Sequential([bp.Dense(1)])
    with pytest.raises(AttributeError, match="Sequential has no attribute 'optmizer': did you mean 'optimizer'"):
        net.optmizer = bp.Adam()
    net.optimizer = "adam"
    assert type(net.optimizer) is bp.Adam
    with pytest.raises(TypeError, match="optimizer must be a name or an instance"):
        net.optimizer = 5
    assert type(net.optimizer) is bp.Adam


def test_parameters_and_layers_answer_too() -> None:
    w = bp.parameter(1.0, name="w")
    with pytest.raises(AttributeError, match="Parameter has no attribute 'valeu': did you mean 'value'"):
        w.valeu = 2.0
    with pytest.raises(AttributeError, match="Dense has no attribute 'kernal': did you mean 'kernel'"):
        bp.Dense(1).kernal = 1


# --- values of settings

NUMBERS = [-1.0, float("nan"), float("inf"), "x", None, True, [0.1], 1j]
OUT_OF_RANGE: dict[str, list[Any]] = {
    "learning_rate": NUMBERS,
    "weight_decay": [value for value in NUMBERS if value is not None],
    "momentum": [*NUMBERS, 1.0],
    "beta_1": [*NUMBERS, 1.0],
    "beta_2": [*NUMBERS, 1.0],
    "rho": [*NUMBERS, 1.0],
    "epsilon": [*NUMBERS, 0.0],
    "initial_accumulator_value": NUMBERS,
    "nesterov": ["no", 1, None, 0.0],
    "centered": ["no", 1, None],
    "amsgrad": ["no", 1, None],
    "use_ema": ["no", 1, None],
    "ema_momentum": [*NUMBERS, 1.5],
    "clipnorm": [-1.0, 0.0, "x", float("nan"), True],
    "clipvalue": [-1.0, 0.0, "x", float("nan"), True],
    "global_clipnorm": [-1.0, 0.0, "x", float("nan"), True],
    "ema_overwrite_frequency": [0, -1, 1.5, "x", True],
    "gradient_accumulation_steps": [0, -1, 1.5, "x", True],
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimiser_refuses_a_setting_at_once_as_its_constructor_does(optimizer: str) -> None:
    make = OPTIMIZERS[optimizer]
    thing = make()
    names = [name for name in vars(thing) if not name.startswith("_")]
    assert set(names) <= set(OUT_OF_RANGE)
    for name in names:
        for wrong in OUT_OF_RANGE[name]:
            before = dict(vars(thing))
            with pytest.raises((ValueError, TypeError), match=name) as by_constructor:
                make(**{name: wrong})
            with pytest.raises(by_constructor.type, match=name) as at_once:
                setattr(thing, name, wrong)
            assert str(at_once.value) == str(by_constructor.value)
            assert vars(thing) == before


def test_only_one_way_to_clip_can_be_set() -> None:
    optimizer = bp.SGD(clipnorm=1.0)
    with pytest.raises(ValueError, match="only one of clipnorm, clipvalue and global_clipnorm"):
        optimizer.clipvalue = 1.0
    optimizer.clipnorm = None
    optimizer.clipvalue = 1.0
    assert (optimizer.clipnorm, optimizer.clipvalue) == (None, 1.0)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_and_pickles_are_checked_too(again: Callable[[Any], Any]) -> None:
    optimizer = again(bp.Adam(0.5))
    assert optimizer.learning_rate == 0.5
    with pytest.raises(ValueError, match="learning_rate must be finite"):
        optimizer.learning_rate = -1
    with pytest.raises(AttributeError, match="did you mean 'learning_rate'"):
        optimizer.lr = 1


def test_a_wrong_setting_from_a_callback_ends_training_with_the_old_one_in_force() -> None:
    net = bp.Sequential([bp.Dense(1)])
    net.compile(bp.SGD(0.25), "mse")

    class Wrong(bp.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = -1.0

    with pytest.raises(ValueError, match=r"learning_rate must be finite and at least 0, got -1\.0"):
        net.fit([[0.0], [1.0]], [0.0, 1.0], epochs=3, verbose=0, callbacks=[Wrong()])
    assert net.optimizer.learning_rate == 0.25


NO_TRUTH = ["no", "False", 1, 0, None, 0.0, np.array([True])]
TRUTHS: dict[str, Callable[[Any], Any]] = {
    "use_bias": lambda value: bp.Dense(1, use_bias=value),
    "trainable, layer": lambda value: bp.Dense(1, trainable=value),
    "trainable, set": lambda value: setattr(bp.Dense(1), "trainable", value),
    "trainable, model": lambda value: setattr(bp.Sequential([bp.Dense(1)]), "trainable", value),
    "trainable, parameter": lambda value: bp.parameter(1.0, trainable=value),
    "trainable, set of a parameter": lambda value: setattr(bp.parameter(1.0), "trainable", value),
    "trainable, weight": lambda value: bp.Layer().add_weight((1,), trainable=value),
    "decay, weight": lambda value: bp.Layer().add_weight((1,), decay=value),
    "decay, parameter": lambda value: bp.parameter(1.0, decay=value),
    "decay, set": lambda value: setattr(bp.parameter(1.0), "decay", value),
    "training, function": lambda value: bp.function([], bp.parameter(1.0), training=value),
    "dropout": lambda value: bp.Sequential([bp.Dense(1)]).predict(np.ones((1, 1)), dropout=value),
    "exact": lambda value: bp.Dropout(0.5, exact=value),
    "full": lambda value: bp.gaussian_nll(bp.input("y"), bp.input("a"), full=value),
    "approximate": lambda value: bp.gelu(bp.input("x"), approximate=value),
    "keepdims": lambda value: bp.sum(bp.input("x"), keepdims=value),
    "expand": lambda value: bp.draw(bp.parameter(1.0) * 2.0, expand=value),
    "proximal": lambda value: bp.L1(0.1, proximal=value),
    "intercept": lambda value: bp.linear_regression([[1.0], [2.0]], [1.0, 2.0], intercept=value),
    "restore_best_weights": lambda value: bp.EarlyStopping("loss", restore_best_weights=value),
    "staircase": lambda value: bp.ExponentialDecay(0.1, 2, 0.5, staircase=value),
}


@pytest.mark.parametrize("value", NO_TRUTH, ids=repr)
@pytest.mark.parametrize("argument", TRUTHS)
def test_a_truth_value_is_true_or_false(argument: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{argument.split(',')[0]} must be True or False"):
        TRUTHS[argument](value)
    TRUTHS[argument](np.True_)
    TRUTHS[argument](False)


@pytest.mark.parametrize("name", ["learning_rate_multiplier", "weight_decay_multiplier"])
@pytest.mark.parametrize("wrong", [-1.0, float("nan"), "x", None, True])
def test_multipliers_are_checked_when_they_are_set(name: str, wrong: Any) -> None:
    for thing in (bp.Dense(1), bp.parameter(1.0), bp.Sequential([bp.Dense(1)])):
        with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
            setattr(thing, name, wrong)
        assert getattr(thing, name) == 1.0


# --- kinds of arguments


def net() -> bp.Sequential:
    return bp.Sequential([bp.Input((2,)), bp.Dense(1)])


def trained_with(name: str, value: Any) -> None:
    own = net()
    own.compile("sgd", "mse")
    setattr(own.weights[0], name, value)
    own.fit(np.ones((2, 2)), np.ones(2), verbose=0)


KINDS: dict[str, Callable[[Any], Any]] = {
    "name, of get_layer": lambda value: net().get_layer(value),
    "name, of a layer": lambda value: bp.Dense(1, name=value),
    "name, of a model": lambda value: bp.Sequential([bp.Dense(1)], name=value),
    "scaling": lambda value: bp.Dropout(0.5, scaling=value),
    "per": lambda value: bp.Dropout(0.5, per=value),
    "mode": lambda value: bp.VarianceScaling(mode=value),
    "mode, of a callback": lambda value: bp.EarlyStopping("loss", mode=value),
    "print_fn": lambda value: net().summary(print_fn=value),
    "the constraint of 'dense/kernel'": lambda value: trained_with("constraint", value),
    "the regularizer of 'dense/kernel'": lambda value: trained_with("regularizer", value),
}


@pytest.mark.parametrize("value", [5, ["x"], 1.5], ids=repr)
@pytest.mark.parametrize("argument", KINDS)
def test_an_argument_of_another_kind_is_named(argument: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{argument.split(',')[0]} must be"):
        KINDS[argument](value)


@pytest.mark.parametrize("length", ["a", 2**64, -1, 1.5, True])
def test_the_length_of_a_summarys_lines_is_checked(length: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^line_length must be"):
        net().summary(line_length=length)
