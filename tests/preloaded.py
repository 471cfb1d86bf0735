"""Libraries that a child process loads before the C library, to watch or to fail its calls."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from new_process import SANITIZED


def build_preloaded(source: Path, folder: Path) -> Path:
    """The library of one C++ file; the test skips where there is no compiler, or a C library of another kind."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("needs glibc")
    if SANITIZED:
        pytest.skip("a sanitiser has its own allocator and threads")
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    compiler = next((found for name in names if name and (found := shutil.which(name))), None)
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    library = folder / f"{source.stem}.so"
    command = [compiler, "-std=c++17", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return library
