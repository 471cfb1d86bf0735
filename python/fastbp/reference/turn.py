"""`Turn` and `take_turn`: the twins of cpp/bindings/turn.cpp."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Turn", "take_turn"]


class Turn:
    """Held by one thread at a time, while `take_turn` runs its function.

    Parameters
    ----------
    inside : str
        What the error says to a call from within the function.
    beside : str, optional
        What it says to a call from another thread. Without it, other threads wait.

    Notes
    -----
    Python may raise KeyboardInterrupt before any instruction, one of a `finally` too, and a kept exception keeps its
    frames. So a mark that is set and removed may stay. Here the mark is a frame, and it counts while that frame is
    running in some thread: an end that cannot be skipped. In a forked child only the thread that forked is running.
    """

    def __init__(self, inside: str, beside: str | None = None) -> None:
        self._inside, self._beside = inside, beside
        self._frames: dict[FrameType, None] = {}  # one that has ended may be left

    @property
    def is_taken(self) -> bool:
        """Whether any thread holds it."""
        return any(map(_is_running, list(self._frames)))

    @property
    def is_mine(self) -> bool:
        """Whether this thread is inside its function, as callbacks are."""
        return any(_is_below(frame, sys._getframe()) for frame in list(self._frames))

    def enter(self, frame: FrameType, method: str = "") -> None:
        """Takes the turn until `frame` ends; a RuntimeError, with the method's name before, if another frame has it."""
        if self.is_mine:
            raise RuntimeError(f"{method} {self._inside}".strip())
        while not self._is_entered_by(frame):
            if self._beside is not None:
                raise RuntimeError(f"{method} {self._beside}".strip())
            time.sleep(0.001)

    def _is_entered_by(self, frame: FrameType) -> bool:
        """Whether the frame has got in: no other one is running."""
        self._frames[frame] = None  # first: of two threads that come at once, none misses the other
        for other in list(self._frames):
            if other is frame:
                continue
            if _is_running(other):
                self.leave(frame)
                return False
            self.leave(other)
        return True

    def leave(self, frame: FrameType) -> None:
        """Ends the turn before the frame ends."""
        self._frames.pop(frame, None)


def take_turn(turn: Turn, method: str, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Calls function, holding the turn; a RuntimeError that begins with the method's name if it is taken."""
    frame = sys._getframe()
    try:
        turn.enter(frame, method)
        return function(*arguments, **keywords)
    finally:
        turn.leave(frame)


def _is_running(frame: FrameType) -> bool:
    return any(_is_below(frame, top) for top in sys._current_frames().values())


def _is_below(frame: FrameType, top: FrameType | None) -> bool:
    while top is not None and top is not frame:
        top = top.f_back
    return top is not None
