"""One training run, from a prepared task to weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from ..systems import CheckpointError
from ..systems.torch_files import reject_costly
from .folder import EVENTS, check_folder, clear_folder
from .module import Training
from .snapshots import Snapshots
from .stream import BatchModule, TrainingData
from .strict_mapping import RecipeError


def read_state(path: Path) -> dict[str, Any]:
    """The state of a run in ``last.ckpt``: tensors and plain values; nothing in it is executed.

    Raises:
        CheckpointError: the file is damaged or holds other objects.
    """
    try:
        reject_costly(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointError(
            f"{path} is not the state of a run: it is truncated or corrupt, or it holds objects, "
            "which are never executed; start again without --resume"
        ) from error
    wanted = {"state_dict", "optimizer_states", "loops", "global_step"}
    if missing := wanted - set(state if isinstance(state, dict) else ()):
        raise CheckpointError(
            f"{path} is not the state of a run: no {', '.join(sorted(missing))}; start again "
            "without --resume"
        )
    return state


def train(
    training: Training,
    data: TrainingData,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    callbacks: Sequence[Callback] = (),
    stop_at: int | None = None,
) -> None:
    """Train as the recipe of ``training`` says.

    Runs with the same recipe, frames and number of threads give the same weights, interrupted and
    resumed or not, unless a time limit ends them.

    Args:
        folder: for ``last.ckpt``, weights, ``history.jsonl`` and TensorBoard events.
        resume: continue from ``last.ckpt`` in ``folder``.
        overwrite: replace another run in ``folder``.
        device: accelerator name of Lightning, such as ``cpu``, ``gpu`` or ``auto``.
        devices, nodes: processes on each machine, and machines; each takes its share of a batch.
        callbacks: further callbacks, such as a progress bar.
        stop_at: end after this step, as an interruption would.

    Raises:
        FileNotFoundError, RunExistsError: see :func:`.folder.check_folder`.
        CheckpointError: ``last.ckpt`` is damaged or holds objects.
        FloatingPointError: the loss is not finite.
        NoFramesError: there are no frames for training or validation.
        RecipeError: the recipe does not support so many processes.
    """
    check_folder(folder, resume=resume, overwrite=overwrite)
    checkpoint = folder / "last.ckpt"
    if resume:
        read_state(checkpoint)
    run = training.recipe.run
    several = devices * nodes > 1
    if several and (run.workers > 1 or run.max_minutes is not None):
        raise RecipeError("run: workers and max_minutes are for one process")
    if overwrite and not resume:
        clear_folder(folder)
    validated = len(data.held_out) > 0
    trainer = lightning.Trainer(
        max_steps=run.steps if stop_at is None else min(stop_at, run.steps),
        max_epochs=-1,
        accelerator=device,
        devices=devices,
        num_nodes=nodes,
        strategy=DDPStrategy(find_unused_parameters=True) if several else "auto",
        use_distributed_sampler=False,
        precision=run.precision,
        limit_val_batches=None if validated else 0,
        val_check_interval=run.val_every if validated else None,
        check_val_every_n_epoch=None if validated else 1,
        num_sanity_val_steps=0,
        log_every_n_steps=run.log_every,
        logger=TensorBoardLogger(folder, name="", version=EVENTS),
        callbacks=[Snapshots(folder), *callbacks],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(c, ProgressBar) for c in callbacks),
    )
    trainer.fit(
        training,
        datamodule=BatchModule(data, run, training.clock),
        ckpt_path=checkpoint if resume else None,
        weights_only=True,
    )
