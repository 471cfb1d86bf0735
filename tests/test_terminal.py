"""All output can be printed on any stream: streams that know only ASCII get ASCII."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

TRAINING = """
import fastbp as bp
def größe(y, a):
    return bp.mean(bp.abs(a))
net = bp.Sequential([bp.Input((2,)), bp.Dense(3, name="größe")])
net.summary()
net.compile(loss="mse", metrics=[größe])
for verbose in (1, 2):
    net.fit([[1.0, 2.0]], [[1.0, 2.0, 3.0]], verbose=verbose)
net.evaluate([[1.0, 2.0]], [[1.0, 2.0, 3.0]], verbose=1)
"""


def printed(encoding: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(encoding)


@pytest.mark.parametrize(("encoding", "line", "name"), [("ascii", "-" * 80, "gr??e"), ("utf-8", "─" * 80, "größe")])
def test_summary_and_progress_are_shown_in_any_encoding(encoding: str, line: str, name: str) -> None:
    lines = printed(encoding, "-c", TRAINING).splitlines()
    assert line in lines
    assert all(any(f"  {name} " in text for text in lines if text.startswith(start)) for start in ("Epoch", "evaluate"))
    assert any(text.startswith(f"{name} (Dense)") for text in lines)


@pytest.mark.parametrize(("encoding", "size"), [("ascii", "8x8"), ("utf-8", "8×8")])
def test_help_is_shown_in_any_encoding(encoding: str, size: str) -> None:
    assert size in printed(encoding, "-m", "fastbp", "train", "--help")
