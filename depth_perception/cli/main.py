"""The ``depth-perception`` command: ``depth-perception COMMAND [options]``.

A command is a module of this folder whose ``main`` has typed, documented parameters; tyro makes
its options from them. Only the module of the command that runs is imported. These modules, and what
they import at the top, must load neither torch nor numpy: help and errors are shown without them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from .. import interrupts
from ..limits import printable
from ..options import nearest

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
_HELP = frozenset(("-h", "--help"))


STATUSES = """\
Exit statuses: 0 all done, 1 something failed or nothing was read (the reasons are printed), 2 wrong
usage or nothing could start, 130 interrupted; 128 + N ended by signal N."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status, see :data:`STATUSES`.

    Without ``argv`` this is the process of the command, and signals are handled.
    """
    if argv is None:
        interrupts.end_at_once(code=None)
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in _HELP:
        print(_usage())
        return 0 if args else 2
    name = args[0]
    if name not in COMMANDS:
        hint = nearest(name, COMMANDS, "")
        told = f"no command {printable(name, 80)!r}{f', {hint}' if hint else ''}"
        print(f"depth-perception: {told}\n\n{_usage()}", file=sys.stderr)
        return 2
    status = _run(name, args[1:], is_process=argv is None)
    if argv is None:
        if interrupts.requested.is_set():
            interrupts.end_process(interrupts.code)
        interrupts.end_at_once(status)  # all is done, only the interpreter is not torn down yet
    return status


def _run(name: str, args: Sequence[str], *, is_process: bool) -> int:
    import tyro

    command = import_module(f".{name}", __package__)
    try:
        if is_process:
            interrupts.interrupt_command()
        return int(tyro.cli(command.main, prog=f"depth-perception {name}", args=args) or 0)
    except KeyboardInterrupt:
        return 130
    except SystemExit as stop:
        if is_process and interrupts.requested.is_set():  # Lightning makes this of an interrupt
            return 130
        if not stop.code and _HELP & set(args):
            print(STATUSES)
        raise


def _usage() -> str:
    rows = "\n".join(f"  {name:<9}{text}" for name, text in COMMANDS.items())
    return (
        f"usage: depth-perception COMMAND [options]\n\n{rows}\n\n"
        f"'depth-perception COMMAND --help' tells the options of a command.\n\n{STATUSES}"
    )


if __name__ == "__main__":
    sys.exit(main())
