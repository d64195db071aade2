"""Reference cases of PanDA and Depth Anything V2: inputs, parameters and expected outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden.fill import fill_manifest, load_manifest, noise_image
from torch import Tensor

FOLDER = Path(__file__).parent / "panda"
MODELS = {
    "panda_tiny": "panda-tiny",
    "panda_small": "panda-small",
    "panda_base": "panda-base",
    "panda_large": "panda-large",
    "depth_anything_v2_vits": "depth-anything-v2-small",
    "depth_anything_v2_vitb": "depth-anything-v2-base",
    "depth_anything_v2_vitl": "depth-anything-v2-large",
    "depth_anything_v2_metric_vits": "depth-anything-v2-metric-indoor-small",
    "depth_anything_v2_metric_vitb": "depth-anything-v2-metric-indoor-base",
    "depth_anything_v2_metric_vitl": "depth-anything-v2-metric-indoor-large",
}


@dataclass(frozen=True)
class Case:
    """One entry of cases.json with its arrays."""

    entry: dict[str, Any]

    @property
    def model(self) -> str:
        """Our name of the variant."""
        return MODELS[self.entry["variant"]]

    @property
    def options(self) -> dict[str, Any]:
        return self.entry["options"]

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        with np.load(FOLDER / self.entry["file"]) as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}

    @property
    def image(self) -> np.ndarray:
        """The RGB picture that was given to the original."""
        source = self.entry["input"]
        return noise_image(source["height"], source["width"], source["seed"])

    def state(self) -> dict[str, Tensor]:
        """The parameters the original ran with, by official name."""
        state = fill_manifest(
            load_manifest(FOLDER / self.entry["manifest"]), self.entry["fill_seed"]
        )
        for name, factor in self.entry["overrides"].items():
            state[name] = state[name] * factor
        return state

    def tolerance(self, array: str) -> dict[str, float]:
        """Keyword arguments for ``torch.testing.assert_close``."""
        tolerance = self.entry["tolerance"]
        return tolerance.get(array, tolerance)

    def assert_close(self, actual: Tensor, array: str) -> None:
        torch.testing.assert_close(actual, self.arrays[array], **self.tolerance(array))


def cases(*kinds: str) -> list[Case]:
    """All cases of the given kinds."""
    entries = json.loads((FOLDER / "cases.json").read_text())["cases"]
    return [Case(entry) for entry in entries if entry["kind"] in kinds]


def case(name: str) -> Case:
    """One case by its name."""
    entries = json.loads((FOLDER / "cases.json").read_text())["cases"]
    return next(Case(entry) for entry in entries if entry["case"] == name)


def case_id(value: Case) -> str:
    return value.entry["case"]


def save_official(state: dict[str, Tensor], path: Path, wrapping: str) -> Path:
    """Write parameters the way one of the authors' programs does."""
    if wrapping == "data parallel":
        content: dict[str, Any] = {f"module.{name}": value for name, value in state.items()}
        content["epoch"] = 3
    elif wrapping == "trainer":
        content = {
            "model": {f"module.{name}": value for name, value in state.items()},
            "optimizer": {"state": {}, "param_groups": []},
            "epoch": 7,
            "previous_best": {"abs_rel": 0.1},
        }
    else:
        content = dict(state)
    torch.save(content, path)
    return path
