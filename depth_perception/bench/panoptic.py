"""PanopticDepth's post-processing: the plain way of its authors against the lean one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..systems import build_network
from ..systems.panopticdepth.config import PANOPTICDEPTH, STRIDE, PanopticLimits
from ..systems.panopticdepth.kernels import SegmentKernels, segment_kernels
from ..systems.panopticdepth.lean_maps import lean_map
from ..systems.panopticdepth.maps import View, plain_map
from ..systems.panopticdepth.network import PanopticDepth, PanopticFeatures
from .comparison import Comparison, comparison
from .measure import Variant, frozen, peak_bytes, size_bytes
from .options import Panoptic
from .result import Difference, Result, Stage

BUDGET_BYTES = 4 * 10**9
"""What a whole frame of 1024 x 2048 may take on the device."""
_MOST_LOGIT = 8.0
_BUMPS = 6  # of a stuff class across the image


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """What a network could predict of a street: kernels of segments, and what they act on.

    Random weights find nothing. Here the mask of every segment is a channel of its own among the
    256 of the features, so that products, resampling and painting cost what they cost with a
    trained network.

    Attributes:
        things, stuff: kernels, best first and by class.
        features: of which only ``masks`` and ``depths`` are filled.
    """

    things: SegmentKernels
    stuff: SegmentKernels
    features: PanopticFeatures

    def without_depth(self) -> SyntheticScene:
        """The output of a model without depth."""
        both = (self.things, self.stuff)
        kernels = (found._replace(depth_kernels=found.depth_kernels[:, :0]) for found in both)
        return SyntheticScene(*kernels, self.features._replace(depths=None))

    def arguments(self, view: View, limits: PanopticLimits) -> tuple[Any, ...]:
        """Those of :func:`plain_map` and :func:`lean_map`."""
        return self.things, self.stuff, self.features, view, PANOPTICDEPTH, limits


def synthetic_scene(options: Panoptic, device: torch.device) -> SyntheticScene:
    """Ellipses of many sizes, some of which cover each other, before a mosaic of stuff."""
    generator, config = torch.Generator().manual_seed(options.seed), PANOPTICDEPTH
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
    things = (torch.arange(count) % config.things, scores, kernels[:count], vectors[:count])
    stuff = (torch.arange(classes), 0.5 + 0.5 * uniform(classes))
    stuff += (kernels[count : count + classes], vectors[count:])
    depths = smooth(config.depth_channels)[None].to(device)
    features = PanopticFeatures((), (), (), (), masks[None].to(device, precision), depths)
    found = (SegmentKernels(*(v.to(device) for v in values)) for values in (things, stuff))
    return SyntheticScene(*found, features)


def bench_panoptic(options: Panoptic) -> Result:
    """Compare the plain way and the lean one.

    Raises:
        ValueError: the device or a number is wrong.
    """
    with comparison(options) as bench:
        size, limits = (options.height, options.width), PanopticLimits()
        area = limits.stuff_area_px * math.prod(size) // (1024 * 2048)
        limits = replace(limits, stuff_area_px=area)
        scene = synthetic_scene(options, bench.device)
        stages, notes = [], []
        works = {"masks and depth": scene, "masks alone": scene.without_depth()}
        for work, given in works.items():
            stage, note = _compared(work, bench, given.arguments(View(size, size), limits))
            stages.append(stage)
            notes.append(f"{work}: {note}")
        if options.whole is not None:
            notes.append(_whole(options, scene, limits, bench.device))
        settings = {"things": options.segments, "stuff": len(PANOPTICDEPTH.classes)}
        settings |= {"maps": f"{options.width}x{options.height}"}
        settings |= bench.asked("precision", "repeats")
        return bench.result("panoptic", stages, settings, *notes)


def _compared(work: str, bench: Comparison, given: tuple[Any, ...]) -> tuple[Stage, str]:
    expected, found = plain_map(*given).map, lean_map(*given)
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
    variants = (
        Variant("plain", lambda: (plain_map(*given).map.ids,)),
        Variant("lean", lambda: (lean_map(*given).ids,)),
    )
    return bench.stage(work, variants, lambda: apart), text


def _whole(
    options: Panoptic, scene: SyntheticScene, limits: PanopticLimits, device: torch.device
) -> str:
    """Peak memory of a frame: the network, and the lean way on the kernels of the scene."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network: PanopticDepth = build_network(options.whole)
    frozen(network, device).set_precision(getattr(torch, options.precision))
    size = (options.height, options.width)
    images = torch.zeros((1, 3, *size), device=device)

    def frame() -> Tensor:
        segment_kernels(network, network(images), limits)
        return lean_map(*scene.arguments(View(size, size), limits)).ids

    peak = peak_bytes(frame, device)
    weights = size_bytes(network.parameters())
    within = "within" if peak + weights <= BUDGET_BYTES else "beyond"
    return (
        f"a whole frame of {options.whole}: {peak / 1e9:.2f} GB beside {weights / 1e9:.2f} GB of "
        f"weights, {within} {BUDGET_BYTES / 1e9:.0f} GB"
    )
