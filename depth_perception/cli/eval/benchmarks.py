"""The benchmarks of ``depth-perception eval``: protocols on data sets. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ...systems import ModelCard

Models = Literal["panoramic", "pinhole", "panoptic", "segments", "any"]


@dataclass(frozen=True)
class Benchmark:
    """A protocol on a data set.

    Attributes:
        dataset, protocol: names on the command line.
        models: kind of model that it takes; ``segments``: panoptic ones for either camera.
        kind: what evaluates it: a key of ``run.SETUPS``, or ``panoptic``.
        options: options of rules and baselines that it takes.
        reads: layout in the registry of data sets, if it is not ``dataset``.
        split: part of the data set unless --split is given; None is the first one.
        max_depth_m: largest ground truth that is scored unless --max-depth is given.
    """

    dataset: str
    protocol: str
    models: Models
    kind: str
    options: frozenset[str]
    reads: str = ""
    split: str | None = None
    max_depth_m: float = 80.0

    def rejection(self, card: ModelCard) -> str | None:
        """Why it does not take a model; None if it does."""
        if self.models == "any":
            return None if card.is_metric else f"{card.name} is not metric: {self.dataset} needs it"
        if self.models == "segments":
            return None if card.is_panoptic else f"{card.name} predicts no segments"
        camera = "equirectangular" if self.models == "panoramic" else "pinhole"
        if card.camera != camera:
            wanted = "panoramic" if self.models == "panoramic" else "pinhole"
            return f"{card.name} is not a {wanted} model, which {self.dataset} needs"
        if self.models == "panoptic" and not card.is_panoptic:
            return f"{card.name} predicts no segments, which {self.dataset} scores"
        return None


_ALIGN = {"align", "median"}
_BASELINES = {"baselines", "constant_depth"}
_PANORAMA = {"solid_angle", "clamp", "max_depth", *_ALIGN, *_BASELINES}
_SEGMENTS = {"split", "stuff_area"}


def _panoramic(
    dataset: str, protocol: str, kind: str, options: set[str], limit_m: float, **more: Any
) -> Benchmark:
    taken = frozenset(options)
    return Benchmark(dataset, protocol, "panoramic", kind, taken, max_depth_m=limit_m, **more)


def _pinhole(dataset: str, protocol: str, kind: str, *options: str, **more: Any) -> Benchmark:
    return Benchmark(dataset, protocol, "pinhole", kind, frozenset(options), **more)


def _panoptic(dataset: str, *options: str) -> Benchmark:
    taken = frozenset({*_SEGMENTS, *options})
    return Benchmark(dataset, "panoptic", "panoptic", "panoptic", taken, split="val")


_PANDA = {"structured3d": 10.0, "deep360": 100.0, "matterport3d": 10.0, "stanford2d3d": 10.0}
PANORAMAS = tuple(_PANDA)
"""Panoramas with range in the layouts that PanDA reads."""
_RELATIVE = {"nyu": 10.0, "kitti": 80.0, "eth3d": 350.0, "scannet": 10.0, "diode": 350.0}
_ZERO_SHOT = (
    "sunrgbd", "ibims", "diode-indoor", "diode-outdoor", "hypersim-list", "diml", "ddad", "vkitti2",
)  # fmt: skip
_PLAIN_PINHOLE = ("align", "median", "max_depth", "listing", "focal")
_PLACES = {"listing", "view"}
_SPHERICAL = {"max_depth", *_PLACES, *_BASELINES}

BENCHMARKS: tuple[Benchmark, ...] = (
    _panoramic("worlds", "plain", "panoramas", _PANORAMA, 20.0),
    Benchmark("worlds", "panoptic", "segments", "segments", frozenset({"stuff_area"})),
    Benchmark("reality", "reality", "any", "reality", frozenset({"max_depth"}), max_depth_m=20.0),
    _panoramic("3d60", "plain", "panoramas", _PANORAMA | _PLACES, 8.0),
    _panoramic("3d60", "omnidepth", "omnidepth", _SPHERICAL, 8.0),
    _panoramic("3d60", "view-synthesis", "view-synthesis", _SPHERICAL | _ALIGN, 8.0),
    *(
        _panoramic(name, protocol, kind, options | {"listing", "split"}, limit, split="test")
        for name, limit in _PANDA.items()
        for protocol, kind, options in (
            ("panda", "panda", _ALIGN), ("plain", "panoramas", _PANORAMA),
        )
    ),
    *(
        benchmark
        for name, limit in _RELATIVE.items()
        for benchmark in (
            _pinhole(name, "plain", "pinhole", *_PLAIN_PINHOLE, max_depth_m=limit),
            _pinhole(name, "ppd", "ppd", "listing"),
        )
    ),
    _pinhole(
        "nyu", "scaledepth", "scaledepth", "rules", "focal", reads="nyu-folders", split="test"
    ),
    _pinhole(
        "kitti", "scaledepth", "scaledepth", "rules", "focal", "listing", reads="kitti-folders",
        split="test",
    ),
    _pinhole("kitti-raw", "plain", "eigen", "align", "median", "max_depth", "listing", "crop"),
    *(
        benchmark
        for name in _ZERO_SHOT
        for benchmark in (
            _pinhole(name, "scaledepth", "scaledepth", "listing"),
            _pinhole(name, "plain", "pinhole", *_PLAIN_PINHOLE),
        )
    ),
    _panoptic("cityscapes"),
    _panoptic("cityscapes-dvps", "window"),
    _panoptic("semkitti-dvps", "window", "reference_focal_px"),
    _panoptic("coco-panoptic"),
)  # fmt: skip
"""The first protocol of a data set is its default, unless the system has a protocol of its own."""

DATASETS = tuple(dict.fromkeys(benchmark.dataset for benchmark in BENCHMARKS))
PROTOCOLS = tuple(dict.fromkeys(benchmark.protocol for benchmark in BENCHMARKS))


def find(dataset: str, protocol: str, preferred: str | None) -> Benchmark:
    """A benchmark, or ValueError; ``auto`` is ``preferred`` where the data set has it, else its
    default."""
    found = {b.protocol: b for b in BENCHMARKS if b.dataset == dataset}
    if protocol == "auto":
        protocol = preferred if preferred in found else next(iter(found))
    if protocol not in found:
        raise ValueError(
            f"--protocol {protocol} is not for {dataset}, which has {' or '.join(found)}"
        )
    return found[protocol]
