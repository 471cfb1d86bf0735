"""Progress of training: a bar in place on a terminal, one line per epoch elsewhere, or tqdm's bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from .._shared.nearest import unknown
from .._shared.terminal import can_write, writable

WIDTH = 24  # of the bar, in characters; less where the terminal is narrow


class Progress:
    """Shows nothing; base of the others.

    `begin_epoch` → `update`* → `end_epoch`, once per epoch, then `close`.
    """

    def begin_epoch(self, epoch: int) -> None:
        """`epoch` counts from 0."""

    def update(self, done: int, figures: Mapping[str, float]) -> None:
        """`done` rows of this epoch are trained on; `figures` are means over them."""

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        """`logs` hold the validation's figures too."""

    def close(self) -> None:
        """Training has ended, maybe by an exception."""


class Lines(Progress):
    """A line per epoch: ``Epoch 2/20  0.4 s  151,204 rows/s  loss 0.3127  accuracy 0.9012``."""

    def __init__(self, epochs: int, rows: int, stream: Any = None) -> None:
        self.epochs, self.rows = epochs, rows
        self.stream = stream or sys.stdout
        self.epoch, self.start, self.trained = 0, time.perf_counter(), 0.0

    def begin_epoch(self, epoch: int) -> None:
        self.epoch, self.start = epoch, time.perf_counter()
        self.trained = 0.0  # seconds until the epoch's last step, without the validation after it

    def update(self, done: int, figures: Mapping[str, float]) -> None:
        if done >= self.rows:
            self.trained = time.perf_counter() - self.start

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        seconds = self.trained or time.perf_counter() - self.start
        line = f"{self._head()}  {seconds:.1f} s  {self._speed(self.rows, seconds)}  {_text(logs)}"
        print(writable(line, self.stream), file=self.stream, flush=True)

    def _head(self) -> str:
        return f"Epoch {self.epoch + 1:>{len(str(self.epochs))}}/{self.epochs}"

    @staticmethod
    def _speed(rows: int, seconds: float) -> str:
        return f"{rows / max(seconds, 1e-9):,.0f} rows/s"


class Bar(Lines):
    """A bar that is redrawn in place, and stays as a line when its epoch has ended."""

    def __init__(self, epochs: int, rows: int, stream: Any = None) -> None:
        super().__init__(epochs, rows, stream)
        self.drawn = 0  # characters on the current line
        self.marks = "━╌" if can_write("━╌", self.stream) else "=-"

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        self._draw(0, "")

    def update(self, done: int, figures: Mapping[str, float]) -> None:
        super().update(done, figures)
        seconds = time.perf_counter() - self.start
        self._draw(done, f"{self._speed(done, seconds)}  {_text(figures)}")

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        seconds = self.trained or time.perf_counter() - self.start
        self._draw(self.rows, f"{seconds:.1f} s  {self._speed(self.rows, seconds)}  {_text(logs)}", last=True)
        self.close()

    def close(self) -> None:
        if self.drawn:
            self.stream.write("\n")
            self.stream.flush()
            self.drawn = 0

    def _draw(self, done: int, text: str, last: bool = False) -> None:
        head, tail = self._head(), f"{done}/{self.rows}  {text}"
        from shutil import get_terminal_size  # imports all compression modules, so not at every `import fastbp`

        room = get_terminal_size().columns - 1  # a line that the terminal wraps cannot be redrawn in place
        width = max(0, min(WIDTH, room - len(head) - len(tail) - 4))
        filled = width * done // max(self.rows, 1)
        line = f"{head}  {self.marks[0] * filled}{self.marks[1] * (width - filled)}  {tail}"
        line = line if last else line[:room]
        self.stream.write("\r" + writable(line, self.stream).ljust(self.drawn))
        self.stream.flush()
        self.drawn = len(line)


class Line:
    """A line when `evaluate` or `predict` has ended: ``evaluate  9,000 rows  0.1 s  90,000 rows/s  loss 0.3``."""

    def __init__(self, method: str, verbose: Any, rows: int) -> None:
        if isinstance(verbose, str) and verbose != "auto":
            raise unknown("verbose", verbose, ("auto", "0", "1", "2"))
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
        self.method, self.is_shown, self.rows = method, bool(verbose), rows
        self.start = time.perf_counter()

    def end(self, figures: Mapping[str, float] | None = None) -> None:
        if self.is_shown:
            seconds = time.perf_counter() - self.start
            speed = f"{self.rows / max(seconds, 1e-9):,.0f} rows/s"
            line = f"{self.method}  {self.rows:,} rows  {seconds:.1f} s  {speed}  {_text(figures or {})}"
            print(writable(line.rstrip(), sys.stdout), flush=True)


class Tqdm(Progress):
    """tqdm's bar over all rows of all epochs."""

    def __init__(self, epochs: int, rows: int, first_epoch: int) -> None:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped]
        except ImportError as error:
            raise ImportError("verbose='tqdm' needs tqdm: pip install tqdm, or choose verbose=1") from error
        self.rows, self.first = rows, first_epoch
        self.bar = tqdm(total=(epochs - first_epoch) * rows, unit=" rows", unit_scale=True)
        self.epoch = first_epoch

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.bar.set_description(f"Epoch {epoch + 1}")

    def update(self, done: int, figures: Mapping[str, float]) -> None:
        self.bar.set_postfix_str(_text(figures), refresh=False)
        self.bar.update((self.epoch - self.first) * self.rows + done - self.bar.n)

    def end_epoch(self, logs: Mapping[str, float]) -> None:
        self.bar.set_postfix_str(_text(logs))

    def close(self) -> None:
        self.bar.close()


def _text(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


def make_progress(verbose: Any, epochs: int, first_epoch: int, rows: int) -> Progress:
    """The progress for `verbose`: "auto" (a bar on a terminal, lines elsewhere), 0, 1 (bar), 2 (lines), "tqdm"."""
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2
    if verbose == "tqdm":
        return Tqdm(epochs, rows, first_epoch)
    if isinstance(verbose, str):
        raise unknown("verbose", verbose, ("auto", "tqdm", "0", "1", "2"))
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1, 2 or 'tqdm', got {verbose!r}")
    if not verbose:
        return Progress()
    return Bar(epochs, rows) if verbose == 1 else Lines(epochs, rows)
