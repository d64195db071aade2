"""``depth-perception infer``: depth of a picture, folder, list, video or bag."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from ...systems import card, load
from .journal import Journal
from .options import InferOptions, OptionError
from .run import InferRun, StartError
from .sources import InputError, find_sources


def main(
    options: Annotated[InferOptions, tyro.conf.arg(name=""), tyro.conf.FlagCreatePairsOff],
) -> int:
    """Depth of a picture, a folder, a text list of paths, a video or a bag.

    Results are named after their input: NAME.png, NAME.ply, NAME_depth.npy. Run again, the command
    skips what is finished. Exit codes: 0 all done, 1 some inputs failed (they are listed at the
    end), 2 nothing could start, 130 interrupted.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        model = card(options.model)
        model = options.looks_with(model)
        options.check(model)
        _check_folder(options.out)
        journal = Journal(options.out, options.settings(), overwrite=options.overwrite)
        found = find_sources(options.input, recursive=options.recursive, ours=journal.outputs)
        return InferRun(options, model, found, journal, console, load).execute()
    except (OptionError, InputError, StartError) as error:
        print(f"depth-perception infer: {error}", file=sys.stderr)
    except KeyError as error:  # no such model; str() of a KeyError would put quotes around the text
        print(f"depth-perception infer: {error.args[0]}", file=sys.stderr)
    return 2


def _check_folder(path: Path) -> None:
    """Refuse an output folder that cannot be made or written before the work begins.

    Raises:
        OptionError: says what is in the way.
    """
    nearest = next(p for p in (path.absolute(), *path.absolute().parents) if os.path.lexists(p))
    if not nearest.is_dir():
        raise OptionError(f"--out {path}: {nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OptionError(f"--out {path}: {nearest} cannot be written")
