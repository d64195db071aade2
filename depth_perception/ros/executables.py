"""Executables of the nodes: ``python -m depth_perception.ros.executables NAME --ros-args ...``.

Nodes are imported when they run, so that an interrupt during the import of PyTorch ends quietly.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module


def panoramic_depth(arguments: Sequence[str] | None = None) -> int:
    """Depth from panoramas; the exit code. Runs until it is interrupted, as all of them."""
    return _run("panoramic", "PanoramicNode", arguments)


def pinhole_depth(arguments: Sequence[str] | None = None) -> int:
    """Depth from images of a pinhole camera; the exit code."""
    return _run("pinhole", "PinholeNode", arguments)


def panoptic_depth(arguments: Sequence[str] | None = None) -> int:
    """Segments with their distances from images of a pinhole camera; the exit code."""
    return _run("panoptic", "PanopticNode", arguments)


def _run(module: str, name: str, arguments: Sequence[str] | None) -> int:
    try:
        make_node = getattr(import_module(f"{__package__}.nodes.{module}"), name)
        from .nodes.runner import run
    except KeyboardInterrupt:
        return 0
    return run(make_node, arguments)


if __name__ == "__main__":
    main = {f.__name__: f for f in (panoramic_depth, pinhole_depth, panoptic_depth)}
    sys.exit(main[sys.argv.pop(1)]())
