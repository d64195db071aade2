"""``depth-perception infer``: depth of an image, folder, list, video or bag."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import tyro

from ..terminal import failed
from .options import InferOptions, OptionError, StartError


def main(
    options: Annotated[InferOptions, tyro.conf.arg(name=""), tyro.conf.FlagCreatePairsOff],
) -> int:
    """Depth of an image, a folder, a text list of paths, a video or a bag.

    Results are named after their input: NAME.png, NAME.ply, NAME_depth.npy. When run again, the
    command skips finished inputs. What failed or held no image is listed at the end.
    """
    from ...systems import card
    from .inputs import InputError, find_inputs
    from .manifest import Manifest

    try:
        model = options.input_card(card(options.model))
        manifest = Manifest(options.out, options.settings(), overwrite=options.overwrite)
        manifest.clean()
        inputs = find_inputs(options.input, recursive=options.recursive, ours=manifest.outputs)
        options.check(model)
        _check_folder(options.out)

        from .run import InferRun

        return InferRun(options, model, inputs, manifest).execute()
    except (KeyError, OptionError, InputError, StartError) as error:
        return failed("infer", error, 2)


def _check_folder(path: Path) -> None:
    """Reject an output folder that cannot be created or written, before the work begins.

    Raises:
        OptionError: names the obstacle.
    """
    nearest = next(p for p in (path.absolute(), *path.absolute().parents) if os.path.lexists(p))
    if not nearest.is_dir():
        raise OptionError(f"--out {path}: {nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OptionError(f"--out {path}: {nearest} is not writable")
