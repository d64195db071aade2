"""The page that lies beside trained weights: what they are, what they were trained on, how good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import yaml

from .. import __version__
from ..io.atomic import replacing
from .module import Training


def write_card(training: Training, weights: Path, step: int, judged: Mapping[str, float]) -> None:
    """Write ``NAME.md`` beside ``NAME.safetensors``.

    Args:
        training: of which the weights are.
        weights: their file.
        step: at which they are written.
        judged: ``step`` and the numbers of the last validation; empty before the first one.
    """
    with replacing(weights.with_suffix(".md")) as path:
        path.write_text(card_text(training, weights.name, step, judged), encoding="utf-8")


def card_text(training: Training, name: str, step: int, judged: Mapping[str, float]) -> str:
    """The page as Markdown."""
    recipe = training.recipe
    count = sum(parameter.numel() for parameter in training.judged.parameters())
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
    numbers = {key: value for key, value in judged.items() if key != "step"}
    if numbers:
        lines += [f"| at step {judged['step']:.0f} | |", "|---|--:|"]
        lines += [f"| {key} | {value:.6g} |" for key, value in numbers.items()]
    else:
        lines.append("None yet.")
    whole = yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False, allow_unicode=True)
    lines += ["", "Recipe", "", "```yaml", whole.rstrip(), "```", ""]
    return "\n".join(lines)


def _plain(value: object) -> object:
    """Tuples as lists, which YAML has."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value
