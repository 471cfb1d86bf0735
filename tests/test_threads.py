"""Threads: how many there are, what sets their number, and that no result depends on it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import fastbp as bp
import numpy as np
import pytest
from compare import share, share_as_usual
from fastbp import _core
from preloaded import build_preloaded


@pytest.fixture(autouse=True)
def default_threads() -> Iterator[None]:
    yield
    bp.set_num_threads(0)


def in_new_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    cleared = {k: v for k, v in os.environ.items() if k not in ("FASTBP_NUM_THREADS", "OMP_NUM_THREADS", "FASTBP_ISA")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=cleared | environment, capture_output=True, text=True, timeout=60)


class Work:
    """A function large enough for several threads: a product, a sum over rows, an elementary function."""

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self.x = draw.standard_normal((700, 300), dtype=np.float32)
        weights = _core.Parameters("float32")
        weights.add(draw.standard_normal((300, 200)))
        graph = _core.Graph()
        x = graph.add("input", integers=[0, 300])
        w = graph.add("parameter", integers=[0, 300, 200])
        a = graph.add("tanh", [graph.add("matmul", [x, w], [0, 0])])
        self.function = _core.Function(graph, [a, graph.add("sum", [a], [1])], weights)

    def bits(self) -> bytes:
        return b"".join(np.asarray(value).tobytes() for value in self.function([self.x]))


def bits_with(threads: int) -> bytes:
    bp.set_num_threads(threads)
    return Work().bits()


# --- how many


def test_set_num_threads_is_what_get_num_threads_says() -> None:
    for n in (1, 2, 3, 5, 1024):
        bp.set_num_threads(n)
        assert bp.get_num_threads() == n


def test_zero_threads_go_back_to_the_default() -> None:
    default = bp.get_num_threads()
    bp.set_num_threads(default + 1)
    bp.set_num_threads(0)
    assert bp.get_num_threads() == default >= 1


@pytest.mark.parametrize("n", [-1, 1025, 2**31, 2**70, -(2**70)])
def test_a_number_out_of_range_is_a_value_error_and_changes_nothing(n: int) -> None:
    bp.set_num_threads(3)
    with pytest.raises(ValueError, match=r"n must be between 0 .* and 1024, got"):
        bp.set_num_threads(n)
    assert bp.get_num_threads() == 3


@pytest.mark.parametrize("n", [1.5, "2", None])
def test_what_is_no_whole_number_is_a_type_error(n: object) -> None:
    with pytest.raises(TypeError, match="n must be a whole number, got"):
        bp.set_num_threads(n)  # type: ignore[arg-type]


def test_numpy_integers_are_whole_numbers() -> None:
    bp.set_num_threads(np.int64(2))  # type: ignore[arg-type]
    assert bp.get_num_threads() == 2


SHOW = "import fastbp as bp; print(bp.get_num_threads())"


def test_the_environment_says_how_many() -> None:
    assert in_new_process(SHOW, FASTBP_NUM_THREADS="3").stdout.strip() == "3"


def test_an_empty_environment_variable_says_nothing() -> None:
    assert in_new_process(SHOW, FASTBP_NUM_THREADS="").stdout == in_new_process(SHOW).stdout


@pytest.mark.parametrize("text", ["x", "0", "-1", "2.5", "3 "])
def test_a_wrong_environment_variable_is_named(text: str) -> None:
    result = in_new_process(SHOW, FASTBP_NUM_THREADS=text)
    assert result.returncode != 0
    expected = f"ValueError: FASTBP_NUM_THREADS must be a whole number of at least 1, got '{text}'"
    assert result.stderr.strip().splitlines()[-1] == expected


def test_too_many_threads_in_the_environment_are_an_error() -> None:
    result = in_new_process(SHOW, FASTBP_NUM_THREADS="99999999999999999999")
    assert "ValueError: FASTBP_NUM_THREADS must be at most 1024" in result.stderr


def test_set_num_threads_outranks_a_wrong_environment_variable() -> None:
    code = "import fastbp as bp; bp.set_num_threads(2); print(bp.get_num_threads())"
    assert in_new_process(code, FASTBP_NUM_THREADS="x").stdout.strip() == "2"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity masks")
def test_the_default_keeps_to_the_affinity_mask() -> None:
    code = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {SHOW}"
    assert in_new_process(code).stdout.strip() == "1"


# --- which instruction set


def test_an_unknown_instruction_set_ends_the_import_and_names_those_available() -> None:
    result = in_new_process("import fastbp", FASTBP_ISA="foo")
    available = ", ".join(_core.available_isas())
    assert result.stderr.strip().splitlines()[-1] == f"ImportError: FASTBP_ISA must be one of: {available}; got 'foo'"


@pytest.mark.parametrize("name", _core.available_isas())
def test_the_environment_forces_an_instruction_set(name: str) -> None:
    code = "from fastbp import _core; print(_core.isa())"
    assert in_new_process(code, FASTBP_ISA=name).stdout.strip() == name


@pytest.mark.parametrize("name", _core.available_isas())
def test_set_isa_forces_an_instruction_set_in_the_process(name: str) -> None:
    before = _core.isa()
    try:
        _core.set_isa(name)
        assert _core.isa() == name
    finally:
        _core.set_isa(before)


def test_set_isa_refuses_an_unknown_name_and_changes_nothing() -> None:
    before = _core.isa()
    with pytest.raises(ValueError, match=r"isa must be one of: generic.*got 'sse9'"):
        _core.set_isa("sse9")
    assert _core.isa() == before


# --- no result depends on it


def test_any_number_of_threads_gives_the_same_bits() -> None:
    once = bits_with(1)
    for threads in (2, 3, 5):
        assert bits_with(threads) == once


def test_a_forked_child_gives_the_same_bits_and_ends() -> None:
    here = bits_with(2)  # the parent's threads are running now
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python, and JAX if imported, warns of forks with threads: that is the point
        child = os.fork()
    if child == 0:
        signal.alarm(30)  # ends a child that hangs, and with it the wait below
        status = 1
        try:
            status = 0 if bits_with(2) == here and Work().bits() == here else 2
        finally:
            os.write(writer, bytes([status]))
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    assert answer == b"\0"
    assert bits_with(2) == here  # and the parent still has its threads


def stepped(x: np.ndarray) -> bytes:
    """Weights after a step of a team on blocks of rows, from 0; 1/rows is computed before the team starts."""
    share(2)
    weights = []
    try:
        for rows in range(290, 300):
            net = bp.Sequential([bp.Input((3,)), bp.Dense(2, kernel_initializer="zeros")])
            net.compile(bp.SGD(0.1), "mse")
            net.train_on_batch(x[:rows], x[:rows, :2])
            weights += [weight.tobytes() for weight in net.get_weights()]
    finally:
        share_as_usual()
    return b"".join(weights)


def test_the_callers_rounding_mode_neither_reaches_a_result_nor_is_changed() -> None:
    library = ctypes.CDLL(None)
    if not hasattr(library, "fesetround"):
        pytest.skip("the C library offers no rounding modes here")
    upward = {"x86_64": 0x800, "aarch64": 0x400000}.get(os.uname().machine)
    if upward is None:
        pytest.skip("FE_UPWARD is not known for this machine")
    bp.set_num_threads(2)
    work = Work()
    x = np.random.default_rng(1).random((300, 3), dtype=np.float32)
    expected = [work.bits(), stepped(x)]
    nearest = library.fegetround()
    assert library.fesetround(upward) == 0
    try:
        under_other_rounding = [work.bits(), stepped(x)]
        left = library.fegetround()
    finally:
        library.fesetround(nearest)
    assert left == upward
    assert under_other_rounding == expected


# --- the limits of others


NUMBER = "import fastbp as bp; print(bp.get_num_threads())"


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3,2"}, 3),  # for nested regions: the outer one counts
        ({"OMP_NUM_THREADS": "3", "FASTBP_NUM_THREADS": "2"}, 2),
    ],
)
def test_openmps_variable_counts_where_ours_is_not_set(environment: dict[str, str], threads: int) -> None:
    assert in_new_process(NUMBER, **environment).stdout.strip() == str(threads)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "2x"])
def test_what_openmp_would_not_take_does_not_count(text: str) -> None:
    processors = in_new_process("from fastbp import _core; print(_core.config()['processors'])").stdout
    assert in_new_process(NUMBER, OMP_NUM_THREADS=text).stdout == processors


def test_the_workers_of_joblib_use_their_share_of_the_processors() -> None:
    code = """
import joblib
from joblib.externals.loky import cpu_count
def threads(_):
    import fastbp as bp
    return bp.get_num_threads()
if __name__ == "__main__":
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(threads)(i) for i in range(2))
    assert found == [max(cpu_count() // 2, 1)] * 2, found
    print("shared")
"""
    pytest.importorskip("joblib")
    result = in_new_process(code)
    assert result.stdout == "shared\n", result.stderr


def test_threadpoolctl_sets_a_ceiling() -> None:
    pytest.importorskip("threadpoolctl")
    code = """
import os
import fastbp as bp
import numpy as np
import threadpoolctl
from fastbp import _core
_core.testing.share_always(True)
bp.set_num_threads(3)
x = np.linspace(-1, 1, 6000, dtype=np.float32).reshape(600, 10)
def work():
    net = bp.Sequential([bp.Dense(64, activation="tanh"), bp.Dense(1)], seed=1)
    net.compile("sgd", "mse")
    net.fit(x, x[:, :1], batch_size=200, verbose=0)
    return bp.weights_hash(net.get_weights())
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
with threadpoolctl.threadpool_limits(1):
    assert bp.get_num_threads() == 1
    expected = work()
    assert threads() == before, (threads(), before)
assert bp.get_num_threads() == 3
with threadpoolctl.threadpool_limits(1, user_api="blas"):
    assert bp.get_num_threads() == 3
assert work() == expected
assert threads() == before + 2
print("all of it was checked")
"""
    result = in_new_process(code, OMP_NUM_THREADS="4")
    assert result.stdout == "all of it was checked\n", result.stderr


def test_a_limit_that_was_set_before_the_import_is_a_ceiling() -> None:
    pytest.importorskip("threadpoolctl")
    code = """
import ctypes, os
import threadpoolctl
os.environ.pop("OMP_NUM_THREADS", None)
try:
    ctypes.CDLL("libgomp.so.1")
except OSError:
    raise SystemExit("no libgomp") from None
with threadpoolctl.threadpool_limits(1):
    import fastbp as bp
    bp.set_num_threads(3)
    print(bp.get_num_threads(), len(os.sched_getaffinity(0)))
print(bp.get_num_threads())
"""
    result = in_new_process(code)
    if "no libgomp" in result.stderr:
        pytest.skip("needs libgomp")
    inside, processors, after = result.stdout.split()
    assert int(inside) == (1 if int(processors) > 1 else 3), result.stderr
    assert after == "3"


def test_a_forked_child_says_that_it_uses_one_thread() -> None:
    code = """
import os, warnings
import fastbp as bp
warnings.simplefilter("ignore")
bp.set_num_threads(4)
if os.fork() == 0:
    print(bp.get_num_threads(), flush=True)
    os._exit(0)
os.wait()
print(bp.get_num_threads())
"""
    assert in_new_process(code).stdout.split() == ["1", "4"]


# --- a system that refuses threads


REFUSED = """
import sys, threading, warnings
import fastbp as bp
import numpy as np
from fastbp import _core
bp.set_num_threads(6)
_core.testing.share_always(True)
net = bp.Sequential([bp.Dense(64, activation="tanh"), bp.Dense(1)], seed=1)
net.compile("sgd", "mse")
x = np.linspace(-1, 1, 6000, dtype=np.float32).reshape(600, 10)
def work():
    net.fit(x, x[:, :1], batch_size=200, epochs=2, verbose=0)
    net.predict(x)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(3):
        work()
print(bp.weights_hash(net.get_weights()), len(caught))
print(*{str(warning.message) for warning in caught})
"""


@pytest.mark.parametrize("most", [0, 2])
def test_a_system_that_refuses_threads_gets_fewer_and_one_warning(most: int, tmp_path: Path) -> None:
    library = str(build_preloaded(Path(__file__).with_name("refuse_threads.cpp"), tmp_path))
    free = in_new_process(REFUSED).stdout.split()
    assert free[1] == "0"
    result = in_new_process(REFUSED, LD_PRELOAD=library, MOST_THREADS=str(most), OPENBLAS_NUM_THREADS="1")
    assert result.returncode == 0, result.stderr
    first, message = result.stdout.splitlines()
    assert first.split() == [free[0], "1"]
    assert f"refuses to make 6 threads: fastbp goes on with {most + 1}" in message


def test_the_warning_may_be_an_error_and_nothing_is_done(tmp_path: Path) -> None:
    library = str(build_preloaded(Path(__file__).with_name("refuse_threads.cpp"), tmp_path))
    code = REFUSED.replace('simplefilter("always")', 'simplefilter("error")').replace(
        "        work()", "        try: work()\n        except RuntimeWarning: print('refused', net._session.steps)"
    )
    result = in_new_process(code, LD_PRELOAD=library, MOST_THREADS="1", OPENBLAS_NUM_THREADS="1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "refused 0"


SHRUNK = """
import os, time, warnings
warnings.simplefilter("ignore")
import fastbp as bp
import numpy as np
from fastbp import _core
_core.testing.share_always(True)
net = bp.Sequential([bp.Dense(64, activation="tanh"), bp.Dense(1)], seed=1)
net.compile("sgd", "mse")
x = np.linspace(-1, 1, 6000, dtype=np.float32).reshape(600, 10)
def team(threads):
    bp.set_num_threads(threads)
    net.fit(x, x[:, :1], batch_size=200, verbose=0)
    time.sleep(0.2)  # threads that have been told to end are still listed for a while
    return len(os.listdir("/proc/self/task"))
print(team(6), team(2))
os.environ["MOST_THREADS"] = "2"
print(team(6))
os.environ["MOST_THREADS"] = "1000"
time.sleep(1.1)
print(team(6))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux' list of threads")
def test_a_team_that_grows_again_meets_a_refusal_and_its_end(tmp_path: Path) -> None:
    """OpenMP ends the threads of a larger team when a smaller one works, and makes them again."""
    library = str(build_preloaded(Path(__file__).with_name("refuse_threads.cpp"), tmp_path))
    result = in_new_process(SHRUNK, LD_PRELOAD=library, MOST_THREADS="1000", OPENBLAS_NUM_THREADS="1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[1:] == ["3", "6"]
