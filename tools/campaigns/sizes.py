"""Calls fastbp with sizes from the whole range of 64 bits, and counts what ends or hangs the process.

python tools/campaigns/sizes.py --public 50000 --private 500000

Every call may succeed or raise TypeError, ValueError, MemoryError, OverflowError, RuntimeError or FastBPError. After 5
seconds a signal asks it to end, for some have data of 2^60 rows. Anything else is a failure: another exception, a death
by a signal, a call that has not ended after a minute, or one that takes far more memory than it was told to have left,
256 MiB. The calls run in processes of their own, with an address space of 3 GiB. Prints the numbers of calls and of
failures, and the first failures; the exit status is 1 if there are any. `--kind KIND --seed NUMBER` repeats one call.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import gc
import mmap
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import fastbp as bp
import numpy as np
from fastbp import _core
from fastbp._shared.trained_weight import TrainedWeight
from fastbp.reference import memory

ADDRESS_SPACE = 3 << 30  # bytes
LEFT, MARGIN = 256 << 20, 64 << 20  # bytes: of memory for a call, and what small arrays may take beside
MUCH = 128 << 20  # bytes; a process without garbage takes less
PATIENCE, HANG = 5, 60  # seconds
CALLS_PER_PROCESS = 2000


class TakesLong(Exception):
    """Raised by the signal that ends a call."""


EXPECTED = (TakesLong, TypeError, ValueError, MemoryError, OverflowError, RuntimeError, bp.FastBPError, IndexError)

Choose = random.Random


def size(r: Choose) -> int:
    """Small sizes, powers of two and their neighbours, and numbers of any magnitude and sign."""
    kind = r.random()
    if kind < 0.45:
        return r.choice([0, 1, 1, 2, 2, 3, 3, 4, 5, 8, 17])
    if kind < 0.75:
        return r.choice([1, 1, 1, -1]) * (1 << r.randrange(64)) + r.choice([-1, 0, 0, 1])
    return r.choice([1, 1, 1, -1]) * r.getrandbits(r.randrange(1, 66))


def sizes(r: Choose, most: int = 4) -> tuple[int, ...]:
    return tuple(size(r) for _ in range(r.randrange(most + 1)))


def array(r: Choose) -> Any:
    """A small array, one of many rows that take no memory, or nothing that fits."""
    kind = r.random()
    if kind < 0.7:
        shape = [r.choice([0, 1, 2, 3, 4, 300]), *(r.choice([1, 2, 3, 4]) for _ in range(r.randrange(3)))]
        return np.ones(shape, r.choice(["f4", "f8", "i8", "u1", "?"]))
    if kind < 0.85:
        with_rows = [min(abs(size(r)), 2**62), *(r.choice([1, 2, 3]) for _ in range(r.randrange(2)))]
        try:
            return np.broadcast_to(np.float32(1), with_rows)
        except ValueError:
            return np.ones(3)
    return r.choice([None, 1, "x", [1.0, 2.0], np.ones((2, 2), complex), np.float64(3), {}])


def anything(r: Choose) -> Any:
    return r.choice([size(r), size(r), sizes(r), None, 1.5, float("nan"), float("inf"), -1, "x", [], array(r)])


# --- public calls


def dense(r: Choose) -> Any:
    net = bp.Sequential([bp.Input(sizes(r, 2)), bp.Dense(size(r)), bp.Dense(r.choice([1, 2, size(r)]))])
    net.compile("sgd", "mse", backend=backend(r))
    return r.choice([lambda: net.predict(array(r)), lambda: net.fit(array(r), array(r), verbose=0), net.build])()


def layer(r: Choose) -> Any:
    some = r.choice([bp.Flatten(), bp.Dropout(0.5, exact=True), bp.Rescaling(2.0), bp.Dense(2)])
    return bp.Sequential([bp.Input(sizes(r)), some]).predict(array(r))


def built(r: Choose) -> Any:
    return bp.Sequential([bp.Dense(r.choice([2, size(r)]))]).build(r.choice([sizes(r), size(r), anything(r)]))


def weight(r: Choose) -> Any:
    start = r.choice([bp.Zeros(), bp.Ones(), bp.RandomNormal(), bp.GlorotUniform(), bp.LectureNormal()])
    drawn = bp.Parameter(shape=sizes(r), initializer=start)
    return r.choice([
        lambda: bp.function([], bp.sum(drawn), backend=backend(r))(), lambda: bp.parameter(array(r)).value,
        lambda: bp.function([], bp.sum(bp.parameter(array(r))), backend=backend(r))(),
        lambda: setattr(bp.parameter(np.ones(array_shape(r))), "value", array(r)),
        lambda: start(sizes(r), seed=0, ordinal=0, backend=_core),
    ])()  # fmt: skip


def backend(r: Choose) -> str:
    return r.choice(["core", "core", "reference"])


def array_shape(r: Choose) -> tuple[int, ...]:
    return tuple(r.choice([1, 2, 3]) for _ in range(r.randrange(3)))


def set_weights(r: Choose) -> Any:
    units = r.choice([2, 2, 2, 300, 2**20, 2**25])
    layer = bp.Dense(units, use_bias=False, kernel_initializer="zeros")
    net = bp.Sequential([bp.Input((r.choice([1, 2]),)), layer])
    net.compile("adam", "mse", backend=backend(r) if units < 1000 else "core")
    net.build()
    shape = net.weights[0].shape
    return r.choice([
        net.get_weights, lambda: net.set_weights([np.broadcast_to(r.choice([1, 1.0, np.float32(1)]), shape)]),
        lambda: net.train_on_batch(np.ones((1, shape[0])), np.broadcast_to(1.0, (1, units))),
        lambda: copy.deepcopy(net),
    ])()  # fmt: skip


def add_weight(r: Choose) -> Any:
    return bp.Layer().add_weight(r.choice([sizes(r), size(r), anything(r)]))


def shapes(r: Choose) -> Any:
    x = bp.input("x", r.choice([None, sizes(r, 2)]))
    changed = r.choice([
        lambda: bp.reshape(x, sizes(r)), lambda: bp.sum(x, r.choice([size(r), sizes(r)])),
        lambda: x[:, size(r) : size(r) : size(r)], lambda: x[size(r)], lambda: bp.concatenate([x, x], size(r)),
        lambda: bp.softmax(x, size(r)), lambda: x ** size(r), lambda: bp.max(x, sizes(r)), lambda: x[..., size(r)],
        lambda: bp.mean(x, size(r), keepdims=True), lambda: x @ bp.parameter(np.ones((2, 3))),
    ])()  # fmt: skip
    return bp.function([x], changed)(array(r))


def fit(r: Choose) -> Any:
    net = bp.Sequential([bp.Dense(2)])
    net.compile("sgd", "mse")
    options = {
        "batch_size": size(r), "epochs": r.choice([1, 2, 0, -1, anything(r)]), "validation_split": r.random() * 1.2,
        "initial_epoch": r.choice([0, 0, size(r)]), "validation_freq": size(r), "validation_batch_size": size(r),
        "validation_seed": size(r), "stratify": r.random() < 0.5, "validation_data": (array(r), array(r)),
    }  # fmt: skip
    chosen = {name: options[name] for name in options if r.random() < 0.4}
    return net.fit(array(r), array(r), verbose=0, **chosen)


def predict(r: Choose) -> Any:
    net = bp.Sequential([bp.Input((2,)), bp.Dropout(0.5), bp.Dense(2)])
    hooks = [bp.LambdaCallback(on_predict_batch_end=lambda *_: None)] if r.random() < 0.3 else None
    return net.predict(
        array(r), batch_size=size(r), dropout=r.random() < 0.5, samples=r.choice([1, 2, -size(r), size(r)]),
        callbacks=hooks,
    )  # fmt: skip


def augment(r: Choose) -> Any:
    step = r.choice([
        lambda: bp.augment.RandomAffine(r.random() * 10, image_shape=sizes(r, 3)),
        lambda: bp.augment.ElasticTransform(34, r.choice([4, size(r)]), image_shape=sizes(r, 3)),
        lambda: bp.augment.RandomFlip(0.5, image_shape=sizes(r, 3)),
    ])()  # fmt: skip
    return r.choice(
        [lambda: step(array(r), size(r), size(r)), lambda: bp.augment.expand(array(r), array(r), step, 1)]
    )()


def minimize(r: Choose) -> Any:
    x, w = bp.input("x"), bp.parameter(1.0)
    return bp.minimize(
        bp.mean((x * w) ** 2), {"x": array(r)}, batch_size=r.choice([None, size(r)]), seed=r.choice([0, size(r)]),
        evaluate_every=r.choice([None, size(r)]),
    )  # fmt: skip


def settings(r: Choose) -> Any:
    n = size(r)
    return r.choice([
        lambda: bp.set_num_threads(r.choice([0, 1, 2, 2000, -n])), lambda: bp.SGD(gradient_accumulation_steps=n),
        lambda: bp.CosineDecay(0.1, n)(n), lambda: bp.OneCycle(0.1, n)(n), lambda: bp.StepDecay(0.1, n)(n),
        lambda: bp.EarlyStopping(patience=n), lambda: bp.Sequential([bp.Dense(2)], seed=n),
        lambda: bp.datasets.stratified_split(array(r), r.random(), n), lambda: bp.weights_hash([array(r)]),
        lambda: bp.linear_regression(array(r), array(r)), lambda: bp.draw(bp.sum(bp.input("x", sizes(r))), expand=True),
        lambda: bp.curvature(bp.sum(bp.input("x", sizes(r)))),
        lambda: bp.hessian(bp.sum(bp.parameter(np.ones(3)) ** n), bp.input("x")),
    ])()  # fmt: skip


PUBLIC: list[Callable[[Choose], Any]] = [
    dense, layer, built, weight, set_weights, add_weight, shapes, fit, predict, augment, minimize, settings,
]  # fmt: skip

# --- private calls

OPERATIONS = sorted(_core.operations())


def unmade(r: Choose) -> Any:
    cls = r.choice([_core.Graph, _core.Parameters, _core.Function, _core.Trainer, _core.Turn])
    return cls.__new__(cls)


def node(r: Choose, graph: Any) -> Any:
    return r.choice([r.randrange(max(len(graph), 1)), r.randrange(max(len(graph), 1)), size(r), None, -1])


def graph_of(r: Choose) -> tuple[Any, Any]:
    """A graph with some nodes that could be added, and parameters."""
    graph, values = _core.Graph(), _core.Parameters(r.choice(["float32", "float64"]))
    values.add(np.ones(r.choice([(), (2,), (2, 2)])), "w")
    graph.add("input", [], [r.choice([0, 0, 0, size(r)]) if r.random() < 0.1 else 0, *r.choice([(), (2,), (2, 2)])])
    graph.add("parameter", [], [0, *values.get(0).shape])
    for _ in range(r.randrange(8)):
        operation = r.choice(OPERATIONS)
        operands = max(_core.operations()[operation], 1)
        try:
            graph.add(operation, [r.randrange(len(graph)) for _ in range(operands)], list(sizes(r)), [])
        except EXPECTED:
            continue
    return graph, values


def add(r: Choose) -> Any:
    graph, _ = graph_of(r)
    operation = r.choice([*OPERATIONS, "nothing"])
    operands = [node(r, graph) for _ in range(r.randrange(4))]
    return graph.add(operation, operands, list(sizes(r, 6)), r.choice([[], [0.5], [float("nan")] * 3]))


def look(r: Choose) -> Any:
    graph, _ = graph_of(r)
    name = r.choice(["shape", "operation", "inputs", "integers", "numbers", "name"])
    return getattr(graph, name)(node(r, graph))


def gradients(r: Choose) -> Any:
    graph, _ = graph_of(r)
    return graph.gradients(node(r, graph), [node(r, graph) for _ in range(r.randrange(3))])


def parameters(r: Choose) -> Any:
    values = _core.Parameters("float32")
    values.add(np.ones((2, 2)), "w")
    return r.choice([
        lambda: values.add_parts(list(sizes(r)), r.choice([[], [np.ones(4)], [np.ones(2)] * 2, None])),
        lambda: values.get(size(r)), lambda: values.set(size(r), array(r)), lambda: values.add(array(r)),
        lambda: _core.set_all([(values, 0, np.ones((2, 2))), (r.choice([values, unmade(r)]), size(r), array(r))]),
        lambda: _core.Parameters(anything(r)),
        lambda: _core.take_turn(r.choice([unmade(r), _core.Turn("a"), None]), r.choice(["f", 1]), anything(r)),
    ])()  # fmt: skip


def function(r: Choose) -> Any:
    graph, values = graph_of(r)
    outputs = [node(r, graph) for _ in range(r.randrange(1, 3))]
    made = _core.Function(
        graph, outputs, r.choice([values, values, values, None, unmade(r)]), training=r.random() < 0.5
    )
    inputs = [array(r) for _ in range(r.choice([1, 1, 1, 0, 2]))]
    if r.random() < 0.3:
        return made.means(inputs, batch_size=size(r))
    return made(inputs, batch_size=r.choice([None, size(r)]), counter=r.choice([0, abs(size(r))]))


def trainer(r: Choose) -> Any:
    graph, values = graph_of(r)
    cost = node(r, graph)
    if r.random() < 0.7:
        shape = graph.shape(1)[1]
        cost = graph.add("sum", [graph.add("multiply", [1, 1])], [0, *range(len(shape))])
    weight = TrainedWeight(
        r.choice([1, 1, 1, node(r, graph)]), r.choice([1.0, 1.0, None]), r.choice([1.0, 1.0, abs(size(r))]),
        max_norm=r.choice([1.0, float("inf")]), proximal_l1=r.choice([0.0, 0.5]),
    )  # fmt: skip
    made = _core.Trainer(
        graph, cost, [], r.choice([values, values, values, None]), r.choice([[weight], [weight], [], [1]]),
        r.choice([{"name": "sgd", "learning_rate": 0.1}, {"name": "adam", "learning_rate": 0.1}, {"name": 1}, {}]),
        abs(size(r)),
    )  # fmt: skip
    inputs = [array(r)]
    return r.choice([
        lambda: made.fit(inputs, batch_size=size(r), epochs=r.choice([1, 2, -1]), rows=r.choice([None, size(r)])),
        lambda: made.step(inputs), lambda: made.set_weights([weight] * r.randrange(3)), made.state,
        lambda: made.set_state({"counters": r.choice([[0.0] * 5, np.zeros(5), None, [size(r)] * 5])}),
        lambda: setattr(made, r.choice(["epoch", "steps"]), size(r)),
    ])()  # fmt: skip


def numbers(r: Choose) -> Any:
    n, flip = r.choice([3, size(r)]), [("flip", [0.5, 0.5])]
    return r.choice([
        lambda: _core.uniform(abs(size(r)), abs(size(r)) % 2**32, n, first=size(r)),
        lambda: _core.normal(abs(size(r)), abs(size(r)) % 2**32, n, first=size(r)),
        lambda: _core.augmented(array(r), (flip, list(sizes(r, 3))), dtype="float32", seed=1, epoch=0),
    ])()  # fmt: skip


def of_unmade(r: Choose) -> Any:
    thing = unmade(r)
    name = r.choice([n for n in dir(thing) if not n.startswith("__")] + ["__len__", "__call__"])
    member = getattr(thing, name, None)
    return member(*(anything(r) for _ in range(r.randrange(4)))) if callable(member) else member


PRIVATE: list[Callable[[Choose], Any]] = [
    add, look, gradients, parameters, parameters, function, trainer, numbers, of_unmade,
]  # fmt: skip

KINDS = {"public": PUBLIC, "private": PRIVATE}


def long(*_: object) -> None:
    raise TakesLong


def leave_little_memory() -> None:
    """From now on fastbp is to think that this process can have LEFT bytes more."""
    if memory.memory_taken() > MUCH:  # what is freed meanwhile would be left too
        gc.collect()
    memory.Limit.known = memory.memory_taken() + LEFT
    _core.testing.limit_memory(memory.Limit.known)


def resident(which: str) -> int:
    """Bytes in memory: "VmRSS" now, "VmHWM" at most since the peak was forgotten."""
    with open("/proc/self/status", encoding="ascii") as file:
        return int(file.read().partition(f"{which}:")[2].split()[0]) << 10


def forget_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def run_calls(kind: str, first: int, count: int, at: mmap.mmap) -> list[str]:
    """Calls number first … first + count − 1; writes each number to `at` before it."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, long)
    wrong = []
    for number in range(first, first + count):
        at[:8] = number.to_bytes(8, "little")
        choose = random.Random(f"{kind} {number}")
        leave_little_memory()
        forget_peak()
        before = resident("VmHWM")
        try:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE, 1)
            choose.choice(KINDS[kind])(choose)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except EXPECTED:
            pass
        except BaseException as error:
            wrong.append(f"{kind} {number}: {type(error).__name__}: {error}")
        signal.setitimer(signal.ITIMER_REAL, 0)
        taken = resident("VmHWM") - before
        if taken > LEFT + MARGIN:
            wrong.append(f"{kind} {number}: takes memory that it should not have: {taken >> 20} MiB")
    return wrong


def in_process(kind: str, first: int, count: int) -> tuple[list[str], int]:
    """Failures, and the number of the call to go on with."""
    with tempfile.TemporaryFile() as place, tempfile.TemporaryFile("w+") as report:
        place.truncate(8)
        at = mmap.mmap(place.fileno(), 8)
        child = os.fork()
        if child == 0:
            faulthandler.disable()
            try:
                report.write("\n".join(run_calls(kind, first, count, at)))
                report.flush()
            finally:
                os._exit(0)
        last, since = -1, time.monotonic()
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            number = int.from_bytes(at[:8], "little")
            if ended:
                break
            if number != last:
                last, since = number, time.monotonic()
            elif time.monotonic() - since > HANG:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return [f"{kind} {number}: takes longer than {HANG} s"], number + 1
            time.sleep(0.005)
        if os.WIFSIGNALED(status):
            return [f"{kind} {number}: signal {signal.Signals(os.WTERMSIG(status)).name}"], number + 1
        report.seek(0)
        return report.read().splitlines(), first + count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--public", type=int, default=0, metavar="N", help="public calls")
    parser.add_argument("--private", type=int, default=0, metavar="N", help="calls of the extension")
    parser.add_argument("--kind", choices=KINDS, help="repeat one call of this kind, in this process")
    parser.add_argument("--seed", type=int, default=0, help="the number of the first call")
    arguments = parser.parse_args()
    if arguments.kind:
        choose = random.Random(f"{arguments.kind} {arguments.seed}")
        print(repr(choose.choice(KINDS[arguments.kind])(choose))[:1000])
        return 0
    failures: list[str] = []
    for kind in KINDS:
        number, end = arguments.seed, arguments.seed + getattr(arguments, kind)
        while number < end:
            wrong, number = in_process(kind, number, min(CALLS_PER_PROCESS, end - number))
            failures += wrong
    print(f"{arguments.public:,} public and {arguments.private:,} private calls: {len(failures)} failures")
    kinds = Counter(failure.partition(": ")[2][:60] for failure in failures)
    for what, times in kinds.most_common(12):
        print(f"  {times} × {what}: {next(f for f in failures if what in f)[:200]}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
