"""Executables: ``python -m depth_perception.ros.executables NAME --ros-args ...``.

What they run is imported then, after signals are handled and the environment is set, which PyTorch
and the middleware read when they are loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from .. import interrupts
from .compat.large_messages import tune_environment
from .parameters.given import ArgumentError, ParameterFileError, check_arguments, check_files

_HELP = frozenset(("-h", "--help"))
_USAGE = """\
usage: {name} [--ros-args [-p NAME:=VALUE] [-r FROM:=TO] [--params-file FILE] ...]

A node that runs until it is interrupted. Parameters: docs/parameters.md, config/{module}.yaml of
this package, or `ros2 param describe /{name} NAME`.

Exit statuses: 0 ended by a signal, 1 cannot start (the reason is printed), 2 wrong arguments."""


def panoramic_depth(arguments: Sequence[str] | None = None) -> int:
    """Depth from panoramas; the exit code. Runs until it is interrupted, as all of them."""
    return _run("panoramic", "PanoramicNode", arguments)


def pinhole_depth(arguments: Sequence[str] | None = None) -> int:
    """Depth from images of a pinhole camera; the exit code."""
    return _run("pinhole", "PinholeNode", arguments)


def panoptic_depth(arguments: Sequence[str] | None = None) -> int:
    """Segments with their distances from images of a pinhole camera; the exit code."""
    return _run("panoptic", "PanopticNode", arguments)


def bag_player(arguments: Sequence[str] | None = None) -> int:
    """Play a bag; the exit code."""
    return _main("player", arguments)


def bag_recorder(arguments: Sequence[str] | None = None) -> int:
    """Record a bag; the exit code."""
    return _main("recorder", arguments)


def _run(module: str, name: str, arguments: Sequence[str] | None) -> int:
    interrupts.end_at_once()
    tune_environment()
    given = sys.argv[1:] if arguments is None else list(arguments)
    if _HELP & set(given):
        print(_USAGE.format(name=f"{module}_depth", module=module))
        return 0
    try:  # before the libraries are loaded
        check_arguments(given)
        check_files(given)
    except ArgumentError as error:
        print(f"{module}_depth: {error}", file=sys.stderr)
        return 2
    except ParameterFileError as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    make_node = getattr(import_module(f"{__package__}.nodes.{module}"), name)
    from .nodes.runner import run

    return run(make_node, arguments)


def _main(module: str, arguments: Sequence[str] | None) -> int:
    interrupts.end_at_once()
    tune_environment()
    interrupts.end_process(import_module(f"{__package__}.bags.{module}").main(arguments))


if __name__ == "__main__":
    EXECUTABLES = (panoramic_depth, pinhole_depth, panoptic_depth, bag_player, bag_recorder)
    main = {function.__name__: function for function in EXECUTABLES}
    sys.exit(main[sys.argv.pop(1)]())
