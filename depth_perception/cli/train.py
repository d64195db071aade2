"""``depth-perception train``: a model from a recipe."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import track


def main(
    recipe: Annotated[str, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    *,
    out: Path = Path("training"),
    device: str = "auto",
    resume: bool = False,
) -> int:
    """Train a model.

    Args:
        recipe: name of a packaged recipe (panda-teacher, panda-tiny-metric) or a YAML file.
        overrides: changes of the recipe as key=value, such as data.root=worlds run.steps=1000.
        out: folder of checkpoints, weights and TensorBoard events.
        device: cpu, gpu or auto.
        resume: go on from the last checkpoint in the folder.
    """
    from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar

    from ..data.worlds import WorldFolder
    from ..systems import CheckpointError
    from ..training.frames import FrameBank, NoFramesError
    from ..training.networks import trainable_network
    from ..training.recipe import load_recipe
    from ..training.run import train
    from ..training.strict_mapping import RecipeError

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for known in ("num_workers", "in eval mode", "no `val_dataloader`", "LeafSpec"):
        warnings.filterwarnings("ignore", message=f".*{known}.*")
    try:
        plan = load_recipe(recipe, overrides)
        network = trainable_network(plan)
        limit, data = plan.data.limit, plan.data
        frames = FrameBank.read(
            WorldFolder(data.root), limit, lambda r: track(r, "reading training frames")
        )
        held_out = None
        if data.val_root is not None:
            held_out = FrameBank.read(
                WorldFolder(data.val_root), progress=lambda r: track(r, "reading validation frames")
            )
        bar = RichProgressBar() if sys.stdout.isatty() else TQDMProgressBar(refresh_rate=100)
        done = train(
            plan, network, frames, out, validation=held_out, resume=resume, device=device,
            callbacks=[bar],
        )  # fmt: skip
    except (RecipeError, CheckpointError, OSError, FloatingPointError, NoFramesError) as error:
        print(f"depth-perception train: {error}", file=sys.stderr)
        return 1
    best = out / "best.safetensors"  # there is none where the run ended before a validation
    weights = best if held_out is not None and best.is_file() else out / "last.safetensors"
    print(f"{done.global_step} steps in {done.clock.elapsed_s / 3600:.2f} h: {weights}")
    return 0
