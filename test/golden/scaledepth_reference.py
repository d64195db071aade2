"""Reference cases of ScaleDepth: inputs, parameters and expected outputs."""

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

from depth_perception.systems.scaledepth.config import UNUSED_IN_FILES

FOLDER = Path(__file__).parent / "scaledepth"


@dataclass(frozen=True)
class Case:
    """One entry of cases.json with its arrays."""

    entry: dict[str, Any]

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        with np.load(FOLDER / f"golden-{self.entry['case']}.npz") as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}

    @property
    def images(self) -> list[np.ndarray]:
        """The RGB pictures that were given to the original."""
        source = self.entry["input"]
        seeds = source.get("seeds", [source.get("seed")])
        return [noise_image(source["height"], source["width"], seed) for seed in seeds]

    @property
    def batch(self) -> Tensor:
        """The pictures as (B, 3, H, W) float32, 0 to 255."""
        return torch.stack([torch.from_numpy(i).permute(2, 0, 1).float() for i in self.images])

    def state(self) -> dict[str, Tensor]:
        """The parameters the original ran with that have a part in depth, by official name."""
        names = manifest(self.entry["variant"])
        used = {n: shape for n, shape in names.items() if not n.startswith(UNUSED_IN_FILES)}
        state = fill_manifest(used, self.entry["fill_seed"])
        for name, factor in self.entry.get("overrides", {}).items():
            state[name] = state[name] * factor
        return state

    def assert_close(self, actual: Tensor, array: str, *, check_dtype: bool = True) -> None:
        expected = self.arrays[array] if check_dtype else self.arrays[array].to(actual.dtype)
        torch.testing.assert_close(
            actual, expected, atol=self.entry["atol"], rtol=self.entry["rtol"]
        )


def manifest(variant: str) -> dict[str, Any]:
    """Names, shapes and types of a published file."""
    return load_manifest(FOLDER / f"manifest-{variant}.json")


def slide_windows() -> dict[str, list[list[int]]]:
    """Windows (top, bottom, left, right) of the original for some image sizes."""
    return case("data-pipeline").entry["options"]["slide_windows_y1y2x1x2"]


def case(name: str) -> Case:
    """One case by its name."""
    entries = json.loads((FOLDER / "cases.json").read_text())["cases"]
    return next(Case(entry) for entry in entries if entry["case"] == name)
