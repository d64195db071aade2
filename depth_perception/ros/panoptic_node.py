"""Executable ``panoptic_depth``."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node until it is interrupted; the exit code."""
    try:
        from .nodes.panoptic import PanopticNode
        from .nodes.runner import run
    except KeyboardInterrupt:  # interrupted while PyTorch is still being imported
        return 0
    return run(PanopticNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
