"""Shows that no instruction set leaks out of its own objects.

``python tools/check_isa.py BUILD_FOLDER`` disassembles every object of a build and checks that

- no object outside the avx2 and avx512 libraries contains an AVX instruction (VEX or EVEX: a mnemonic that begins with
  v, a ymm or zmm register, or a mask register), and that those libraries do contain ymm and zmm;
- an instruction set's objects define no weak, COMDAT or unique symbol, no static initialiser, and no global symbol but
  the functions that fill the table; and they call nothing but memcpy and the like. If two objects share a symbol, the
  linker may take it from either.

Prints what it found; the exit status is 1 if anything leaks.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LIBRARY = re.compile(r"fastbp_kernels_(\w+)\.dir/")
INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\t(?:(?:lock|rep\w*|bnd|notrack|data16|cs|ds|es|ss|\{\w+\}) )*(\S+)(.*)$")
WIDE_REGISTER = re.compile(r"%(ymm|zmm|k)\d")
NOT_VECTOR = {"verr", "verw"}  # they begin with v, and are as old as the 286
MAY_CALL = {"memcpy", "memmove", "memset", "memcmp", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}
SANITIZER = re.compile(r"__(asan|ubsan|sanitizer)_")
REQUIRED = {"avx2": "ymm", "avx512": "zmm"}


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def avx_instructions(object_file: Path) -> tuple[list[str], set[str]]:
    """The AVX instructions of an object, and the kinds of wide registers (ymm, zmm, k) in them."""
    found, registers = [], set()
    for line in run("objdump", "--disassemble", "--no-show-raw-insn", str(object_file)).splitlines():
        match = INSTRUCTION.match(line)
        if match is None:
            continue
        mnemonic, operands = match.groups()
        wide = set(WIDE_REGISTER.findall(operands.partition("<")[0]))
        if wide or (mnemonic.startswith("v") and mnemonic not in NOT_VECTOR):
            found.append(line.strip())
            registers |= wide
    return found, registers


def leaking_symbols(object_file: Path, isa: str) -> Iterator[str]:
    """What an instruction set's object shares with others beyond its two table-filling functions."""
    filler = re.compile(rf"^fastbp::fill_(maps|products)_{isa}\(fastbp::KernelTable\*\)$")
    symbols = [line[17:].split(" ", 1) for line in run("nm", "--demangle", str(object_file)).splitlines()]
    sanitized = ["U", "__asan_init"] in symbols  # then every object has an initialiser, the sanitiser's
    for kind, name in symbols:
        if name.startswith("_GLOBAL__sub_I") and not sanitized:
            yield f"a static initialiser: {name}"
        elif kind == "U":
            if name not in MAY_CALL and not SANITIZER.match(name):
                yield f"a call out of the object: {name}"
        elif kind in "wWvVu":
            yield f"a weak or unique symbol: {name}"
        elif kind.isupper() and not filler.match(name):
            yield f"a global symbol: {name}"
    for line in run("objdump", "--section-headers", str(object_file)).splitlines():
        for section in (".init_array", ".ctors", ".preinit_array"):
            if section in line and not sanitized:
                yield f"a static initialiser: section {section}"


def check(object_file: Path, machine_is_x86: bool) -> list[str]:
    match = LIBRARY.search(object_file.as_posix())
    isa = match.group(1) if match else None
    problems = list(leaking_symbols(object_file, isa)) if isa else []
    if machine_is_x86:
        instructions, registers = avx_instructions(object_file)
        if isa not in REQUIRED:
            problems += [f"an AVX instruction: {line}" for line in instructions[:5]]
        elif REQUIRED[isa] not in registers:
            problems.append(f"no {REQUIRED[isa]} register in it: was it compiled for {isa}?")
    return problems


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    missing = [tool for tool in ("objdump", "nm") if shutil.which(tool) is None]
    if missing:
        print(f"check_isa needs {' and '.join(missing)} (binutils)", file=sys.stderr)
        return 2
    objects = sorted(Path(arguments[0]).rglob("*.o"))
    libraries = sorted({m.group(1) for m in (LIBRARY.search(o.as_posix()) for o in objects) if m})
    if "generic" not in libraries:
        print(f"{arguments[0]} holds no objects of fastbp's kernels", file=sys.stderr)
        return 2
    machine_is_x86 = "x86-64" in run("objdump", "--file-headers", str(objects[0]))
    leaks = 0
    for object_file in objects:
        for problem in check(object_file, machine_is_x86):
            print(f"{object_file}: {problem}")
            leaks += 1
    print(f"check_isa: {len(objects)} objects, instruction sets {', '.join(libraries)}: {leaks} leaks")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
