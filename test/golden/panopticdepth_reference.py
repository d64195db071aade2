"""Reference cases of PanopticDepth: inputs, parameters and expected outputs."""

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

FOLDER = Path(__file__).parent / "panopticdepth"
# The files of these cases hold the same numbers, so that only one of them is kept.
_SAME_FILE = {"golden-net-r50-ps-stage1.npz": "golden-net-r50-ps.npz"}
_DEPTH_PARTS = ("depth_encode_head.", "depth_kernel_head.")


@dataclass(frozen=True)
class Case:
    """One entry of cases.json with its arrays."""

    entry: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        return self.entry["options"]

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        """All arrays as tensors; those of other kinds (strings) are left out."""
        name = _SAME_FILE.get(self.entry["file"], self.entry["file"])
        with np.load(FOLDER / name) as file:
            return {
                key: torch.from_numpy(file[key])
                for key in file.files
                if file[key].dtype.kind != "U"
            }

    def __getitem__(self, array: str) -> Tensor:
        return self.arrays[array]

    @property
    def image(self) -> np.ndarray:
        """The RGB picture (H, W, 3) uint8 that was given to the original."""
        source = self.entry["input"]
        return noise_image(source["height"], source["width"], source["seed"])

    def state(self, variant: str | None = None) -> dict[str, Tensor]:
        """The parameters the original ran with, by official name.

        ``variant`` is the name of a manifest where it is not that of the case.
        """
        names = manifest(variant or self.entry["variant"])
        state = fill_manifest(names, self.entry["fill_seed"])
        with_depth = any(name.startswith(_DEPTH_PARTS) for name in names)
        for name, factor in self.entry["overrides"].items():
            if with_depth or not name.startswith(_DEPTH_PARTS):
                state[name] = state[name] * factor
        for name, value in self.entry["constants"].items():
            if with_depth or not name.startswith(_DEPTH_PARTS):
                state[name] = torch.full_like(state[name], value)
        return state

    def tolerance(self, array: str) -> dict[str, float]:
        """Keyword arguments for ``torch.testing.assert_close``."""
        atol = self.entry["atol"]
        if isinstance(atol, dict):
            families = {family: limit for family, limit in atol.items() if family in array}
            families |= {"score": atol["scores"]} if "score" in array else {}
            atol = atol.get(array, next(iter(families.values()), 0.0))
        return {"atol": atol, "rtol": self.entry["rtol"]}

    def assert_close(
        self, actual: Tensor, array: str, *, where: Tensor | None = None, scale: float = 1.0
    ) -> None:
        """At the tolerances of the case, in the precision of the golden.

        Args:
            where: only these elements are compared.
            scale: widens the tolerances.
        """
        expected = self.arrays[array]
        assert tuple(actual.shape) == tuple(expected.shape), (array, actual.shape, expected.shape)
        if where is not None:
            actual, expected = actual[where], expected[where]
        limits = {name: scale * value for name, value in self.tolerance(array).items()}
        torch.testing.assert_close(actual.to(expected.dtype), expected, **limits)

    def assert_nearly_all_equal(self, actual: Tensor, array: str, share: float = 0.001) -> Tensor:
        """At most ``share`` of the elements of a map differ; returns where it agrees."""
        expected = self.arrays[array]
        assert tuple(actual.shape) == tuple(expected.shape), (array, actual.shape, expected.shape)
        same = actual.to(expected.dtype) == expected
        differing = int((~same).sum())
        assert differing <= share * same.numel(), (array, differing, same.numel())
        return same


def manifest(variant: str) -> dict[str, Any]:
    """Names, shapes and types of ``dps-r50``, ``ps-r50``, ``ps-r50-stage1`` or a tiny one."""
    return load_manifest(FOLDER / f"manifest-{variant}.json")


def case(name: str) -> Case:
    """One case by its name."""
    entries = json.loads((FOLDER / "cases.json").read_text())
    return next(Case(entry) for entry in entries if entry["case"] == name)


def unpacked(packed: Tensor, width: int) -> Tensor:
    """Masks (..., H, width) bool of bits packed along the last axis."""
    return torch.from_numpy(np.unpackbits(packed.numpy(), axis=-1)[..., :width].astype(bool))
