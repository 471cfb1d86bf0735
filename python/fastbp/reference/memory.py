"""`require_memory`: asks before NumPy allocates. The twin of memory and control_groups in cpp/base.

A system that promises memory which it does not have ends the process later, when the memory is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ["memory_limit", "memory_taken", "require_memory"]

SMALL = 16 << 20  # bytes; allocations below are not worth a look at the system
NO_LIMIT = 1 << 60  # version 1 of the control groups writes a huge number where there is none
UNLIMITED = 2**64 - 1


class Limit:
    """What `require_memory` keeps to: the system's limit, read once, or what a test sets. None: not read yet."""

    known: int | None = None


def require_memory(bytes: int) -> None:
    """MemoryError if this process cannot have so many bytes more."""
    if bytes < SMALL:
        return
    if Limit.known is None:
        Limit.known = memory_limit()
    limit = Limit.known
    if limit == UNLIMITED:
        return
    left = max(limit - memory_taken(), 0)
    if bytes > left:
        raise MemoryError(
            f"out of memory: {bytes} bytes ({bytes / 2**30:.1f} GiB) are more than the {left / 2**30:.1f} GiB that are "
            f"left of {limit / 2**30:.1f} GiB"
        )


def memory_limit(root: str = "") -> int:
    """The bytes that a process can have at most: memory and swap of the machine, or less where a control group says so.

    `root`: where "/" is, for tests.
    """
    machine = f"{root}/proc/meminfo"
    memory, swap, both = (
        _bytes_named(machine, "MemTotal:", UNLIMITED),
        _bytes_named(machine, "SwapTotal:", 0),
        UNLIMITED,
    )
    for is_v2, folder in _groups(root):
        names = ("memory.max", "memory.swap.max") if is_v2 else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        of_memory, of_swap = (_limit_in(f"{folder}/{name}") for name in names)
        memory = min(memory, UNLIMITED if of_memory is None else of_memory)
        if of_swap is None:  # the kernel does not account swap: a group that limits memory counts as having none
            swap = 0 if of_memory not in (None, UNLIMITED) else swap
        elif is_v2:
            swap = min(swap, of_swap)
        else:
            both = min(both, of_swap)
    return min(both, memory + swap, UNLIMITED)


def memory_taken(root: str = "") -> int:
    """The bytes of it that this process has, in memory and in swap; pages of files do not count."""
    try:
        _, pages, shared, *_ = map(int, _text(f"{root}/proc/self/statm").split())
    except ValueError:
        pages = shared = 0
    status = f"{root}/proc/self/status"
    own = max(pages - shared, 0) * os.sysconf("SC_PAGE_SIZE")  # shared: of files and of shared memory
    return own + _bytes_named(status, "RssShmem:", 0) + _bytes_named(status, "VmSwap:", 0)


def _groups(root: str) -> Iterator[tuple[bool, str]]:
    """(whether it is of version 2, folder) of this process's groups for memory and of their ancestors."""
    mount = f"{root}/sys/fs/cgroup"
    for line in _text(f"{root}/proc/self/cgroup").splitlines():  # "hierarchy:controllers:/group"; version 2 names none
        _, colon, rest = line.partition(":")
        controllers, second, group = rest.partition(":")
        if not (colon and second) or not (controllers == "" or "memory" in controllers.split(",")):
            continue
        for tree in dict.fromkeys([controllers, "memory"] if controllers else [""]):
            folder, climbed = f"{mount}/{tree}" if tree else mount, group
            while True:
                yield controllers == "", folder + climbed
                if "/" not in climbed:
                    break
                climbed = climbed.rpartition("/")[0]


def _limit_in(path: str) -> int | None:
    """A limit in a file of a control group, "max" being none; None where there is no such file."""
    text = _text(path).strip()
    if not text:
        return None
    return int(text) if text.isdecimal() and int(text) < NO_LIMIT else UNLIMITED


def _bytes_named(path: str, name: str, otherwise: int) -> int:
    """What a file of lines "name: number kB" says under a name, in bytes."""
    for line in _text(path).splitlines():
        found, number, *_ = [*line.split(), "", ""]
        if found == name and number.isdecimal():
            return int(number) << 10
    return otherwise


def _text(path: str) -> str:
    """A file's text; "" where there is none."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
