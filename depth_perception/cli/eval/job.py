"""Options of ``depth-perception eval``, and the job that they describe. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from .benchmarks import DATASETS, PROTOCOLS, Benchmark, find

if TYPE_CHECKING:
    from rich.console import Console

    from ...evaluation.alignment import Alignment
    from ...evaluation.published import Official
    from ...io.sheet import Sheet
    from ...systems import Estimator

Dataset = Literal[DATASETS]  # type: ignore[valid-type]
Protocol = Literal[("auto", *PROTOCOLS)]  # type: ignore[valid-type]
Rules = Literal[
    "nyu", "kitti", "sunrgbd", "ibims", "diode-indoor", "hypersim", "diode-outdoor",
    "diml-outdoor", "ddad", "vkitti",
]  # fmt: skip


@dataclass(frozen=True)
class ModelOptions:
    """How the model runs."""

    checkpoint: Path | None = None
    """Weights file. Default: the embedded or fetched one."""
    device: str | None = None
    """cpu, cuda, ... Default: CUDA if available."""
    height: int | None = None
    """Rows of the network input. Default: those of the training or the model."""
    backend: Literal["torch", "openvino", "onnxruntime", "tensorrt", "inductor"] = "torch"
    """Inference backend: torch, openvino (CPU), onnxruntime, tensorrt (CUDA), or inductor, which
    needs a C++ compiler on first use."""
    seam: Literal["auto", "off", "circular", "blend"] = "auto"
    """Left/right seam of full-turn panoramas, as in `infer`; `auto` is `off`, the original network,
    where a published evaluation is repeated (protocols `panda` and `omnidepth`)."""
    steps: int | None = None
    """Diffusion steps of Pixel-Perfect Depth. Default: those of the model."""
    semantics_checkpoint: Path | None = None
    """Weights of the encoder that prompts Pixel-Perfect Depth. Default: the fetched ones."""


@dataclass(frozen=True)
class RuleOptions:
    """What is scored and how it is compared."""

    protocol: Protocol = "auto"
    """`plain` gives nine metrics (kitti-raw: ten), the others those of their papers; `auto` is
    `ppd` for Pixel-Perfect Depth, `panda` for panoramas of its data sets, `scaledepth` for the
    data sets of that paper's zero-shot tables, `panoptic` for data sets with segments, and
    `plain` otherwise."""
    listing: Annotated[Path | None, tyro.conf.arg(name="list")] = None
    """List of the frames. Default: the only *.txt in the folder, or all pairs of kitti-raw."""
    split: str | None = None
    """Part of the data set. Default: `test` of panoramas, `val` of data sets with segments."""
    align: Literal["auto", "none", "median", "scale_shift"] = "auto"
    """How a prediction is aligned to the ground truth of its frame before scoring. `auto` is none
    for metric models, the medians for models that lack one factor, scale and shift for other
    relative ones."""
    median: bool = False
    """Short for --align median."""
    max_depth: float | None = None
    """Ground truth farther than this, in metres, is not scored; nor is sky. Default: 20 m for
    worlds, 8 m for 3d60, 10 m for other panoramas (deep360: 100 m), 80 m for kitti-raw, and the
    published limit of a benchmark."""
    clamp: bool = False
    """Limit panoramic predictions to 1 mm .. --max-depth after the alignment."""
    solid_angle: bool = False
    """Weigh pixels of panoramas by the part of the sphere that they see."""
    view: Literal["centre", "right", "up"] = "centre"
    """3d60: view of each place that is evaluated."""
    crop: Literal["garg", "eigen", "none"] = "garg"
    """kitti-raw: part of the image that is scored."""
    rules: Rules | None = None
    """--protocol scaledepth: crop, range and clamps of this data set, which lies in the layout of
    nyu or kitti. Default: those of nyu or kitti itself."""
    focal: float | None = None
    """Focal length of the images in pixels: for --rules sunrgbd, and with --protocol plain for
    models whose metres depend on it, such as da3-metric-large, where the data set has none."""
    window: tuple[int, ...] = ()
    """cityscapes-dvps, semkitti-dvps: also DVPQ over these numbers of successive frames, such as
    2 3 4."""
    stuff_area: int | None = None
    """Panoptic models: minimum area of stuff in pixels. Default: that of the model."""
    reference_focal_px: float | None = None
    """semkitti-dvps: focal length in pixels of the camera that the model was trained with (2262.52
    for Cityscapes); its depth is scaled by the ratio of the real one to it."""


@dataclass(frozen=True)
class BaselineOptions:
    """Baselines of panoramic models."""

    baselines: bool = False
    """Also evaluate a constant depth, and the same network untrained."""
    constant_depth: float | None = None
    """The constant depth in metres. Default: the median of the evaluated data set (this favours the
    baseline)."""


@dataclass(frozen=True)
class ReportOptions:
    """Which frames, and where the results go."""

    limit: int | None = None
    """Number of frames, spread evenly over the data set. Default: all."""
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None
    """Write all numbers to this file."""
    markdown: Path | None = None
    """Write the table to this file."""


@dataclass(frozen=True)
class Report:
    """Results for people and for programs."""

    sheets: tuple[Sheet, ...]
    summary: str
    document: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One model on one data set.

    Raises KeyError: there is no such model. FileNotFoundError: the data set, the list or the
    weights file is missing. ValueError: an option is wrong, or does not belong to the data set
    and protocol, or the model does not fit them.
    """

    model: str
    dataset: Dataset
    root: Path
    network: ModelOptions
    rules: RuleOptions
    also: BaselineOptions
    report: ReportOptions
    console: Console
    benchmark: Benchmark = field(init=False)
    official: Official = field(init=False)

    def __post_init__(self) -> None:
        if self.report.limit is not None and self.report.limit < 1:
            raise ValueError(f"--limit must be at least 1, got {self.report.limit}")
        if self.rules.max_depth is not None and not self.rules.max_depth > 0:
            raise ValueError(f"--max-depth must be positive, got {self.rules.max_depth:g}")
        if self.rules.median and self.rules.align not in ("auto", "median"):
            raise ValueError(f"--median and --align {self.rules.align} contradict each other")
        from ...evaluation.published import ONLY_PROTOCOL, official
        from ...systems import card, options_of, system_of

        system = system_of(self.model).name
        only = ONLY_PROTOCOL.get(system)
        benchmark = find(self.dataset, self.rules.protocol, only)
        given = _given(self.rules) | _given(self.also)
        if wrong := given - benchmark.options - {"protocol"}:
            raise ValueError(
                f"{_flags(wrong)}: not for {self.dataset} with --protocol {benchmark.protocol}, "
                f"which takes {_flags(benchmark.options)}"
            )
        if reason := benchmark.rejection(card(self.model)):
            raise ValueError(reason)
        if only not in (None, benchmark.protocol):
            raise ValueError(f"{self.model} is scored as relative depth: take --protocol {only}")
        own = _given(self.network) & {"steps", "semantics_checkpoint"}  # of some systems only
        if unknown := own - {f.name for f in fields(options_of(self.model))}:
            raise ValueError(f"{_flags(unknown)}: {self.model} has no such option")
        checkpoint, listing = self.network.checkpoint, self.rules.listing
        if not self.root.is_dir():
            raise FileNotFoundError(f"no folder {self.root}")
        if checkpoint is not None and not checkpoint.exists():
            raise FileNotFoundError(f"no weights file {checkpoint}")
        if listing is not None and not any(p.is_file() for p in (listing, self.root / listing)):
            raise FileNotFoundError(f"no list {listing}")
        object.__setattr__(self, "benchmark", benchmark)
        object.__setattr__(self, "official", official(system, benchmark.kind))

    @property
    def split(self) -> str | None:
        """The part of the data set that is evaluated."""
        return self.rules.split or self.benchmark.split

    @property
    def max_depth_m(self) -> float:
        """The limit of the ground truth."""
        return self.rules.max_depth or self.benchmark.max_depth_m

    @property
    def as_published(self) -> bool:
        """Whether the model runs by its usual options on all frames of the split."""
        changes = (self.report.limit, self.network.height, self.network.steps)
        usual_seam = self.network.seam in ("auto", "off")
        return usual_seam and all(change is None for change in changes)

    def alignment(self, estimator: Estimator) -> Alignment:
        """How predictions are aligned to the ground truth."""
        from ...evaluation.alignment import Alignment, usual_alignment

        if self.rules.median:
            return Alignment.MEDIAN
        if self.rules.align == "auto":
            return usual_alignment(estimator.card)
        return Alignment(self.rules.align)

    def reader(self) -> Any:
        """The frames of the data set; OSError, ValueError: files are missing, or the list is
        broken."""
        from ...data.registry import data_set

        entry = data_set(self.benchmark.reads or self.dataset)
        return entry.open(self.root, self.split, self.rules.listing)

    def estimator(self) -> Estimator:
        """The loaded model; options of the user replace those of a published evaluation."""
        from ...systems import load

        network = self.network
        given = _given(network) - {"checkpoint", "device"}
        options = {"output_size": "input"}  # that of the ground truth
        options |= self.official.options(self.model, self.dataset)
        options |= {name: getattr(network, name) for name in given}
        return load(self.model, network.checkpoint, network.device, **options)

    def track(self, name: str, count: int) -> Iterable[int]:
        """The frames of ``count`` that are evaluated, with a progress bar on a terminal."""
        from rich.progress import track

        few = count if self.report.limit is None else min(count, self.report.limit)
        indices: Sequence[int] = [i * count // few for i in range(few)]
        return track(indices, name, console=self.console, disable=not self.console.is_terminal)

    @property
    def about(self) -> dict[str, Any]:
        """Data set and protocol, for a document."""
        protocol = self.benchmark.protocol
        return {"dataset": str(self.root), "benchmark": self.dataset, "protocol": protocol}


def _given(options: Any) -> set[str]:
    """Names of the options that differ from their default."""
    return {f.name for f in fields(options) if getattr(options, f.name) != f.default}


def _flags(names: Iterable[str]) -> str:
    spelled = {"listing": "list"}
    return ", ".join(sorted(f"--{spelled.get(n, n).replace('_', '-')}" for n in names))
