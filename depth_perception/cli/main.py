"""The ``depth-perception`` command: ``depth-perception COMMAND [options]``.

A command is a module of this folder whose ``main`` has typed, documented parameters; tyro makes
its options from them. Only the module of the command that runs is imported. These modules, and what
they import at the top, must load neither torch nor numpy: help and errors are shown without them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import tyro

COMMANDS = {
    "infer": "depth of an image, folder, list, video or bag",
    "models": "the catalogue of models",
    "weights": "download, locate, remove and convert weights",
    "worlds": "render synthetic worlds: images, data sets, bags",
    "data": "list, verify and imitate data sets",
    "train": "train a model from a recipe",
    "scenes": "text embeddings of scene classes, for training ScaleDepth",
    "eval": "evaluate a model on a data set",
    "scale": "accuracy of scale recovery on synthetic drives",
    "bench": "time and memory of this package and of a baseline, side by side",
    "demo": "replay a bag through the running node, record, compare, draw",
}


_STATUSES = """\
Exit statuses: 0 done, 1 failed or nothing was read (the reason is printed), 2 wrong usage or
nothing could start, 130 interrupted. 'COMMAND --help' tells more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (2: wrong usage, 130: interrupted)."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help"):
        print(_usage())
        return 0 if args else 2
    name = args[0]
    if name not in COMMANDS:
        print(f"depth-perception: no command {name!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    try:
        command = import_module(f".{name}", __package__)
        return int(tyro.cli(command.main, prog=f"depth-perception {name}", args=args[1:]) or 0)
    except KeyboardInterrupt:
        return 130


def _usage() -> str:
    rows = "\n".join(f"  {name:<9}{text}" for name, text in COMMANDS.items())
    return f"usage: depth-perception COMMAND [options]\n\n{rows}\n\n{_STATUSES}"


if __name__ == "__main__":
    sys.exit(main())
