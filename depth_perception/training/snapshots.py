"""Saving a run: its last state to go on from, and its best weights to use."""

from __future__ import annotations

import json
from pathlib import Path

import lightning
import torch

from ..io.atomic import replacing
from ..systems import save_network
from .module import DepthTraining


class Snapshots(lightning.Callback):
    """Writes into ``folder``, each file complete or not at all.

    ``last.ckpt`` is a Lightning checkpoint to resume from; ``best.safetensors`` and
    ``last.safetensors`` are weights for :func:`depth_perception.load`; ``history.jsonl`` gets one
    line of numbers for each validation.
    """

    def __init__(self, folder: Path, save_every: int, metric: str) -> None:
        self.folder = folder
        self.save_every = save_every
        self.metric = metric
        self.best = float("inf")

    def state_dict(self) -> dict[str, float]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.best = state_dict["best"]

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: DepthTraining, *_: object
    ) -> None:
        if trainer.global_step % self.save_every == 0:
            self._save_last(trainer, pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: DepthTraining) -> None:
        numbers = {k: float(v) for k, v in trainer.callback_metrics.items()}
        line = {"step": trainer.global_step, "elapsed_s": round(pl_module.clock.elapsed_s, 1)}
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "history.jsonl").open("a") as file:
            file.write(json.dumps(line | {k: round(v, 6) for k, v in numbers.items()}) + "\n")
        if numbers[f"val/{self.metric}"] < self.best:
            self.best = numbers[f"val/{self.metric}"]
            self._export(pl_module, "best", trainer.global_step)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: DepthTraining) -> None:
        self._save_last(trainer, pl_module)

    def _save_last(self, trainer: lightning.Trainer, pl_module: DepthTraining) -> None:
        with replacing(self.folder / "last.ckpt") as path:
            trainer.save_checkpoint(path)
        self._export(pl_module, "last", trainer.global_step)

    def _export(self, pl_module: DepthTraining, name: str, step: int) -> None:
        with replacing(self.folder / f"{name}.safetensors") as path:
            export_weights(pl_module, path, step)


def export_weights(
    training: DepthTraining, path: Path, step: int, dtype: torch.dtype = torch.float32
) -> None:
    """Write the judged network as safetensors with where it comes from in the header."""
    recipe = training.recipe
    metadata = {
        "model": recipe.model.name,
        "recipe": recipe.name,
        "steps": str(step),
        "seed": str(recipe.run.seed),
        "training_hours": f"{training.clock.elapsed_s / 3600:.3f}",
        "max_depth_m": str(recipe.data.max_depth_m),
        "target": recipe.data.target,
    }
    save_network(training.judged, path, dtype=dtype, metadata=metadata)
