"""The configuration: what fastbp was built with and runs on, and how many threads it may use."""

from __future__ import annotations

import platform

import numpy as np

from .. import _core
from .arguments import whole

MOST_THREADS = 1024  # as in cpp/base/threads.h

__all__ = ["get_num_threads", "set_num_threads", "show_config"]


def get_num_threads() -> int:
    """The most threads that fastbp uses.

    It is what `set_num_threads` said, else the environment variable ``FASTBP_NUM_THREADS``, else ``OMP_NUM_THREADS``
    (both read once; joblib sets the latter for its workers), else the number of processors that this process may use:
    its affinity mask, cut down to its control group's CPU quota. ``threadpoolctl.threadpool_limits`` is a ceiling for
    all of them, in the thread that sets it. It is 1 in a forked child. Small work uses fewer threads. Results do not
    depend on it, to the bit.

    Where the system refuses to make so many threads, fastbp goes on with fewer and says so in one `RuntimeWarning`.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If ``FASTBP_NUM_THREADS`` is not a whole number of at least 1.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.set_num_threads(2)
    >>> bp.get_num_threads()
    2
    >>> bp.set_num_threads(0)
    """
    return _core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Sets the most threads that fastbp uses, for this process, from the next call on.

    Parameters
    ----------
    n : int
        From 1 to 1024; 0 goes back to the default, see `get_num_threads`.

    Raises
    ------
    TypeError
        If `n` is not a whole number; truth values are none.
    ValueError
        If `n` is out of range.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.set_num_threads(1)
    >>> bp.get_num_threads()
    1
    >>> bp.set_num_threads(0)
    """
    threads = whole("n", n)
    if not 0 <= threads <= MOST_THREADS:
        raise ValueError(f"n must be between 0 (the default) and {MOST_THREADS}, got {threads}")
    _core.set_num_threads(threads)


def show_config() -> None:
    """Prints the versions, the instruction sets, the threads and the compiler: what a bug report should contain.

    The same as ``fastbp info`` and ``python -m fastbp info``.

    Examples
    --------
    >>> import fastbp as bp
    >>> bp.show_config()  # doctest: +ELLIPSIS
    fastbp            ...
    numeric contract  version ...
    """
    config = _core.config()
    contract = config["contract_version"]
    lines = {
        "fastbp": config["version"],
        "numeric contract": f"version {contract}" if contract else "version 0 (not frozen)",
        "instruction set": f"{config['isa']} (available: {', '.join(config['available_isas'])})",
        "threads": f"{config['threads']} (processors that may be used: {config['processors']})",
        "OpenMP runtime": config["openmp"],
        "compiler": config["compiler"],
        "caches": ", ".join(f"L{level} {size >> 10:,} KiB" for level, size in enumerate(config["caches"], start=1)),
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "NumPy": np.__version__,
        "machine": f"{platform.machine()}, {platform.system()}",
    }
    for name, value in lines.items():
        print(f"{name:<17} {value}")
