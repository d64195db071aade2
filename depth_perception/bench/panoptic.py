"""PanopticDepth's post-processing: the plain way of its authors against the lean one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..options import Precision
from ..systems import build_network
from ..systems.panopticdepth.config import (
    MULTIPLE,
    PANOPTICDEPTH,
    STRIDE,
    PanopticDepthConfig,
    PanopticLimits,
)
from ..systems.panopticdepth.kernels import SegmentKernels, segment_kernels
from ..systems.panopticdepth.lean_maps import lean_map
from ..systems.panopticdepth.maps import PanopticMap, View, plain_map
from ..systems.panopticdepth.network import PanopticDepth, PanopticFeatures
from .ceiling import measure_ceiling
from .hardware import bench_device, hardware, load_note, torch_threads
from .measure import Contender, Difference, check_counts, measure, memory_means, peak_bytes
from .report import Report, Stage

Model = Literal["panopticdepth-r50", "panopticdepth-tiny"]

BUDGET_BYTES = 4 * 10**9
"""What a whole frame of 1024 x 2048 may take on the device."""
_MOST_LOGIT = 8.0
_BUMPS = 6  # of a stuff class across the picture


@dataclass(frozen=True)
class PanopticBenchOptions:
    """What is measured.

    Attributes:
        segments: things that the network proposes, most of which survive.
        height, width: of picture and maps, multiples of 32.
        whole: also the peak memory of a whole frame by this model, with random weights.
        repeats, warm_up: timed runs of each way, and runs before them.
        device: cpu, cuda, ...
        precision: of the products with kernels, and of the network.
        threads: of torch on the CPU; None takes torch's choice.
        seed: of the scene.
    """

    segments: int = 60
    height: int = 1024
    width: int = 2048
    whole: Model | None = None
    repeats: int = 3
    warm_up: int = 1
    device: str = "cpu"
    precision: Precision = "float32"
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.segments <= PanopticLimits().top:
            raise ValueError(f"segments must lie in 0..{PanopticLimits().top}, got {self.segments}")
        for name in ("height", "width"):
            side = getattr(self, name)
            if side < 2 * MULTIPLE or side % MULTIPLE:
                raise ValueError(
                    f"{name} must be a multiple of {MULTIPLE}, at least {2 * MULTIPLE}, got {side}"
                )
        if self.whole is not None and self.whole not in get_args(Model):
            raise ValueError(f"whole must be one of {', '.join(get_args(Model))}")
        if self.precision not in get_args(Precision):
            raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}")
        check_counts(self.repeats, self.warm_up)


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """What a network could say of a street: kernels of segments, and what they act on.

    Random weights find nothing. Here the mask of every segment is a channel of its own among the
    256 of the features, so that products, resampling and painting cost what they cost in life.

    Attributes:
        things, stuff: kernels, best first and by class.
        features: of which only ``masks`` and ``depths`` are filled.
    """

    things: SegmentKernels
    stuff: SegmentKernels
    features: PanopticFeatures

    def without_depth(self) -> SyntheticScene:
        """As a model without depth says it."""
        none = {"depth_kernels": self.things.depth_kernels[:, :0]}
        of_stuff = {"depth_kernels": self.stuff.depth_kernels[:, :0]}
        return SyntheticScene(
            self.things._replace(**none),
            self.stuff._replace(**of_stuff),
            self.features._replace(depths=None),
        )


def synthetic_scene(
    options: PanopticBenchOptions, config: PanopticDepthConfig, device: torch.device
) -> SyntheticScene:
    """Ellipses of many sizes, some of which cover each other, before a mosaic of stuff."""
    generator = torch.Generator().manual_seed(options.seed)
    height, width = options.height // STRIDE, options.width // STRIDE
    count, classes = options.segments, len(config.classes)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def smooth(channels: int) -> Tensor:
        grid = torch.randn((1, channels, _BUMPS, 2 * _BUMPS), generator=generator)
        return F.interpolate(grid, (height, width), mode="bicubic", align_corners=False)[0]

    radius = (height / 4) * 20.0 ** -uniform(count, 2, 1, 1)
    centre = uniform(count, 2, 1, 1) * torch.tensor([height, width]).view(2, 1, 1)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    distance = ((rows - centre[:, 0]) / radius[:, 0]).square()
    distance = (distance + ((columns - centre[:, 1]) / radius[:, 1]).square()).sqrt()
    masks = torch.zeros((max(config.head, count + classes), height, width))
    masks[:count] = (_MOST_LOGIT * (1 - distance)).clamp(-_MOST_LOGIT, _MOST_LOGIT)
    masks[count : count + classes] = 3 * smooth(classes)
    kernels = torch.eye(len(masks))
    vectors = torch.randn((count + classes, 2 + config.depth_channels), generator=generator)
    scores = (0.2 + 0.8 * uniform(count)).sort(descending=True).values
    precision = getattr(torch, options.precision)
    things = SegmentKernels(
        torch.arange(count) % config.things, scores, kernels[:count], vectors[:count]
    )
    stuff = SegmentKernels(
        torch.arange(classes),
        0.5 + 0.5 * uniform(classes),
        kernels[count : count + classes],
        vectors[count:],
    )
    depths = smooth(config.depth_channels)[None].to(device)
    features = PanopticFeatures((), (), (), (), masks[None].to(device, precision), depths)
    return SyntheticScene(
        SegmentKernels(*(value.to(device) for value in things)),
        SegmentKernels(*(value.to(device) for value in stuff)),
        features,
    )


def bench_panoptic(options: PanopticBenchOptions) -> Report:
    """Run the plain way and the lean one by turns, and say how far their maps are apart.

    Raises:
        ValueError: the device or a number is wrong.
    """
    device, busy = bench_device(options.device), load_note()
    size = (options.height, options.width)
    limits = PanopticLimits()
    limits = replace(limits, stuff_area_px=limits.stuff_area_px * math.prod(size) // (1024 * 2048))
    with torch_threads(options.threads), torch.inference_mode():
        ceiling = measure_ceiling(device, options.precision)
        scene = synthetic_scene(options, PANOPTICDEPTH, device)
        stages, notes = [], list(busy)
        for work, of_scene in (
            ("masks and depth", scene),
            ("masks alone", scene.without_depth()),
        ):
            plain, lean = _ways(of_scene, View(size, size), limits)
            stage, note = _compared(work, plain, lean, device, options)
            stages.append(stage)
            notes.append(f"{work}: {note}")
        if options.whole is not None:
            notes.append(_whole(options, options.whole, scene, limits, device))
        return Report(
            bench="panoptic",
            hardware=hardware(device),
            ceiling=ceiling,
            memory=memory_means(device),
            settings={
                "things": options.segments,
                "stuff": len(PANOPTICDEPTH.classes),
                "maps": f"{options.width}x{options.height}",
                "precision": options.precision,
                "repeats": options.repeats,
            },
            stages=tuple(stages),
            notes=tuple(notes),
        )


def _ways(
    scene: SyntheticScene, view: View, limits: PanopticLimits
) -> tuple[Callable[[], PanopticMap], Callable[[], PanopticMap]]:
    given = (scene.things, scene.stuff, scene.features, view, PANOPTICDEPTH, limits)
    return lambda: plain_map(*given).map, lambda: lean_map(*given)


def _compared(
    work: str,
    plain: Callable[[], PanopticMap],
    lean: Callable[[], PanopticMap],
    device: torch.device,
    options: PanopticBenchOptions,
) -> tuple[Stage, str]:
    contenders = (
        Contender("plain", lambda: (plain().ids,)),
        Contender("lean", lambda: (lean().ids,)),
    )
    measured = measure(contenders, device, repeats=options.repeats, warm_up=options.warm_up)
    expected, found = plain(), lean()
    differing = (expected.ids != found.ids) | (expected.classes != found.classes)
    count, total = int(differing.sum()), differing.numel()
    apart = [Difference("differing pixels", float(count), float(total))]
    text = f"{len(expected.segments)} segments in the map, {count} of {total} pixels differ"
    if expected.depth is not None and found.depth is not None:
        both = ~differing & expected.depth.isfinite()
        error = (expected.depth - found.depth)[both].abs()
        largest = float(error.max()) if error.numel() else 0.0
        farthest = float(expected.depth[both].max()) if error.numel() else 0.0
        apart.append(Difference("depth m", largest, farthest))
        text += f", depth elsewhere by {largest:.1e} m at most"
    return Stage(work, measured, (0, 0), tuple(apart)), text


def _whole(
    options: PanopticBenchOptions,
    model: str,
    scene: SyntheticScene,
    limits: PanopticLimits,
    device: torch.device,
) -> str:
    """Peak memory of a frame: the network, and the lean way on the kernels of the scene."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network: PanopticDepth = build_network(model)
    network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    network.set_precision(getattr(torch, options.precision))
    size = (options.height, options.width)
    images = torch.zeros((1, 3, *size), device=device)

    def frame() -> Tensor:
        features = network(images)
        segment_kernels(network, features, limits)
        features = scene.features
        return lean_map(
            scene.things, scene.stuff, features, View(size, size), PANOPTICDEPTH, limits
        ).ids

    peak = peak_bytes(frame, device)
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    within = "within" if peak + weights <= BUDGET_BYTES else "beyond"
    return (
        f"a whole frame of {model}: {peak / 1e9:.2f} GB beside {weights / 1e9:.2f} GB of weights, "
        f"{within} {BUDGET_BYTES / 1e9:.0f} GB"
    )
