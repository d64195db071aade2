"""Saving a run: its last state to go on from, and its best weights to use."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import lightning
import torch

from ..io.atomic import remove_partial, replacing
from ..systems import save_network
from .model_card import write_card
from .module import Training


class Snapshots(lightning.Callback):
    """Writes into ``folder``, each file complete or not at all.

    ``last.ckpt`` is a Lightning checkpoint to resume from; ``best.safetensors`` and
    ``last.safetensors`` are weights for :func:`depth_perception.load`, each with a card ``.md``;
    ``history.jsonl`` gets one line of numbers for each validation. A run that goes on takes back
    the lines of steps that it does again. The state of a step that is validated is saved after
    that, so that no validation is missing in a run that goes on from it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best: float | None = None
        self.judged: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "judged": self.judged}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.judged = state_dict.get("judged", {})

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        if trainer.is_global_zero:
            remove_partial(self.folder)
            _cut_history(self.folder / "history.jsonl", trainer.global_step)
            self._recall(pl_module)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Training, *_: object
    ) -> None:
        is_validated = trainer.global_step % pl_module.recipe.run.val_every == 0
        if not (is_validated and trainer.enable_validation):
            self._save_if_due(trainer, pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        if trainer.is_global_zero:
            self._note(trainer, pl_module)
        self._save_if_due(trainer, pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        self._save_last(trainer, pl_module)

    def _note(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        """What a validation found: into the history, and the weights if they are the best."""
        numbers = {k: round(float(v), 6) for k, v in trainer.callback_metrics.items()}
        line = {"step": trainer.global_step, "elapsed_s": round(pl_module.clock.elapsed_s, 1)}
        self.folder.mkdir(parents=True, exist_ok=True)
        self.judged = _judged(line | numbers)
        metric = pl_module.recipe.run.metric
        value, best = numbers[f"val/{metric}"], self.best
        higher = metric in pl_module.higher
        if best is None or math.isnan(best) or (value > best if higher else value < best):
            self.best = value
            self._export(pl_module, "best", trainer.global_step)
        with (self.folder / "history.jsonl").open("a") as file:  # last: what it tells is there
            file.write(json.dumps(line | numbers) + "\n")

    def _recall(self, pl_module: Training) -> None:
        """What the history tells a run that goes on."""
        path, metric = self.folder / "history.jsonl", pl_module.recipe.run.metric
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        rows = [row for row in map(json.loads, lines) if f"val/{metric}" in row]
        values = [v for row in rows if not math.isnan(v := row[f"val/{metric}"])]
        if values:
            self.best = (max if metric in pl_module.higher else min)(values)
        if rows:
            self.judged = _judged(rows[-1])

    def _save_if_due(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        if trainer.global_step % pl_module.recipe.run.save_every == 0:
            self._save_last(trainer, pl_module)

    def _save_last(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        checkpoint = self.folder / "last.ckpt"
        if not trainer.is_global_zero:
            trainer.save_checkpoint(checkpoint, weights_only=False)  # takes part, writes nothing
            return
        with replacing(checkpoint) as path:
            trainer.save_checkpoint(path, weights_only=False)
        self._export(pl_module, "last", trainer.global_step)

    def _export(self, pl_module: Training, name: str, step: int) -> None:
        weights = self.folder / f"{name}.safetensors"
        with replacing(weights) as path:
            export_weights(pl_module, path, step)
        write_card(pl_module, weights, step, self.judged)


def _judged(row: dict[str, float]) -> dict[str, float]:
    """The step and the numbers of a validation."""
    return {key: value for key, value in row.items() if key == "step" or key.startswith("val/")}


def _cut_history(path: Path, step: int) -> None:
    """Keep the lines up to a step; one that was cut off while it was written goes too."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [x for x in lines if x.endswith("\n") and json.loads(x)["step"] <= step]
    if kept != lines:
        with replacing(path) as part:
            part.write_text("".join(kept), encoding="utf-8")


def export_weights(
    training: Training, path: Path, step: int, dtype: torch.dtype = torch.float32
) -> None:
    """Write the judged network as safetensors with where it comes from in the header."""
    recipe = training.recipe
    metadata = {
        "model": recipe.model.name,
        "recipe": recipe.name,
        "steps": str(step),
        "seed": str(recipe.run.seed),
        "training_hours": f"{training.clock.elapsed_s / 3600:.3f}",
        **training.metadata(),
    }
    save_network(training.judged, path, dtype=dtype, metadata=metadata)
