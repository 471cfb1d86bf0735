"""Whole jobs, as a user would do them with public names alone: each script runs and holds its own assertions."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

JOBS = sorted((Path(__file__).resolve().parent / "jobs").glob("*.py"))


@pytest.mark.parametrize("job", JOBS, ids=lambda path: path.stem)
def test_a_job_runs_from_start_to_end(job: Path) -> None:
    command = [sys.executable, "-W", "error", str(job)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not done.stderr


@pytest.mark.parametrize("job", JOBS, ids=lambda path: path.stem)
def test_a_job_uses_public_names_alone_and_asserts_its_result(job: Path) -> None:
    tree = ast.parse(job.read_text(encoding="utf-8"))
    names = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert not [name for name in names if name.startswith("_")]
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not [module for module in modules if module.startswith("fastbp.")]
    assert sum(isinstance(node, ast.Assert) for node in ast.walk(tree)) > 2


def test_there_are_jobs() -> None:
    assert len(JOBS) >= 2
