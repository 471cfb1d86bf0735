"""Runs test code in a process of its own: signals, forks and limits must not reach the tests'."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

SANITIZED = "san" in os.environ.get("LD_PRELOAD", "")  # a sanitiser brings its own allocator, which maps far more

DONE = "all of it was checked\n"  # the last line of a child that makes its own assertions

TIMEOUT = 60  # seconds after which a child counts as hanging


def run_python(code: str, *arguments: object) -> str:
    """What the code prints. The test fails if the child hangs or fails, and shows the errors of a child that fails."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout
