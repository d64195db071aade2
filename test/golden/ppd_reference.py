"""Reference cases of Pixel-Perfect Depth and MoGe-2: inputs, parameters, expected outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden.fill import fill_tensor, load_manifest, noise_image
from torch import Tensor

FOLDER = Path(__file__).parent / "ppd"


@dataclass(frozen=True)
class Case:
    """One entry of cases.json with its arrays."""

    entry: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        return self.entry["options"]

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        with np.load(FOLDER / self.entry["file"]) as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}

    def __getitem__(self, array: str) -> Tensor:
        return self.arrays[array]

    @property
    def image(self) -> np.ndarray:
        """The RGB picture that was given to the original."""
        source = self.entry["input"]
        return noise_image(source["height"], source["width"], source["seed"])

    def state(self) -> dict[str, Tensor]:
        """The parameters the original ran with, by official name."""
        manifest = load_manifest(FOLDER / f"manifest-{self.entry['variant']}.json")
        overrides, kept = self.entry.get("overrides", {}), self.entry.get("keep_constructor", ())
        return {
            name: constants(name)
            if name in kept
            else fill_tensor(name, shape, self.entry["fill_seed"]) * overrides.get(name, 1.0)
            for name, (shape, _) in manifest.items()
        }

    def assert_close(self, actual: Tensor, array: str, scale: float = 1.0) -> None:
        """``scale`` widens the tolerances."""
        expected = self.arrays[array]
        torch.testing.assert_close(
            actual.float().reshape(expected.shape),
            expected,
            atol=self.entry["atol"] * scale,
            rtol=self.entry["rtol"] * scale,
        )


def constants(name: str) -> Tensor:
    """The buffers that every MoGe file holds."""
    values = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
    return torch.tensor(values[name.rsplit(".", 1)[-1]]).reshape(1, 3, 1, 1)


def case(name: str) -> Case:
    """One case by its name."""
    entries = json.loads((FOLDER / "cases.json").read_text())["cases"]
    return next(Case(entry) for entry in entries if entry["case"] == name)


def manifest(name: str) -> dict[str, list]:
    """Official name -> [shape, precision] of one network."""
    return load_manifest(FOLDER / f"manifest-{name}.json")
