"""`Optimizer`: an optimiser of a trainer's weights, with its settings, states, counters and each step's scalars.

It is rule 10 of docs/numerics.md without the updates of arrays, which are in `update`; the twin of
settings, update_rules and optimizer in cpp/train.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._shared.trained_weight import TrainedWeight
from . import reduce, update
from .elementwise import add
from .inputs import round_to
from .memory import require_memory
from .operations import nearest_name
from .parameters import copied_or_seen

Array = np.ndarray

COMMON: dict[str, Any] = {
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "clipvalue": 0.0,
    "clipnorm": 0.0,
    "global_clipnorm": 0.0,
    "gradient_accumulation_steps": 1,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": 0,
}
OWN: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.0, "nesterov": False},
    "adagrad": {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
    "rmsprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
    "adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
    "nadam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    "lion": {"beta_1": 0.9, "beta_2": 0.99},
}
UPDATE_WORK = 12  # arrays of a weight's size that its update holds at its peak
NADAM_DECAY = 0.96  # of the momentum's schedule: Dozat, 2016


def check_optimizer(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """All hyperparameters; ValueError for an unknown one (with the nearest known) or a value that makes no sense."""
    settings = dict(optimizer)
    name = settings.pop("name", "")
    if name not in OWN:
        *names, last = OWN
        raise ValueError(f"optimizer's name must be {', '.join(names)} or {last}, got '{name}'")
    known = {**COMMON, **OWN[name]}
    for key in settings:
        if key not in known:
            raise ValueError(f"optimizer has no '{key}'; did you mean '{nearest_name(key, known)}'?")
    settings = {**known, **settings}
    for key, default in known.items():
        if isinstance(default, bool):
            settings[key] = bool(settings[key])
        elif not (key == "learning_rate" and callable(settings[key])):
            settings[key] = type(default)(_number(key, settings[key]))
    _check_ranges(settings)
    return {"name": name, **settings}


def _number(key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{key} must be a number, got {type(value).__name__}") from None
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{key} must be finite and at least 0, got {number}")
    return number


def _check_ranges(settings: Mapping[str, Any]) -> None:
    for key in ("momentum", "rho", "ema_momentum"):
        if settings.get(key, 0.0) > 1:
            raise ValueError(f"{key} must be at most 1, got {settings[key]}")
    for key in ("beta_1", "beta_2"):
        if settings.get(key, 0.0) >= 1:
            raise ValueError(f"{key} must be below 1, got {settings[key]}")
    if settings["gradient_accumulation_steps"] < 1:
        raise ValueError(
            f"gradient_accumulation_steps must be at least 1, got {settings['gradient_accumulation_steps']}"
        )
    if sum(settings[key] > 0 for key in ("clipvalue", "clipnorm", "global_clipnorm")) > 1:
        raise ValueError("only one of clipvalue, clipnorm and global_clipnorm can be given")


def rule_of(s: Mapping[str, Any]) -> str:
    """The name of the update in `update.RULES`."""
    if s["name"] == "sgd" and s["momentum"]:
        return "nesterov" if s["nesterov"] else "momentum"
    if s["name"] == "rmsprop":
        return "rmsprop" + "_centered" * s["centered"] + "_momentum" * (s["momentum"] != 0)
    return "amsgrad" if s.get("amsgrad") else str(s["name"])


@dataclass(frozen=True)
class UpdateCounters:
    """An optimiser's counters. The products are running products over the updates: for Adam β₁ᵗ and β₂ᵗ, for Nadam
    u₁ ⋯ uₜ, β₂ᵗ and 0.96ᵗ."""

    updates: float = 0.0
    pending: float = 0.0  # gradients accumulated since the last update
    products: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def after_update(self, s: Mapping[str, Any]) -> UpdateCounters:
        first, second, third = self.products
        if s["name"] == "nadam":
            third *= NADAM_DECAY
            first *= _nadam_momentum(s, third)
        if s["name"] == "adam":
            first *= s["beta_1"]
        if s["name"] in ("adam", "nadam"):
            second *= s["beta_2"]
        return UpdateCounters(self.updates + 1, 0.0, (first, second, third))


def _nadam_momentum(s: Mapping[str, Any], decay_power: float) -> float:
    return float(s["beta_1"] * (1.0 - 0.5 * decay_power))


def scalars_of(s: Mapping[str, Any], after: UpdateCounters, eta: float) -> list[float]:
    """The rule's scalars, combined in float64 and not yet rounded."""
    name = s["name"]
    first, second, third = after.products
    if name == "sgd":
        return [eta, s["momentum"]]
    if name == "adagrad":
        return [eta, s["epsilon"]]
    if name == "rmsprop":
        return [eta, s["epsilon"], s["rho"], 1.0 - s["rho"], s["momentum"]]
    betas = [1.0 - s["beta_1"], 1.0 - s["beta_2"]]
    if name == "adam":
        return [eta * (math.sqrt(1.0 - second) / (1.0 - first)), s["epsilon"], *betas]
    if name == "nadam":
        now, following = _nadam_momentum(s, third), _nadam_momentum(s, third * NADAM_DECAY)
        for_momentum = eta * (following / (1.0 - first * following))
        for_gradient = eta * ((1.0 - now) / (1.0 - first))
        return [for_momentum, for_gradient, s["epsilon"], *betas, 1.0 / (1.0 - second)]
    return [eta, s["beta_1"], betas[0], s["beta_2"], betas[1]]


@dataclass
class Step:
    """What a step writes if it is good."""

    weights: list[Array]
    states: dict[str, list[Array]]
    counters: UpdateCounters
    norms: list[float] = field(default_factory=list)  # squares of the gradients' norms, if they are clipped by norm

    def is_finite(self) -> bool:
        arrays = [*self.weights, *(array for arrays in self.states.values() for array in arrays)]
        return all(math.isfinite(norm) for norm in self.norms) and all(np.isfinite(a).all() for a in arrays)

    def what_is_not_finite(self, i: int) -> str:
        """For weight i "its gradient's norm" or "its update", whichever is not finite, else an empty string."""
        if self.norms and not math.isfinite(self.norms[i]):
            return "its gradient's norm"
        written = [self.weights[i], *(arrays[i] for arrays in self.states.values())]
        return "" if all(np.isfinite(array).all() for array in written) else "its update"


class Optimizer:
    """Settings, states by name and weight, and counters."""

    def __init__(self, weights: Sequence[TrainedWeight]) -> None:
        self.weights = list(weights)
        self.settings: dict[str, Any] = {}
        self.states: dict[str, list[Array]] = {}
        self.counters = UpdateCounters()
        self._table: tuple[int, list[float]] = (0, [])  # an update's number, and learning rates from it on

    def set(self, optimizer: Mapping[str, Any], weights: Sequence[Array]) -> None:
        """Sets hyperparameters. States stay; new ones begin: an average at the weights, an accumulator at its initial
        value, all others at 0."""
        settings = check_optimizer(optimizer)
        name = self.settings.get("name", settings["name"])
        if name != settings["name"]:
            raise ValueError(f"the optimizer is '{name}' and cannot become '{settings['name']}': compile anew")
        needed = list(update.RULES[rule_of(settings)][1])
        needed += ["accumulated_gradient"] * (settings["gradient_accumulation_steps"] > 1)
        needed += ["average"] * settings["use_ema"]
        require_memory(sum(w.nbytes for w in weights) * len({*needed} - {*self.states}))
        for state in needed:
            if state not in self.states:
                start = settings["initial_accumulator_value"] if state == "accumulator" else 0.0
                self.states[state] = [w.copy() if state == "average" else np.full_like(w, start) for w in weights]
        self.settings, self._table = settings, (0, [])

    def step(self, weights: Sequence[Array], gradients: Sequence[Array]) -> Step:
        """What the next step writes; changes nothing here."""
        pending = self.counters.pending
        sizes = [weight.nbytes for weight in weights]
        require_memory((1 + len(self.states)) * sum(sizes) + UPDATE_WORK * max(sizes, default=0))
        if pending + 1 < self.settings["gradient_accumulation_steps"]:
            before = self.states["accumulated_gradient"]  # a sum of arrays without axes is a scalar: asarray below
            sums = [np.asarray(add(a, g.reshape(a.shape))) for a, g in zip(before, gradients)]
            return Step(list(weights), {"accumulated_gradient": sums}, replace(self.counters, pending=pending + 1))
        return self._updated(weights, gradients, pending + 1)

    def rest(self, weights: Sequence[Array]) -> Step | None:
        """What the update writes that accumulated gradients wait for, with the mean of them; None if there are none."""
        pending = self.counters.pending
        return self._updated(weights, [np.zeros_like(w) for w in weights], pending) if pending else None

    def _updated(self, weights: Sequence[Array], gradients: Sequence[Array], count: float) -> Step:
        """An update by `count` gradients, the accumulated ones among them."""
        after = self.counters.after_update(self.settings)
        preparations, norms = self._preparations(gradients, count)
        step = Step([], {}, after, norms)
        for i, weight in enumerate(weights):
            self._update(step, i, weight, gradients[i], preparations[i])
        return step

    def limited(self, step: Step) -> list[Array]:
        """The weights of a good step, with their norms limited if the step updates them."""
        if step.counters.pending:
            return step.weights
        return [update.limit_norms(moved, weight.max_norm) for moved, weight in zip(step.weights, self.weights)]

    def write(self, step: Step) -> None:
        self.states.update(step.states)
        self.counters = step.counters

    def _update(self, step: Step, i: int, weight: Array, gradient: Array, prepare: update.Preparation) -> None:
        s, rule = self.settings, rule_of(self.settings)
        names = update.RULES[rule][1]
        own = self.weights[i]
        eta = self._learning_rate() * own.rate
        decay = eta * (s["weight_decay"] * own.decay)
        flat = [self.states[name][i].reshape(-1) for name in names]
        g = prepare(gradient.reshape(-1), self._accumulated(i))
        moved, states = update.update(rule, weight.reshape(-1), flat, g, decay, scalars_of(s, step.counters, eta))
        moved = update.shrunk(moved, eta * own.proximal_l1)
        new = dict(zip(names, states))
        if self._accumulated(i) is not None:
            new["accumulated_gradient"] = np.zeros_like(moved)
        if s["use_ema"]:
            keep = 0.0 if step.counters.updates == 1 else s["ema_momentum"]
            new["average"] = update.averaged(self.states["average"][i].reshape(-1), moved, keep)
            every = s["ema_overwrite_frequency"]
            moved = new["average"] if every and step.counters.updates % every == 0 else moved
        step.weights.append(moved.reshape(weight.shape))
        for name, state in new.items():
            step.states.setdefault(name, []).append(state.reshape(weight.shape))

    def _accumulated(self, i: int) -> Array | None:
        collects = self.settings["gradient_accumulation_steps"] > 1 or self.counters.pending > 0
        return self.states["accumulated_gradient"][i].reshape(-1) if collects else None

    def _preparations(self, gradients: Sequence[Array], count: float) -> tuple[list[update.Preparation], list[float]]:
        """One for each weight, and the squared norms computed for them by flat sums in float64, the global one last."""
        s = self.settings
        plain = update.Preparation(count, s["clipvalue"] or math.inf)
        if not (s["clipnorm"] or s["global_clipnorm"]):
            return [plain] * len(gradients), []
        with np.errstate(over="ignore", invalid="ignore"):
            means = [
                plain.collected(g.reshape(-1), self._accumulated(i)).astype(np.float64) for i, g in enumerate(gradients)
            ]
            squares = [float(reduce.sum_flat(mean * mean)) for mean in means]
        if s["clipnorm"]:
            scales = [_factor(square, s["clipnorm"]) for square in squares]
        else:
            total = squares[0]
            for square in squares[1:]:
                total += square
            squares.append(total)
            scales = [_factor(total, s["global_clipnorm"])] * len(gradients)
        return [replace(plain, scale=scale) for scale in scales], squares

    def _learning_rate(self) -> float:
        rate = self.settings["learning_rate"]
        if not callable(rate):
            return float(rate)
        update_number = int(self.counters.updates)
        first, table = self._table
        if not first <= update_number < first + len(table):
            first = update_number
            table = [_number(f"learning_rate of update {first + i}", x) for i, x in enumerate(rate(first))]
            if not table:
                raise ValueError("learning_rate must give at least 1 rate, got none")
            self._table = first, table
        return table[update_number - first]

    def state(self, copy: bool) -> dict[str, Any]:
        """An array per weight for each state, copies or read-only views, and the counters."""
        p = self.counters
        counters = np.array([p.updates, p.pending, *p.products])
        states = {name: [copied_or_seen(a, copy) for a in arrays] for name, arrays in self.states.items()}
        return {**states, "counters": counters}

    def set_state(self, given: Mapping[str, Any], dtype: Any) -> None:
        """All is checked before anything is written. States that are not named stay."""
        checked: dict[str, list[Array]] = {}
        counters = self.counters
        for name, value in given.items():
            if name == "counters":
                if len(value) != 5:
                    raise ValueError(f"state['counters'] must have 5 numbers, got {len(value)}")
                updates, pending, *products = (float(x) for x in value)
                counters = UpdateCounters(updates, pending, (products[0], products[1], products[2]))
                continue
            if name not in self.states:
                raise ValueError(f"this optimizer keeps no '{name}'")
            if len(value) != len(self.states[name]):
                raise ValueError(f"state['{name}'] must have {len(self.states[name])} arrays, got {len(value)}")
            checked[name] = [round_to(np.asarray(array), dtype).copy() for array in value]
            for i, (new, old) in enumerate(zip(checked[name], self.states[name])):
                if new.shape != old.shape:
                    raise ValueError(f"state['{name}'][{i}] must have shape {old.shape}, got {new.shape}")
        self.states.update(checked)
        self.counters = counters


def _factor(squares: float, most: float) -> float:
    """The factor that brings a norm above `most` down to it, else 1; `squares` is the norm's square."""
    norm = math.sqrt(squares) if squares >= 0 else squares
    return most / norm if norm > most else 1.0
