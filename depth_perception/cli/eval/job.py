"""What ``depth-perception eval`` is told to do, and what it has to say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from rich.console import Console

    from ...evaluation.protocols import Alignment
    from ...evaluation.report import Sheet
    from ...systems import Estimator

Dataset = Literal[
    "worlds", "3d60", "structured3d", "deep360", "matterport3d", "stanford2d3d",
    "nyu", "kitti", "eth3d", "scannet", "diode", "kitti-raw",
    "sunrgbd", "ibims", "diode-indoor", "diode-outdoor", "hypersim-list", "diml", "ddad", "vkitti2",
    "cityscapes", "cityscapes-dvps", "semkitti-dvps",
]  # fmt: skip
Protocol = Literal["plain", "ppd", "scaledepth", "omnidepth", "view-synthesis", "panda", "panoptic"]
Rules = Literal[
    "nyu", "kitti", "sunrgbd", "ibims", "diode-indoor", "hypersim", "diode-outdoor",
    "diml-outdoor", "ddad", "vkitti",
]  # fmt: skip

PANORAMAS = ("structured3d", "deep360", "matterport3d", "stanford2d3d")
"""Panoramas with range in the layouts that PanDA reads."""
_BENCHMARKS = ("nyu", "kitti", "eth3d", "scannet", "diode")
_ZERO_SHOT = (
    "sunrgbd", "ibims", "diode-indoor", "diode-outdoor", "hypersim-list", "diml", "ddad", "vkitti2",
)  # fmt: skip
_BORROW = {"align", "median", "max_depth"}
_PANORAMA = {"solid_angle", "clamp", "baselines", "constant_depth"} | _BORROW
_PLACES = {"listing", "view"}
_SEGMENTS = {"split", "stuff_area"}
TAKES: dict[tuple[str, str], set[str]] = {
    ("worlds", "plain"): _PANORAMA,
    ("3d60", "plain"): _PANORAMA | _PLACES,
    ("3d60", "omnidepth"): _PLACES | {"max_depth", "baselines", "constant_depth"},
    ("3d60", "view-synthesis"): _PLACES | _BORROW | {"baselines", "constant_depth"},
    **{(name, "plain"): _BORROW | {"listing"} for name in _BENCHMARKS},
    **{(name, "ppd"): {"listing"} for name in _BENCHMARKS},
    ("nyu", "scaledepth"): {"rules", "focal"},
    ("kitti", "scaledepth"): {"rules", "focal", "listing"},
    ("kitti-raw", "plain"): _BORROW | {"listing", "crop"},
    ("cityscapes", "panoptic"): _SEGMENTS,
    ("cityscapes-dvps", "panoptic"): _SEGMENTS | {"window"},
    ("semkitti-dvps", "panoptic"): _SEGMENTS | {"window", "reference_focal_px"},
    **{(name, "panda"): {"listing", "split", "align", "median"} for name in PANORAMAS},
    **{(name, "plain"): _PANORAMA | {"listing", "split"} for name in PANORAMAS},
    **{(name, "scaledepth"): {"listing"} for name in _ZERO_SHOT},
    **{(name, "plain"): _BORROW | {"listing"} for name in _ZERO_SHOT},
}
"""Options of the rules and baselines that a data set and protocol take, the first protocol of a
data set being its usual one."""


@dataclass(frozen=True)
class ModelOptions:
    """How the model runs."""

    checkpoint: Path | None = None
    """Weights file; otherwise the embedded or fetched one."""
    device: str | None = None
    """cpu, cuda, ...; otherwise CUDA where there is one."""
    height: int | None = None
    """Rows of the network input; otherwise those of the training or the model."""
    backend: Literal["torch", "openvino", "onnxruntime", "tensorrt", "inductor"] = "torch"
    """What runs the network: torch, openvino (CPU), onnxruntime, tensorrt (CUDA), or inductor:
    torch compiled, which wants a C++ compiler the first time."""
    steps: int | None = None
    """Of Pixel-Perfect Depth; otherwise its default."""
    semantics_checkpoint: Path | None = None
    """Weights of the encoder that prompts Pixel-Perfect Depth; otherwise the fetched ones."""


@dataclass(frozen=True)
class RuleOptions:
    """What counts and how it is compared."""

    protocol: Literal[
        "auto", "plain", "ppd", "scaledepth", "omnidepth", "view-synthesis", "panda", "panoptic"
    ] = "auto"
    """`plain` gives nine numbers (kitti-raw: ten), the others those of their papers; `auto` is
    `ppd` for Pixel-Perfect Depth, `panda` for panoramas of its data sets, `scaledepth` for the
    data sets of that paper's zero-shot tables, `panoptic` for data sets with segments, and
    `plain` otherwise."""
    listing: Annotated[Path | None, tyro.conf.arg(name="list")] = None
    """List of the frames; otherwise the only *.txt in the folder, or all pairs of kitti-raw."""
    split: str | None = None
    """Part of the data set: otherwise `test` of panoramas, `val` of those with segments."""
    align: Literal["auto", "none", "median", "scale_shift"] = "auto"
    """What a prediction may borrow from the truth of its frame. `auto` is nothing for metric
    models and scale and shift for relative ones."""
    median: bool = False
    """Short for --align median."""
    max_depth: float | None = None
    """Truth farther than this, in metres, does not count; nor does sky. Otherwise 20 m for worlds,
    8 m for 3d60, 10 m for other panoramas (deep360: 100 m), 80 m for kitti-raw, and what is
    published for a benchmark."""
    clamp: bool = False
    """Bring panoramic predictions into 1 mm to --max-depth after the alignment."""
    solid_angle: bool = False
    """Weigh pixels of panoramas by the part of the sphere that they see."""
    view: Literal["centre", "right", "up"] = "centre"
    """3d60: which view of each place is judged."""
    crop: Literal["garg", "eigen", "none"] = "garg"
    """kitti-raw: part of the picture that counts."""
    rules: Rules | None = None
    """--protocol scaledepth: crop, range and clamps of this data set, which lies in the layout of
    nyu or kitti; otherwise those of nyu or kitti itself."""
    focal: float | None = None
    """--rules sunrgbd: focal length of the pictures in pixels."""
    window: tuple[int, ...] = ()
    """cityscapes-dvps, semkitti-dvps: also DVPQ over so many successive frames, such as 2 3 4."""
    stuff_area: int | None = None
    """Panoptic models: least area of stuff in pixels of the picture; otherwise that of the
    model."""
    reference_focal_px: float | None = None
    """semkitti-dvps: focal length in pixels of the camera that the model was trained with (2262.52
    for Cityscapes); its depth is scaled by the ratio of the real one to it."""


@dataclass(frozen=True)
class BaselineOptions:
    """What else is judged, beside panoramic models."""

    baselines: bool = False
    """Also judge one depth for every pixel, and the same network untrained."""
    constant_depth: float | None = None
    """That one depth, in metres; otherwise the median of this very data set, which flatters the
    baseline."""


@dataclass(frozen=True)
class ReportOptions:
    """Which frames, and where the numbers go."""

    limit: int | None = None
    """Only so many frames, spread evenly."""
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None
    """Write all numbers here."""
    markdown: Path | None = None
    """Write the table here."""


@dataclass(frozen=True)
class Judged:
    """Results for people and for programs."""

    sheet: Sheet
    summary: str
    document: dict[str, Any]
    more: tuple[Sheet, ...] = ()


@dataclass(frozen=True)
class Job:
    """One model on one data set.

    Raises:
        ValueError: an option is wrong, or does not belong to the data set and protocol.
    """

    model: str
    dataset: Dataset
    root: Path
    network: ModelOptions
    rules: RuleOptions
    also: BaselineOptions
    report: ReportOptions
    console: Console
    family: str
    protocol: Protocol = field(init=False)

    def __post_init__(self) -> None:
        if self.report.limit is not None and self.report.limit < 1:
            raise ValueError(f"--limit must be at least 1, got {self.report.limit}")
        protocols = [p for name, p in TAKES if name == self.dataset]
        protocol = self.rules.protocol
        if protocol == "auto":
            protocol = "ppd" if self.family == "ppd" and "ppd" in protocols else protocols[0]
        if protocol not in protocols:
            raise ValueError(
                f"--protocol {protocol} is not for {self.dataset}, which is judged by "
                f"{' or '.join(protocols)}"
            )
        object.__setattr__(self, "protocol", protocol)
        takes = TAKES[self.dataset, protocol]
        given = _given(self.rules) | _given(self.also)
        if wrong := given - takes - {"protocol"}:
            raise ValueError(
                f"{_flags(wrong)}: not for {self.dataset} with --protocol {protocol}, which takes "
                f"{_flags(takes)}"
            )
        if self.rules.median and self.rules.align not in ("auto", "median"):
            raise ValueError(f"--median and --align {self.rules.align} contradict each other")

    @property
    def split(self) -> str:
        """The part of the data set that is judged."""
        return self.rules.split or ("val" if self.protocol == "panoptic" else "test")

    def max_depth_m(self, usual: float) -> float:
        """The limit of the truth."""
        asked = self.rules.max_depth
        if asked is not None and not asked > 0:
            raise ValueError(f"--max-depth must be positive, got {asked:g}")
        return usual if asked is None else asked

    def alignment(self, estimator: Estimator) -> Alignment:
        """What predictions may borrow from the truth."""
        from ...evaluation.protocols import Alignment, usual_alignment

        if self.rules.median:
            return Alignment.MEDIAN
        if self.rules.align == "auto":
            return usual_alignment(estimator.card)
        return Alignment(self.rules.align)

    def estimator(self, **options: Any) -> Estimator:
        """The loaded model; ``options`` of the protocol yield to those of the user."""
        from ...systems import load

        network = self.network
        of_ppd = {"steps": network.steps, "semantics_checkpoint": network.semantics_checkpoint}
        given = {name: value for name, value in of_ppd.items() if value is not None}
        if given and self.family != "ppd":
            raise ValueError(f"{_flags(given)}: only Pixel-Perfect Depth has these options")
        if network.height is not None:
            options["height"] = network.height
        if network.backend != "torch":
            options["backend"] = network.backend
        return load(self.model, network.checkpoint, network.device, **options, **given)

    def indices(self, count: int) -> list[int]:
        """Which of ``count`` frames are judged."""
        few = count if self.report.limit is None else min(count, self.report.limit)
        return [i * count // few for i in range(few)]

    def track(self, name: str, indices: Sequence[int]) -> Iterable[int]:
        """The indices, with a progress bar on a terminal."""
        from rich.progress import track

        return track(indices, name, console=self.console, disable=not self.console.is_terminal)

    @property
    def about(self) -> dict[str, Any]:
        """What a document says of the data set and protocol."""
        return {"dataset": str(self.root), "benchmark": self.dataset, "protocol": self.protocol}


def _given(options: object) -> set[str]:
    """The fields that differ from their defaults."""
    return {f.name for f in fields(options) if getattr(options, f.name) != f.default}  # type: ignore[arg-type]


def _flags(names: Iterable[str]) -> str:
    return ", ".join(
        sorted("--list" if name == "listing" else f"--{name.replace('_', '-')}" for name in names)
    )
