"""The files of one picture or frame: picture, raw depth, cloud, segments and their distances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ...geometry import Equirectangular, edge_mask
from ...geometry.frames import optical_to_opengl, optical_to_panda
from ...geometry.outliers import outlier_mask
from ...io.colormaps import DEFAULT_COLORMAP, depth_picture
from ...io.depth_files import write_depth
from ...io.images import write_image
from ...io.instance_files import write_instances, write_segments
from ...io.ply import write_ply
from ...io.segment_colours import Colour, overlay, segment_palette
from ...io.side_by_side import side_by_side
from ...prediction import Prediction, ScaleKind
from .options import InferOptions

Limits = tuple[float, float]
PICTURE_ENDING = ".png"
CLOUD_ENDING = ".ply"
INSTANCES_ENDING = "_instances.json"
_SEGMENTS = "_segments"
_OPACITY = 0.6
_RAW_SUFFIX = {"npy": ".npy", "png16": ".png", "exr": ".exr"}


def endings(
    options: InferOptions, scale: ScaleKind, *, picture: bool = True, segments: bool = False
) -> tuple[str, ...]:
    """What is appended to the name of an input for each of its files.

    Raw files are called ``_depth`` where their numbers are depths, up to a factor at most, and
    ``_values`` where they are what the network says in its own space. With ``segments`` there are
    those of a panoptic model besides; EXR holds none.
    """
    noun = "values" if scale is ScaleKind.AFFINE_INVARIANT else "depth"
    raw = [f"_{noun}{_RAW_SUFFIX[name]}" for name in dict.fromkeys(options.raw)]
    pictures = [PICTURE_ENDING] if picture else []
    found = []
    if segments:
        formats = [name for name in dict.fromkeys(options.raw) if name != "exr"]
        found = [INSTANCES_ENDING, *(f"{_SEGMENTS}{_RAW_SUFFIX[name]}" for name in formats)]
    return (*pictures, *raw, *([CLOUD_ENDING] if options.save_cloud else []), *found)


def withheld(options: InferOptions, scale: ScaleKind) -> tuple[str, ...]:
    """Which of these endings would claim metres, or a straight cloud, that there are not."""
    wrong = []
    if "png16" in options.raw and scale is not ScaleKind.METRIC:
        wrong += [e for e in endings(options, scale) if e.endswith(_RAW_SUFFIX["png16"])]
        wrong.remove(PICTURE_ENDING)
    if scale is ScaleKind.AFFINE_INVARIANT and not options.allow_bent_cloud:
        wrong += [CLOUD_ENDING] * options.save_cloud
    return tuple(wrong)


def limit_range(prediction: Prediction, max_range: float | None) -> Prediction:
    """The prediction with everything farther than ``max_range`` made invalid."""
    if max_range is None:
        return prediction
    near = _as_depth(prediction) <= max_range
    return replace(prediction, valid=prediction.valid & near)


def raw_depth(prediction: Prediction) -> np.ndarray:
    """(H, W) float32 depth, or values where there is no depth; NaN where not valid."""
    affine = prediction.scale is ScaleKind.AFFINE_INVARIANT
    numbers = prediction.values if affine else prediction.depth
    numbers = torch.where(prediction.valid, numbers, torch.full_like(numbers, torch.nan))
    return numbers.cpu().numpy()


def picture_of(
    prediction: Prediction,
    image: np.ndarray,
    options: InferOptions,
    limits: Limits | None,
    colours: Sequence[Colour] = (),
) -> np.ndarray:
    """The depth as an RGB picture, beside the input unless ``--pred-only``.

    Segments come between them as colours over the input; ``colours`` are those of the classes.
    """
    depth = depth_picture(
        prediction.values.cpu().numpy(),
        prediction.valid.cpu().numpy(),
        limits=limits,
        colormap=None if options.grayscale else DEFAULT_COLORMAP,
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
    """Points (H, W, 3) float32, NaN where there is none, and their colours (H, W, 3) uint8 RGB."""
    points = prediction.points(allow_affine=options.allow_bent_cloud)
    if options.edge_filter is not None:
        wraps = prediction.camera.is_full_turn
        jumps = edge_mask(_as_depth(prediction), options.edge_filter, prediction.valid, wraps=wraps)
        points = torch.where(jumps[..., None], torch.full_like(points, torch.nan), points)
    if options.outlier_filter is not None:
        far = outlier_mask(points, std_ratio=options.outlier_filter)
        points = torch.where(far[..., None], torch.full_like(points, torch.nan), points)
    panorama = isinstance(prediction.camera, Equirectangular)
    if options.cloud_frame == "published" and panorama:
        points = optical_to_panda(points)
    elif options.cloud_frame == "opengl":
        points = optical_to_opengl(points)
    height, width = prediction.values.shape
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return points.cpu().numpy(), image


def write_results(
    files: Iterable[tuple[str, Path]],
    image: np.ndarray,
    prediction: Prediction,
    options: InferOptions,
    limits: Limits | None = None,
    colours: Sequence[Colour] = (),
) -> None:
    """Write the files of one input, pairs of an ending (see :func:`endings`) and a path."""
    for ending, path in files:
        if ending == PICTURE_ENDING:
            write_image(path, picture_of(prediction, image, options, limits, colours))
        elif ending == INSTANCES_ENDING:
            write_instances(path, prediction)
        elif ending.startswith(_SEGMENTS):
            write_segments(path, prediction)
        elif ending == CLOUD_ENDING:
            write_ply(path, *cloud_of(prediction, image, options))
        else:
            write_depth(path, raw_depth(prediction))


def _as_depth(prediction: Prediction) -> Tensor:
    """Depth, of affine-invariant values as if their shift were zero."""
    return replace(prediction, scale=ScaleKind.SCALE_INVARIANT).depth
