"""The `dynofa` command. Each sub-command is a module that is imported only when it is needed."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from dynofa_ros import __version__
from dynofa_ros.errors import DynofaError

COMMANDS = {
    "demo": "play the demonstration: cameras, perception, manager and a simulated board as real processes",
    "evaluate": "run engine and manager over a recorded camera topic, in lock step and without ROS",
    "simulate": "play a scenario on a simulated board under one or several policies, and compare them",
    "compare": "compare policies over scenarios and seeds on simulated boards",
    "profile": "measure the latency of every sub-network of a family on this machine",
    "quantize": "calibrate a family for int8 and measure its accuracy with reduced precisions",
    "train": "train a supernet once and choose sub-networks from it",
    "import-weights": "convert trained weights of a supernet to safetensors, checked and without pickle code",
}
DESCRIPTION = "Keeps camera perception inside its latency, accuracy, power and heat targets."
USAGE_ERROR = 2


def module_name(command: str) -> str:
    """Return the module that implements a sub-command."""
    return f"dynofa_ros.cli.{command.replace('-', '_')}"


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; only the arguments of `command` are loaded, the others are listed by name.

    Raises:
        ImportError: the sub-command needs a package that is not installed.
    """
    parser = argparse.ArgumentParser(
        prog="dynofa", description=DESCRIPTION, epilog="`dynofa COMMAND --help` tells each command's options."
    )
    parser.add_argument("--version", action="version", version=f"dynofa_ros {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if name == command:
            importlib.import_module(module_name(name)).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary, add_help=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code (2 for wrong use or unusable input, with one line on stderr)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in arguments if not word.startswith("-")), None)
    try:
        chosen = make_parser(command).parse_args(arguments)
        return int(importlib.import_module(module_name(chosen.command)).run(chosen))
    except DynofaError as error:
        print(f"dynofa: error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("dynofa_ros.cli"):
            raise
        print(
            f"dynofa: error: `{command}` needs the Python package {error.name!r}: install it", file=sys.stderr
        )
        return USAGE_ERROR
    except KeyboardInterrupt:
        print("dynofa: interrupted", file=sys.stderr)
        return 130
