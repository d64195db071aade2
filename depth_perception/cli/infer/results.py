"""The result files of one image or frame: depth image, numbers, cloud, segments, instances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...geometry import Equirectangular, edge_mask
from ...geometry.outliers import outlier_mask
from ...geometry.rotations import optical_to_opengl, optical_to_panda
from ...io.colormaps import PUBLISHED_COLORMAP, near_is_warm, render_depth
from ...io.depth_files import write_depth
from ...io.images import side_by_side, write_image
from ...io.instance_files import write_instances, write_segments
from ...io.ply import write_ply
from ...io.segment_colours import Colour, overlay, segment_palette
from ...prediction import Prediction, ScaleKind
from .options import InferOptions

Limits = tuple[float, float]
_OPACITY = 0.6
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
    """The depth as an RGB image, beside the input unless ``--pred-only``.

    Segments are drawn between them as colours over the input; ``colours`` are those of the classes.
    """
    is_warm = options.palette == "warm"
    colormap = near_is_warm(prediction.space) if is_warm else PUBLISHED_COLORMAP
    depth = render_depth(
        prediction.values.cpu().numpy(),
        prediction.valid.cpu().numpy(),
        limits=limits,
        colormap=None if options.grayscale else colormap,
    )
    shown = [] if options.pred_only else [image]
    if prediction.segments is not None:
        below = cv2.resize(image, depth.shape[1::-1], interpolation=cv2.INTER_AREA)
        palette = segment_palette(prediction.instances, colours)
        tinted = overlay(torch.from_numpy(below), prediction.segments.cpu(), palette, _OPACITY)
        shown.append(tinted.numpy())
    return side_by_side(*shown, depth)


def cloud_of(
    prediction: Prediction, image: np.ndarray, options: InferOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Points (H, W, 3) float32, NaN where unknown, and their colours (H, W, 3) uint8 RGB."""
    points = prediction.points(allow_affine=options.allow_bent_cloud)
    if options.edge_filter is not None:
        wraps = prediction.camera.is_full_turn
        jumps = edge_mask(_as_depth(prediction), options.edge_filter, prediction.valid, wraps=wraps)
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
