"""Runs test code in a process of its own: signals, forks and limits must not reach the tests'."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

SANITIZED = "san" in os.environ.get("LD_PRELOAD", "")  # a sanitiser brings its own allocator, which maps far more

DONE = "all of it was checked\n"  # the last that a child prints which asserts by itself

TIMEOUT = 60  # seconds after which a child hangs, for these tests


def run_python(code: str, *arguments: object) -> str:
    """What the code prints; the test fails, showing the child's errors, if it fails or hangs."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout
