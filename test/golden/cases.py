"""Reference cases of the published systems: inputs, parameters, expected outputs, tolerances."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from golden.fill import fill_manifest, load_manifest, noise_image
from golden.tolerances import Tolerance, exception_for, stated_tolerance
from torch import Tensor

FOLDER = Path(__file__).parent
SYSTEMS = tuple(sorted(path.parent.name for path in FOLDER.glob("*/cases.json")))


class Outcome(NamedTuple):
    """What the comparison of one array found."""

    passed: bool
    difference: float  # the largest absolute one
    used: float  # the largest difference in parts of its tolerance; infinite where that is 0
    problem: str = ""


class Comparison(NamedTuple):
    """One array of a case beside what our code gives.

    Attributes:
        array: name in the npz file, and after a colon the part of it that is compared.
        found: our values.
        expected: those of the original, of the same shape but for dimensions of size 1.
        tolerance: how far they may be apart.
    """

    array: str
    found: Tensor
    expected: Tensor
    tolerance: Tolerance

    def outcome(self) -> Outcome:
        """Compare in float64, without regard to the number formats."""
        found, expected = (_plain(values) for values in (self.found, self.expected))
        shapes = [[n for n in values.shape if n != 1] for values in (found, expected)]
        if shapes[0] != shapes[1]:
            problem = f"shape {list(found.shape)}, expected {list(expected.shape)}"
            return Outcome(False, float("inf"), float("inf"), problem)
        if not expected.numel():
            return Outcome(True, 0.0, 0.0)
        limits = self.tolerance
        found = found.reshape(expected.shape)
        same = found == expected
        if limits.equal_nan:
            same |= found.isnan() & expected.isnan()
        difference = torch.where(same, 0.0, (found - expected).abs())
        difference = torch.where(difference.isnan(), float("inf"), difference)
        allowed = limits.atol + limits.rtol * expected.abs().nan_to_num(0.0)
        share = float((difference > allowed).double().mean())
        used = float(torch.where(same, 0.0, difference / allowed).max())
        largest = float(difference.max())
        if share > limits.share:
            return Outcome(False, largest, used, f"{100 * share:.3g} % of the elements differ")
        if largest > limits.limit:
            return Outcome(False, largest, used, f"differs by more than {limits.limit:g}")
        return Outcome(True, largest, used)


def _plain(values: Tensor) -> Tensor:
    return torch.as_tensor(values).detach().cpu().double()


@dataclass
class Case:
    """One entry of a cases.json with its arrays.

    Attributes:
        system: name of the folder in which its kind of cases lies (``panda``, ...).
        folder: where the files of the case lie.
        entry: the entry as written.
    """

    system: str
    folder: Path
    entry: dict[str, Any]
    read: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.system}/{self.name}"

    @property
    def name(self) -> str:
        return self.entry["case"]

    @property
    def options(self) -> dict[str, Any]:
        return self.entry.get("options") or {}

    @property
    def input(self) -> dict[str, Any]:
        return self.entry.get("input") or {}

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        """All arrays as tensors, but for those that hold text."""
        name = self.entry.get("file", f"golden-{self.name}.npz")
        with np.load(self.file(_SAME_FILE.get(name, name))) as file:
            arrays = {key: file[key] for key in file.files}
        return {key: torch.from_numpy(a) for key, a in arrays.items() if a.dtype.kind != "U"}

    def __getitem__(self, array: str) -> Tensor:
        """An array as an input of ours; it needs no comparison then."""
        self.read.add(array)
        return self.arrays[array]

    def __contains__(self, array: str) -> bool:
        return array in self.arrays

    def file(self, name: str) -> Path:
        """A file beside the case, or else beside the cases of its system here."""
        here = self.folder / name
        return here if here.exists() else FOLDER / self.system / name

    def sibling(self, name: str) -> Case:
        """Another case of the same file, or else of its system here."""
        for folder in (self.folder, FOLDER / self.system):
            for case in read_cases(folder, self.system):
                if case.name == name:
                    return case
        raise KeyError(f"no case {name!r} of {self.system}")

    def manifest(self, variant: str | None = None) -> dict[str, Any]:
        """Official name -> [shape, number format] of the parameters of a network."""
        name = self.entry.get("manifest") if variant is None else None
        return load_manifest(self.file(name or f"manifest-{variant or self.entry['variant']}.json"))

    def state(self, names: Mapping[str, Any] | None = None) -> dict[str, Tensor]:
        """The parameters that the original ran with, by official name."""
        state = fill_manifest(names or self.manifest(), self.entry["fill_seed"])
        for name, change in self.entry.get("overrides", {}).items():
            if name in state:
                state[name] = _changed(state[name], change)
        for name, value in self.entry.get("constants", {}).items():
            if name in state:
                state[name] = torch.full_like(state[name], value)
        return state

    def images(self, seeds: str = "seed") -> list[np.ndarray]:
        """The RGB images (H, W, 3) uint8 that were given to the original.

        Args:
            seeds: entry of the input that holds one seed or several.
        """
        chosen = self.input[seeds]
        chosen = chosen if isinstance(chosen, list) else [chosen]
        return [noise_image(self.input["height"], self.input["width"], seed) for seed in chosen]

    @property
    def image(self) -> np.ndarray:
        return self.images()[0]

    def batch(self, seeds: str = "seed") -> Tensor:
        """The images as (B, 3, H, W) float32 from 0 to 255."""
        images = torch.from_numpy(np.stack(self.images(seeds)))
        return images.permute(0, 3, 1, 2).float()

    def compare(
        self,
        array: str,
        found: Any,
        *,
        expected: Tensor | None = None,
        part: str = "",
        where: Tensor | None = None,
    ) -> Comparison:
        """One comparison at the tolerance of the case, or at that of tolerances.EXCEPTIONS.

        Args:
            array: name of the array.
            found: our values, a tensor or numbers.
            expected: what stands in for the whole array.
            part: what of the array is compared, where not all of it.
            where: mask of the elements that are compared.
        """
        self.read.add(array)
        expected = self.arrays[array] if expected is None else expected
        if not isinstance(found, Tensor):
            found = torch.as_tensor(np.asarray(found))
        if where is not None:
            found, expected = found[where], expected[where]
        tolerance = stated_tolerance(self.entry, array)
        label = f"{array}:{part}" if part else array
        return Comparison(label, found, expected, exception_for(self, label, tolerance))

    def left_out(self) -> list[str]:
        """Arrays that nobody read or compared up to now."""
        stated = self.entry.get("tolerance")
        inputs = stated if isinstance(stated, dict) else {}
        return [n for n in self.arrays if n not in self.read and inputs.get(n) != "input"]


def _changed(values: Tensor, change: float | Mapping[str, float]) -> Tensor:
    """Values times a number, or as ``mul``, ``add`` and ``value`` say."""
    change = change if isinstance(change, Mapping) else {"mul": change}
    if "value" in change:
        return torch.full_like(values, change["value"])
    return values * change.get("mul", 1.0) + change.get("add", 0.0)


# The files of these cases hold the same numbers, so that only one of them is kept here.
_SAME_FILE = {"golden-net-r50-ps-stage1.npz": "golden-net-r50-ps.npz"}


def read_cases(folder: Path, system: str | None = None) -> list[Case]:
    """All cases of a folder with a cases.json.

    Args:
        folder: the folder.
        system: name of the system; None: the name of the folder.
    """
    content = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    entries = content["cases"] if isinstance(content, dict) else content
    return [Case(system or folder.resolve().name, folder, entry) for entry in entries]


def cases(system: str, *names: str) -> list[Case]:
    """Cases of a system in this folder: the named ones, or all."""
    found = {case.name: case for case in read_cases(FOLDER / system)}
    return [found[name] for name in names] if names else list(found.values())


def every_case() -> Iterator[Case]:
    """The cases of all systems in this folder."""
    for system in SYSTEMS:
        yield from read_cases(FOLDER / system)
