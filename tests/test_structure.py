"""The house keeps its shape: its floors, the rule against mixing instruction sets, and no libm near a result."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "cpp"
PYTHON = ROOT / "python" / "fastbp"
FLOORS = "base kernels data graph compile run evaluate train bindings".split()  # from the ground up

CPP_FILES = sorted(path for ending in ("*.h", "*.cpp") for path in CPP.rglob(ending))
PYTHON_FILES = sorted(PYTHON.rglob("*.py"))
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def includes(path: Path) -> list[tuple[str, str]]:
    """(bracket, name) of every #include."""
    return INCLUDE.findall(path.read_text())


# --- the floors of cpp/


def test_every_source_stands_on_a_floor() -> None:
    assert {path.relative_to(CPP).parts[0] for path in CPP_FILES} <= set(FLOORS)


@pytest.mark.parametrize("path", CPP_FILES, ids=name_of)
def test_a_file_includes_only_its_own_and_lower_floors(path: Path) -> None:
    own = FLOORS.index(path.relative_to(CPP).parts[0])
    for bracket, included in includes(path):
        if bracket == '"':
            floor = included.split("/")[0]
            assert floor in FLOORS, f'write "{included}" from the root of cpp/: "floor/file.h"'
            assert (CPP / included).is_file()
            assert FLOORS.index(floor) <= own, f"{floor} lies above {FLOORS[own]}"


def stem_of(name: str) -> str:
    return name.rpartition(".")[0]


def circle_in(arrows: dict[str, set[str]]) -> list[str]:
    """The nodes of a circle of arrows, or none."""
    done: set[str] = set()

    def search(path: list[str]) -> list[str]:
        for target in sorted(arrows.get(path[-1], set()) - done):
            if target in path:
                return [*path[path.index(target) :], target]
            if found := search([*path, target]):
                return found
        done.add(path[-1])
        return []

    return next((found for start in sorted(arrows) if (found := search([start]))), [])


@pytest.mark.parametrize("floor", ["data", "compile", "run", "evaluate", "train"])
def test_the_files_of_a_floor_include_one_another_one_way(floor: str) -> None:
    arrows: dict[str, set[str]] = {}
    for path in (CPP / floor).iterdir():
        own = stem_of(path.relative_to(CPP).as_posix())
        arrows.setdefault(own, set()).update({stem_of(name) for _, name in includes(path)} - {own})
    assert circle_in(arrows) == []


def test_a_circle_is_found() -> None:
    assert circle_in({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}) == []
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


MEMBER = re.compile(r"\b([a-z]\w*_)(?:\[\w*\])?(?:\{\}| = [^;,]+)?[,;]")


def members_of(code: str) -> dict[str, list[str]]:
    """class -> its data members, in a header of our formatting: they end in an underscore."""
    code = re.sub(r"//.*", "", code)
    classes = re.findall(r"^(?:class|struct) (\w+)[^;{]*\{\n(.*?)^\};", code, re.MULTILINE | re.DOTALL)
    return {
        name: [
            member
            for line in body.splitlines()
            if re.match(r"  \w", line) and not re.search(r"\)( const)?( \{|;)|return", line)
            for member in MEMBER.findall(line)
        ]
        for name, body in classes
    }


@pytest.mark.parametrize("path", [path for path in CPP_FILES if path.suffix == ".h"], ids=name_of)
def test_a_class_has_few_members(path: Path) -> None:
    """About a dozen: more are several classes in one."""
    for name, members in members_of(path.read_text()).items():
        assert len(members) <= 15, (name, members)


def test_members_are_counted() -> None:
    assert members_of((CPP / "run" / "plan.h").read_text())["Plan"][::12] == ["kernels_", "block_loop_"]
    assert len(members_of((CPP / "evaluate" / "pace.h").read_text())["Pace"]) == 15


def test_only_the_bindings_know_python() -> None:
    knows = {name_of(p) for p in CPP_FILES for _, included in includes(p) if re.match(r"pybind11|Python\.h", included)}
    assert all(name.startswith("cpp/bindings/") for name in knows)


def test_only_threads_cpp_knows_openmp() -> None:
    knows = {name_of(path) for path in CPP_FILES if re.search(r"#\s*pragma\s+omp|<omp\.h>|\bomp_", path.read_text())}
    assert knows == {"cpp/base/threads.cpp"}


def test_only_buffers_allocate_numeric_memory() -> None:
    allocates = re.compile(r"\b(malloc|calloc|realloc|posix_memalign|aligned_alloc|mmap)\s*\(")
    assert {name_of(path) for path in CPP_FILES if allocates.search(path.read_text())} <= {"cpp/base/buffer.cpp"}


# --- kernels that are compiled once per instruction set

MAY_INCLUDE = {"stddef.h", "stdint.h", "immintrin.h", "arm_neon.h"}


def compiled_per_instruction_set() -> set[Path]:
    """The files of isa/ and all that they include, directly or not."""
    found: set[Path] = set()
    waiting = list((CPP / "kernels" / "isa").glob("*.cpp"))
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [CPP / included for bracket, included in includes(path) if bracket == '"']
    return found


def test_per_set_kernels_include_no_standard_header_and_no_other_floor() -> None:
    files = compiled_per_instruction_set()
    assert files
    for path in files:
        assert path.parent in (CPP / "kernels", CPP / "kernels" / "isa"), name_of(path)
        outside = {included for bracket, included in includes(path) if bracket == "<"} - MAY_INCLUDE
        assert not outside, f"{name_of(path)} includes {outside}"


def test_per_set_kernels_live_in_an_anonymous_namespace() -> None:
    shared = {CPP / "kernels" / "table.h", CPP / "kernels" / "operations.h"}  # plain data, the same for all
    for path in compiled_per_instruction_set() - shared:
        if path.suffix == ".h":
            text = path.read_text()
            assert re.search(r"^namespace \{", text, re.MULTILINE) or "{" not in text, name_of(path)


def newest_build() -> Path | None:
    builds = {path.parent.parent for path in ROOT.glob("build/*/CMakeFiles/fastbp_kernels_generic.dir")}
    return max(builds, key=lambda path: path.stat().st_mtime, default=None)


@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump")
def test_no_instruction_set_leaks_out_of_its_objects() -> None:
    build = newest_build()
    if build is None:
        pytest.skip("no build folder in the tree")
    command = [sys.executable, str(ROOT / "tools" / "check_isa.py"), str(build)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_only_the_kernel_tables_are_a_static_with_a_lock() -> None:
    """A forked child could find such a lock taken. The tables are made at import."""
    build = newest_build()
    if build is None:
        pytest.skip("no build folder in the tree")
    objects = [str(path) for path in build.rglob("*.o")]
    listing = subprocess.run(["nm", "-C", *objects], check=True, capture_output=True, text=True).stdout
    assert {line.rpartition("::")[0].partition("guard variable for ")[2] for line in listing.splitlines() if
            "guard variable for fastbp::" in line} == {"fastbp::(anonymous namespace)::tables()"}  # fmt: skip


# --- libm

# C99's functions of <math.h> that are more than a sign, a comparison or a rounding to an integer, and their kin.
LIBM = set(
    """
    acos asin atan atan2 cos sin tan sincos acosh asinh atanh cosh sinh tanh
    exp exp2 exp10 expm1 log log2 log10 log1p pow cbrt sqrt hypot
    erf erfc lgamma tgamma gamma fma fmin fmax fmod remainder j0 j1 jn y0 y1 yn
    """.split()
)


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm")
def test_the_extension_calls_no_function_of_libm() -> None:
    from fastbp import _core

    listing = subprocess.run(
        ["nm", "-D", "--undefined-only", _core.__file__], check=True, capture_output=True, text=True
    )
    called = {line.split()[-1].partition("@")[0] for line in listing.stdout.splitlines()}
    assert "memcpy" in called  # nm was understood
    of_libm = {name for name in called if name.removesuffix("f") in LIBM or name.removesuffix("l") in LIBM}
    assert not of_libm


# --- the same in Python: nothing whose last bit depends on the machine's libraries

# Exact, or rounded correctly, wherever IEEE 754 is kept.
EXACT_MATH = set(
    """
    inf nan pi e isfinite isinf isnan copysign fabs floor ceil trunc isqrt sqrt
    ldexp frexp gcd lcm comb factorial prod fsum nextafter ulp
    """.split()
)
INEXACT_NUMPY = set(
    """
    exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2 power float_power cbrt hypot sinc
    sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh
    dot vdot inner outer matmul tensordot einsum convolve correlate linalg fft random
    mean average std var trapezoid interp polyfit polyval geomspace logspace i0
    """.split()
)
INEXACT_METHODS = {"dot", "mean", "std", "var"}

# (file, name): why it is on no path to a result or a weight.
ALLOWED: dict[tuple[str, str], str] = {
    ("activations.py", "**"): "of an expression: a node, computed by rule 4's powering",
    ("layers/dense.py", "@"): "of expressions: a node `matmul`, rule 1",
}
# Files of closed forms, whose bits are LAPACK's: each says so in its docstring, and nothing that trains imports it.
CLOSED_FORMS = {"regression.py": {"@", "np.linalg", ".mean"}}
ALLOWED |= {(name, use): "a closed form" for name, uses in CLOSED_FORMS.items() for use in uses}


def bound_modules(tree: ast.Module) -> dict[str, str]:
    """local name -> module, for the modules that are searched."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name in ("numpy", "math", "cmath")
    }


def is_inexact(module: str, name: str) -> bool:
    if module == "math":
        return name not in EXACT_MATH
    return module == "cmath" or (module == "numpy" and name in INEXACT_NUMPY)


def is_exact_power(node: ast.BinOp) -> bool:
    """Whole-number powers written out: 2**-53, 1 << 24's kin, x**2."""

    def whole(operand: ast.expr) -> bool:
        if isinstance(operand, ast.UnaryOp):
            operand = operand.operand
        return isinstance(operand, ast.Constant) and float(operand.value).is_integer()  # type: ignore[arg-type]

    two = isinstance(node.right, ast.Constant) and node.right.value == 2
    return two or (whole(node.left) and whole(node.right))


def inexact_uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, name) of everything that may round differently elsewhere."""
    modules = bound_modules(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("math", "cmath", "numpy"):
            yield from ((node.lineno, alias.name) for alias in node.names if is_inexact(node.module, alias.name))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            if is_inexact(modules[node.value.id], node.attr):
                yield node.lineno, f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in INEXACT_METHODS:
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "bp"):
                yield node.lineno, f".{node.func.attr}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield node.lineno, "@"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not is_exact_power(node):
            yield node.lineno, "**"


def code_of(tree: ast.Module) -> ast.Module:
    """Without annotations, which compute nothing (`x: np.random.Generator`)."""

    class Strip(ast.NodeTransformer):
        def visit_arg(self, node: ast.arg) -> ast.arg:
            node.annotation = None
            return node

    return Strip().visit(tree)  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", PYTHON_FILES, ids=name_of)
def test_python_calls_no_transcendental_and_no_product_of_numpy_or_libm(path: Path) -> None:
    name = path.relative_to(PYTHON).as_posix()
    uses = [
        f"line {line}: {use}"
        for line, use in inexact_uses(code_of(ast.parse(path.read_text())))
        if (name, use) not in ALLOWED
    ]
    assert not uses, uses


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_nothing_that_trains_reads_a_closed_form(name: str) -> None:
    module = name.removesuffix(".py")
    assert "LAPACK" in (ast.get_docstring(ast.parse((PYTHON / name).read_text())) or "")
    imports = re.compile(rf"^\s*(from|import)\b.*\b{module}\b", re.MULTILINE)
    importers = {path.relative_to(PYTHON).as_posix() for path in PYTHON_FILES if imports.search(path.read_text())}
    assert importers == {"__init__.py"}


def test_every_allowed_use_is_still_there() -> None:
    for name, use in ALLOWED:
        tree = code_of(ast.parse((PYTHON / name).read_text()))
        assert use in {found for _, found in inexact_uses(tree)}, (name, use)


def test_the_search_finds_what_it_looks_for() -> None:
    source = """
import numpy as np, math
from math import log
np.exp(x); math.fma(x); a @ b; x.dot(y); a ** b
x ** 2; 2.0 ** -53; math.sqrt(x); bp.mean(x)
"""
    assert [use for _, use in sorted(inexact_uses(ast.parse(source)))] == [
        "log",
        "**",
        ".dot",
        "@",
        "math.fma",
        "np.exp",
    ]


# --- the floors of python/fastbp

REFERENCE_MAY_IMPORT = {"numpy", "fastbp"}


@pytest.mark.parametrize("path", sorted((PYTHON / "reference").glob("*.py")), ids=name_of)
def test_the_reference_imports_numpy_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:  # a neighbour, or fastbp's errors: never the core
                assert "_core" not in {node.module, *(alias.name for alias in node.names)}
                continue
            imported = [(node.module or "").split(".")[0]]
        else:
            continue
        assert all(name in REFERENCE_MAY_IMPORT or name in sys.stdlib_module_names for name in imported), imported


# --- the sources


@pytest.mark.parametrize("path", CPP_FILES + PYTHON_FILES, ids=name_of)
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    """About 400 lines; a table of operations or of sequences may be longer."""
    lines = len(path.read_text().splitlines())
    assert lines <= 600, f"{lines} lines: split it along the floors"


def test_the_version_has_one_place() -> None:
    from fastbp import _core

    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert _core.__version__ == version.group(1)
