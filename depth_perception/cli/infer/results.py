"""The result files of one image or frame: depth image, numbers, cloud, segments, instances."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...geometry import Equirectangular, edge_mask, edge_reach
from ...geometry.outliers import outlier_mask
from ...geometry.rotations import optical_to_opengl, optical_to_panda
from ...io.annotate import even_ticks, label_segments, with_bar
from ...io.colormaps import (
    INVERSE_DEPTH_COLORMAP,
    PUBLISHED_COLORMAP,
    colourise,
    near_is_warm,
    render_depth,
)
from ...io.depth_files import write_depth
from ...io.images import side_by_side, write_image
from ...io.instance_files import write_instances, write_segments
from ...io.ply import write_ply
from ...io.segment_colours import Colour, overlay, segment_palette
from ...prediction import Prediction, ScaleKind
from .options import InferOptions

Limits = tuple[float, float]
_OPACITY = 0.6
_LEAST_THING, _LEAST_STUFF = 0.0005, 0.01  # shares of the image that get a label
_RAW_SUFFIX = {"npy": ".npy", "png16": ".png", "exr": ".exr"}
ResultFile = tuple[str, Callable[[Path], object]]
"""Ending, which is appended to the name of the input, and the function that writes to a path."""


def result_files(
    prediction: Prediction,
    image: np.ndarray,
    options: InferOptions,
    limits: Limits | None = None,
    colours: Sequence[Colour] = (),
    *,
    picture: bool = True,
) -> tuple[list[ResultFile], list[str]]:
    """The files of an input, and endings of requested files that would be wrong without scale.

    Numbers are written as ``_depth`` where they are depths, up to a factor at most, and as
    ``_values`` where they are the network's values in their own space. Of a panoptic model there
    are also instances, and segments in the formats of the numbers except EXR. 16-bit PNG requires
    metres, and a cloud requires a known shift unless ``--allow-bent-cloud``.

    Args:
        prediction: on the CPU.
        image: (H, W, 3) uint8 RGB input.
        options: which files, and how.
        limits: values at both ends of the colours; None: the extremes of the prediction.
        colours: of the classes of a panoptic model.
        picture: whether to write the depth image.
    """
    affine = prediction.scale is ScaleKind.AFFINE_INVARIANT
    files, withheld = [], []

    def add(ending: str, write: Callable[[Path], object], *, correct: bool = True) -> None:
        if correct:
            files.append((ending, write))
        else:
            withheld.append(ending)

    if picture:
        shown = partial(render_prediction, prediction, image, options, limits, colours)
        add(".png", lambda path: write_image(path, shown()))
    formats = tuple(dict.fromkeys(options.raw))
    for name in formats:
        add(
            f"_{'values' if affine else 'depth'}{_RAW_SUFFIX[name]}",
            lambda path: write_depth(path, raw_depth(prediction)),
            correct=name != "png16" or prediction.is_metric,
        )
    if options.save_cloud:
        add(
            ".ply",
            lambda path: write_ply(path, *cloud_of(prediction, image, options)),
            correct=options.allow_bent_cloud or not affine,
        )
    if prediction.segments is not None:
        add("_instances.json", partial(write_instances, prediction=prediction))
        for name in formats:
            if name != "exr":
                write = partial(write_segments, prediction=prediction)
                add(f"_segments{_RAW_SUFFIX[name]}", write)
    return files, withheld


def limit_range(prediction: Prediction, max_range: float | None) -> Prediction:
    """The prediction with everything farther than ``max_range`` marked as invalid."""
    if max_range is None:
        return prediction
    near = _as_depth(prediction) <= max_range
    return replace(prediction, valid=prediction.valid & near)


def raw_depth(prediction: Prediction) -> np.ndarray:
    """(H, W) float32 depth, or values where depth is unknown; NaN where not valid."""
    affine = prediction.scale is ScaleKind.AFFINE_INVARIANT
    numbers = prediction.values if affine else prediction.depth
    numbers = torch.where(prediction.valid, numbers, torch.full_like(numbers, torch.nan))
    return numbers.cpu().numpy()


def render_prediction(
    prediction: Prediction,
    image: np.ndarray,
    options: InferOptions,
    limits: Limits | None,
    colours: Sequence[Colour] = (),
) -> np.ndarray:
    """The depth as an RGB image at the size of the input, beside the input unless ``--pred-only``.

    At its right is a bar with the depths of the colours, in metres where they are known. Segments
    are drawn between them as colours over the input, with names and distances; ``colours`` are
    those of the classes. The palette ``published`` has the size of the network input and no words,
    as in the authors' scripts.
    """
    if options.palette == "published":
        return _published(prediction, image, options, limits, colours)
    valid = prediction.valid.cpu().numpy()
    values = prediction.values.cpu().numpy()
    if limits is None and valid.any():
        limits = float(values[valid].min()), float(values[valid].max())
    colormap = None if options.grayscale else near_is_warm(prediction.space)
    height, width = image.shape[:2]
    depth = render_depth(
        _enlarged(values, valid, height, width),
        cv2.resize(valid.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0,
        limits=limits,
        colormap=colormap,
    )
    if options.pred_only and prediction.segments is None:
        return depth
    shown = [] if options.pred_only else [image]
    if prediction.segments is not None:
        shown.append(_labelled(prediction, image, colours))
    scale = np.arange(256, dtype=np.uint8)[:, None]
    bar = (colourise(scale, colormap) if colormap else scale[..., None].repeat(3, -1))[:, 0]
    return with_bar(side_by_side(*shown, depth), bar, _ticks(prediction, limits))


def _published(
    prediction: Prediction,
    image: np.ndarray,
    options: InferOptions,
    limits: Limits | None,
    colours: Sequence[Colour],
) -> np.ndarray:
    depth = render_depth(
        prediction.values.cpu().numpy(),
        prediction.valid.cpu().numpy(),
        limits=limits,
        colormap=None if options.grayscale else PUBLISHED_COLORMAP,
    )
    shown = [] if options.pred_only else [image]
    if prediction.segments is not None:
        below = cv2.resize(image, depth.shape[1::-1], interpolation=cv2.INTER_AREA)
        shown.append(_tinted(prediction, below, colours))
    return side_by_side(*shown, depth)


def _tinted(prediction: Prediction, image: np.ndarray, colours: Sequence[Colour]) -> np.ndarray:
    palette = segment_palette(prediction.instances, colours)
    pixels = torch.from_numpy(np.require(image, requirements=("C", "W")))
    return overlay(pixels, prediction.segments.cpu(), palette, _OPACITY).numpy()


def _labelled(prediction: Prediction, image: np.ndarray, colours: Sequence[Colour]) -> np.ndarray:
    """The image tinted by segments, with names and, in metres, distances of the larger ones."""
    assert prediction.segments is not None
    height, width = image.shape[:2]
    segments = prediction.segments.cpu().numpy()
    segments = cv2.resize(segments, (width, height), interpolation=cv2.INTER_NEAREST)
    found = None
    if prediction.is_metric and prediction.instances:
        found = prediction.segment_statistics().median.tolist()
    labels = []
    for place, instance in enumerate(prediction.instances):
        mask = segments == instance.id
        least = _LEAST_THING if instance.is_thing else _LEAST_STUFF
        if mask.sum() >= least * mask.size:
            known = found is not None and math.isfinite(found[place])
            labels.append(
                (mask, f"{instance.label} {found[place]:.1f} m" if known else instance.label)
            )
    return label_segments(_tinted(prediction, image, colours), labels)


def _enlarged(values: np.ndarray, valid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Values (height, width), linear between valid ones."""
    if values.shape == (height, width):
        return values
    size, linear = (width, height), cv2.INTER_LINEAR
    known = cv2.resize(valid.astype(np.float32), size, interpolation=linear)
    sums = cv2.resize(np.where(valid, values, 0).astype(np.float32), size, interpolation=linear)
    return sums / np.maximum(known, 1e-6)


def _ticks(prediction: Prediction, limits: Limits | None) -> list[tuple[float, str]]:
    """Places and texts of the bar: metres, depths up to a factor, or only its two ends."""
    if limits is None or not limits[1] > limits[0]:
        return []
    if prediction.scale is ScaleKind.AFFINE_INVARIANT:
        high_is_near = near_is_warm(prediction.space) == INVERSE_DEPTH_COLORMAP
        return [(float(high_is_near), "near"), (1.0 - high_is_near, "far")]
    ticks = even_ticks(*limits)
    depths = prediction.space.to_depth(torch.tensor([value for _, value in ticks])).tolist()
    unit = " m" if prediction.is_metric else ""
    return [(place, f"{depth:.3g}{unit}") for (place, _), depth in zip(ticks, depths, strict=True)]


def cloud_of(
    prediction: Prediction, image: np.ndarray, options: InferOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Points (H, W, 3) float32, NaN where unknown, and their colours (H, W, 3) uint8 RGB."""
    points = prediction.points(allow_affine=options.allow_bent_cloud)
    if options.edge_filter is not None:
        jumps = edge_mask(
            _as_depth(prediction),
            options.edge_filter,
            prediction.valid,
            wraps=prediction.camera.is_full_turn,
            reach=edge_reach(prediction.camera),
        )
        points = points.masked_fill(jumps[..., None], torch.nan)
    if options.outlier_filter is not None:
        far = outlier_mask(points, std_ratio=options.outlier_filter)
        points = points.masked_fill(far[..., None], torch.nan)
    if options.cloud_frame == "published" and isinstance(prediction.camera, Equirectangular):
        points = optical_to_panda(points)
    elif options.cloud_frame == "opengl":
        points = optical_to_opengl(points)
    height, width = prediction.values.shape
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return points.cpu().numpy(), image


def _as_depth(prediction: Prediction) -> Tensor:
    """Depth; of affine-invariant values as if their shift were zero."""
    return replace(prediction, scale=ScaleKind.SCALE_INVARIANT).depth
