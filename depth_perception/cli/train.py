"""``depth-perception train``: train a model from a recipe."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated

import tyro

from .terminal import failed


def main(
    recipe: Annotated[str, tyro.conf.Positional],
    overrides: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    *,
    out: Path | None = None,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Train a model.

    Args:
        recipe: name of a packaged recipe (panda-tiny-metric, ppd-pretrain, ...) or a YAML file.
        overrides: changes of the recipe as key=value, such as data.root=worlds run.steps=1000.
        out: folder of checkpoints, weights and TensorBoard events; without it, training/NAME with
            the name of the recipe.
        device: cpu, gpu or auto.
        devices: processes on this machine, one for each GPU; each takes its share of a batch.
        nodes: machines; start the command on each of them with torchrun.
        resume: continue from the last checkpoint in the folder.
        overwrite: replace another run in the folder.
    """
    from ..training.folder import check_folder
    from ..training.needs import check_needs
    from ..training.recipe import load_recipe, task_module
    from ..training.strict_mapping import RecipeError

    try:
        plan = load_recipe(recipe, overrides)
        out = out or Path("training") / plan.name
        check_folder(out, resume=resume, overwrite=overwrite)
        check_needs(plan)
    except (RecipeError, OSError) as error:
        return failed("train", error)

    from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar
    from rich.progress import track

    from ..systems import CheckpointError
    from ..training.run import train
    from ..training.stream import NoFramesError

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for known in ("num_workers", "in eval mode", "no `val_dataloader`", "LeafSpec"):
        warnings.filterwarnings("ignore", message=f".*{known}.*")
    try:
        training, data = task_module(plan.task).prepare(plan, track)
        bar = RichProgressBar() if sys.stdout.isatty() else TQDMProgressBar(refresh_rate=100)
        train(
            training, data, out, resume=resume, overwrite=overwrite,
            device=device, devices=devices, nodes=nodes, callbacks=[bar],
        )  # fmt: skip
    except (RecipeError, CheckpointError, OSError, FloatingPointError, NoFramesError) as error:
        return failed("train", error)
    if not training.trainer.is_global_zero:
        return 0
    best = out / "best.safetensors"  # missing where the run ended before a validation
    weights = best if len(data.held_out) and best.is_file() else out / "last.safetensors"
    print(f"{training.global_step} steps in {training.clock.elapsed_s / 3600:.2f} h: {weights}")
    return 0
