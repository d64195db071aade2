"""Saving a run: its last state to resume from, and weights with a card that describes them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml

from .. import __version__
from ..io.atomic import remove_partial, replacing, write_text
from ..systems import save_network
from .module import Training


class Snapshots(lightning.Callback):
    """Writes into ``folder``; each file is written completely or not at all.

    ``last.ckpt`` is a Lightning checkpoint to resume from; ``best.safetensors`` and
    ``last.safetensors`` are weights for :func:`depth_perception.load`, each with a card ``.md``;
    ``history.jsonl`` gets one line of metrics for each validation. A resumed run removes the lines
    of steps that it repeats. The state of a step with validation is saved after the validation, so
    that a run resumed from it misses none.

    Checkpoints hold the state under the name of this class and the keys ``best`` and ``judged``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best: float | None = None
        self.metrics: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "judged": self.metrics}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.metrics = state_dict.get("judged", {})

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        if trainer.is_global_zero:
            remove_partial(self.folder)
            _cut_history(self.folder / "history.jsonl", trainer.global_step)
            self._restore(pl_module)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Training, *_: object
    ) -> None:
        is_validated = trainer.global_step % pl_module.recipe.run.val_every == 0
        if not (is_validated and trainer.enable_validation):
            self._save_if_due(trainer, pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        if trainer.is_global_zero:
            self._record(trainer, pl_module)
        self._save_if_due(trainer, pl_module)

    def _record(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        """Append the metrics of a validation to the history, and save the weights if best."""
        numbers = {k: round(float(v), 6) for k, v in trainer.callback_metrics.items()}
        line = {"step": trainer.global_step, "elapsed_s": round(pl_module.clock.elapsed_s, 1)}
        self.folder.mkdir(parents=True, exist_ok=True)
        self.metrics = _validation_metrics(line | numbers)
        metric = pl_module.recipe.run.metric
        value, best = numbers[f"val/{metric}"], self.best
        higher = metric in pl_module.higher
        if best is None or math.isnan(best) or (value > best if higher else value < best):
            self.best = value
            self._export(pl_module, "best", trainer.global_step)
        with (self.folder / "history.jsonl").open("a") as file:  # last: the weights exist by now
            file.write(json.dumps(line | numbers) + "\n")

    def _restore(self, pl_module: Training) -> None:
        """Read the best value and the last metrics from the history of a resumed run."""
        path, metric = self.folder / "history.jsonl", pl_module.recipe.run.metric
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        rows = [row for row in map(json.loads, lines) if f"val/{metric}" in row]
        values = [v for row in rows if not math.isnan(v := row[f"val/{metric}"])]
        if values:
            self.best = (max if metric in pl_module.higher else min)(values)
        if rows:
            self.metrics = _validation_metrics(rows[-1])

    def _save_if_due(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        if trainer.global_step % pl_module.recipe.run.save_every == 0:
            self._save_last(trainer, pl_module)

    def _save_last(self, trainer: lightning.Trainer, pl_module: Training) -> None:
        checkpoint = self.folder / "last.ckpt"
        if not trainer.is_global_zero:
            trainer.save_checkpoint(checkpoint, weights_only=False)  # takes part, writes nothing
            return
        with replacing(checkpoint) as path:
            trainer.save_checkpoint(path, weights_only=False)  # the optimiser too
        self._export(pl_module, "last", trainer.global_step)

    on_train_end = _save_last

    def _export(self, pl_module: Training, name: str, step: int) -> None:
        weights = self.folder / f"{name}.safetensors"
        with replacing(weights) as path:
            export_weights(pl_module, path, step)
        card = card_text(pl_module, weights.name, step, self.metrics)
        write_text(weights.with_suffix(".md"), card)


def _validation_metrics(row: dict[str, float]) -> dict[str, float]:
    """The step and the metrics of a validation."""
    return {key: value for key, value in row.items() if key == "step" or key.startswith("val/")}


def _cut_history(path: Path, step: int) -> None:
    """Keep the complete lines up to a step."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [x for x in lines if x.endswith("\n") and json.loads(x)["step"] <= step]
    if kept != lines:
        write_text(path, "".join(kept))


def export_weights(
    training: Training, path: Path, step: int, dtype: torch.dtype = torch.float32
) -> None:
    """Write the validated network as safetensors, with its origin in the header."""
    recipe = training.recipe
    metadata = {
        "model": recipe.model.name,
        "recipe": recipe.name,
        "steps": str(step),
        "seed": str(recipe.run.seed),
        "training_hours": f"{training.clock.elapsed_s / 3600:.3f}",
        **training.metadata(),
    }
    save_network(training.eval_network, path, dtype=dtype, metadata=metadata)


def card_text(training: Training, name: str, step: int, metrics: Mapping[str, float]) -> str:
    """The card, in Markdown, of the weights file ``name`` written at a step; ``metrics`` are
    those of the last validation with its ``step``, or empty."""
    recipe = training.recipe
    count = sum(parameter.numel() for parameter in training.eval_network.parameters())
    average = "" if recipe.optim.ema is None else f", average of the weights ({recipe.optim.ema})"
    facts = {
        "model": f"`{recipe.model.name}`, {count / 1e6:.2f} M parameters",
        "recipe": f"`{recipe.name}` (task `{recipe.task}`)",
        "steps": f"{step} of {recipe.run.steps}, {recipe.run.batch} items each{average}",
        "seed": str(recipe.run.seed),
        "time": f"{training.clock.elapsed_s / 3600:.3f} h",
        "made by": f"depth_perception {__version__}",
        **training.metadata(),
    }
    lines = [f"# {name}", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in facts.items()]
    lines += ["", "Validation", ""]
    lines += [f"| at step {metrics['step']:.0f} | |", "|---|--:|"] if metrics else ["None yet."]
    lines += [f"| {key} | {value:.6g} |" for key, value in metrics.items() if key != "step"]
    plain = json.loads(json.dumps(asdict(recipe)))  # YAML requires lists for tuples
    whole = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    lines += ["", "Recipe", "", "```yaml", whole.rstrip(), "```", ""]
    return "\n".join(lines)
