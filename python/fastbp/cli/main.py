"""The command ``fastbp``: ``fastbp info``, ``fastbp train digits``, ``fastbp train mnist``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .._shared.terminal import writable
from ..errors import NonFiniteError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command with `argv` (default: the process's own arguments) and returns its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130  # as a shell counts it: 128 + SIGINT
    except MemoryError as error:
        print(f"fastbp: not enough memory: {error}".removesuffix(": "), file=sys.stderr)
        return 1
    except BrokenPipeError:  # as with `| head`: nobody reads on
        sys.stdout = None  # Python would flush it at its end
        return 141  # as a shell counts it: 128 + SIGPIPE
    except (OSError, ValueError, ImportError, NonFiniteError) as error:
        print(f"fastbp: {error}", file=sys.stderr)
        return 1
    return status


def _info(arguments: argparse.Namespace) -> int:
    from .._shared.config import show_config

    show_config()
    return 0


def _train_digits(arguments: argparse.Namespace) -> int:
    from .train_examples import main_digits

    return main_digits(arguments)


def _train_mnist(arguments: argparse.Namespace) -> int:
    from .train_examples import main_mnist

    return main_mnist(arguments)


def _at_least_one(text: str) -> int:
    try:
        n = int(text)
    except ValueError:
        n = 0
    if n < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return n


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**64:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 2^64 - 1, got {text!r}")
    return seed


class _Parser(argparse.ArgumentParser):
    def format_help(self) -> str:
        return writable(super().format_help(), sys.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fastbp", description="Gradient descent on the CPU, with the same bits on every machine.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    info = commands.add_parser("info", help="show versions, instruction sets and threads")
    info.set_defaults(run=_info)

    train = commands.add_parser("train", help="train a small network on real data")
    examples = train.add_subparsers(metavar="EXAMPLE", required=True)
    options = _training_options()
    digits = examples.add_parser(
        "digits", parents=[options], help="handwritten digits of 8×8 pixels, shipped with fastbp"
    )
    digits.set_defaults(run=_train_digits)
    mnist = examples.add_parser("mnist", parents=[options], help="the MNIST digits of 28×28 pixels")
    mnist.add_argument("--data", metavar="FOLDER", required=True, help="where the four MNIST files are")
    mnist.set_defaults(run=_train_mnist)
    return parser


def _training_options() -> _Parser:
    options = _Parser(add_help=False)
    options.add_argument("--epochs", type=_at_least_one, metavar="N", help="how often to go through the data")
    options.add_argument("--seed", type=_seed, default=0, metavar="N", help="of every random choice (default: 0)")
    options.add_argument("--threads", type=_at_least_one, metavar="N", help="the most threads to use; changes no bit")
    options.add_argument(
        "--backend", choices=["core", "reference"], default="core", help="what computes; changes no bit"
    )
    options.add_argument("--quiet", action="store_true", help="no progress bar")
    return options
