"""Reference cases of the blind-spot VGG, OmniDepth and what belongs to their training."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden.fill import fill_manifest, load_manifest, noise_image
from torch import Tensor

FOLDER = Path(__file__).parent / "blindspot"


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

    def pictures(self, seeds: str = "seed") -> list[np.ndarray]:
        """The RGB pictures (H, W, 3) uint8 that were given to the original.

        ``seeds`` names the entry of the case's input: ``seed``, ``seeds``, ``seeds_left`` ...
        """
        source = self.entry["input"]
        chosen = source[seeds] if isinstance(source[seeds], list) else [source[seeds]]
        return [noise_image(source["height"], source["width"], seed) for seed in chosen]

    def batch(self, seeds: str = "seed") -> Tensor:
        """The pictures as (B, 3, H, W) float32 in [0, 1]."""
        pictures = [torch.from_numpy(picture) for picture in self.pictures(seeds)]
        return torch.stack(pictures).permute(0, 3, 1, 2).float() / 255

    def state(self) -> dict[str, Tensor]:
        """The parameters the original ran with, by official name."""
        return fill_manifest(manifest(self.entry["variant"]), self.entry["fill_seed"])

    def assert_close(
        self,
        actual: Tensor,
        array: str,
        *,
        atol: float | None = None,
        rtol: float | None = None,
        where: Tensor | None = None,
    ) -> None:
        """At the tolerances of the case; those of its notes are given by the test."""
        expected = self.arrays[array]
        if where is not None:
            actual, expected = actual[where], expected[where]
        torch.testing.assert_close(
            actual,
            expected,
            atol=self.entry["atol"] if atol is None else atol,
            rtol=self.entry["rtol"] if rtol is None else rtol,
        )


def manifest(variant: str) -> dict[str, Any]:
    """Names, shapes and types of the parameters of ``vgg``, ``rectnet`` or ``uresnet``."""
    return load_manifest(FOLDER / f"manifest-{variant}.json")


def case(name: str) -> Case:
    """One case by its name."""
    entries = json.loads((FOLDER / "cases.json").read_text())
    return next(Case(entry) for entry in entries if entry["case"] == name)


def probe(name: str, value: Tensor, count: int) -> Tensor:
    """``count`` values of a parameter at the places where the goldens look."""
    rng = np.random.RandomState(zlib.crc32(f"probe:{name}".encode()))
    return value.flatten()[torch.from_numpy(rng.randint(0, value.numel(), count))]
