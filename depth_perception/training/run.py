"""One training run, from a recipe to weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader

from .frames import BatchStream, FrameBank, ValidationFrames
from .module import DepthTraining
from .recipe import Recipe
from .snapshots import Snapshots


def train(
    recipe: Recipe,
    network: nn.Module,
    frames: FrameBank,
    folder: Path,
    *,
    validation: FrameBank | None = None,
    resume: bool = False,
    device: str = "auto",
    callbacks: Sequence[Callback] = (),
    stop_at: int | None = None,
) -> DepthTraining:
    """Run a recipe.

    A run with the same recipe, frames and number of threads gives the same weights, whether or
    not it was interrupted and resumed between two steps; time limits excepted.

    Args:
        network: see :func:`~depth_perception.training.networks.trainable_network`.
        frames, validation: decoded data; without validation nothing is judged on the way.
        folder: gets ``last.ckpt``, weights, ``history.jsonl`` and TensorBoard events.
        resume: go on from ``last.ckpt`` in ``folder``.
        device: accelerator name of Lightning, such as ``cpu``, ``gpu`` or ``auto``.
        callbacks: further callbacks, such as a progress bar.
        stop_at: end after this step, as an interruption would.

    Raises:
        FileNotFoundError: there is nothing to resume from.
        FloatingPointError: the loss is not finite.
    """
    checkpoint = folder / "last.ckpt"
    if resume and not checkpoint.is_file():
        raise FileNotFoundError(f"nothing to resume from: {checkpoint} does not exist")
    training = DepthTraining(recipe, network)
    run = recipe.run
    judged = validation is not None
    trainer = lightning.Trainer(
        max_steps=run.steps if stop_at is None else min(stop_at, run.steps),
        max_epochs=-1,
        accelerator=device,
        devices=1,
        precision=run.precision,
        val_check_interval=run.val_every if judged else None,
        check_val_every_n_epoch=None if judged else 1,
        num_sanity_val_steps=0,
        log_every_n_steps=run.log_every,
        logger=TensorBoardLogger(folder, name="", version="events"),
        callbacks=[Snapshots(folder, run.save_every, run.metric), *callbacks],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(c, ProgressBar) for c in callbacks),
    )
    stream = BatchStream(
        frames,
        recipe.data,
        recipe.augment,
        run.batch,
        run.seed,
        first_step=lambda: trainer.global_step,
        progress=training.clock.progress,
    )
    loaders = {"train_dataloaders": DataLoader(stream, batch_size=None)}
    if validation is not None:
        held_out = ValidationFrames(validation, recipe.data, run.val_frames)
        loaders["val_dataloaders"] = DataLoader(held_out, batch_size=None)
    torch.manual_seed(run.seed)
    # The checkpoint is this run's own and holds optimiser state, which `weights_only` refuses.
    trainer.fit(training, **loaders, ckpt_path=checkpoint if resume else None, weights_only=False)
    return training
