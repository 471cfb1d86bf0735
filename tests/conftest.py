"""For all tests: restores instruction set and threads after each one, and reports the comparisons at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from compare import TALLY, share_as_usual
from fastbp import _core


@pytest.fixture(autouse=True)
def machine_as_it_was() -> Iterator[None]:
    """Restores instruction set and threads, also after a failure."""
    isa = _core.isa()
    yield
    share_as_usual()
    _core.set_isa(isa)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.comparisons:
        terminalreporter.write_line(str(TALLY), green=not TALLY.bits, red=bool(TALLY.bits))
