"""Writing synthetic worlds as a data set in the layout of Cityscapes-DVPS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..geometry import Pinhole
from ..segment_classes import CITYSCAPES
from .dvps import DEPTH, DEPTH_PER_METRE, IMAGE, SEGMENTS, write_index
from .files import write_samples
from .panoptic import CITYSCAPES_THINGS, VOID_CLASS, PanopticFrame
from .worlds import CLASSES, Frame, World, make_world, render, sensor_effects

FRAMES_PER_SEQUENCE = 6
FARTHEST_M = 80.0
_MOST_OBJECTS = 999
_NUMBER = {entry.name: number for number, entry in enumerate(CITYSCAPES)}
_OF_WORLD = torch.full((1 + max(entry.id for entry in CLASSES),), VOID_CLASS, dtype=torch.uint8)
for _entry in CLASSES:
    _OF_WORLD[_entry.id] = _NUMBER.get(_entry.name, VOID_CLASS)


def panoptic_world_frames(frames: Sequence[Frame], name: str) -> list[PanopticFrame]:
    """Frames of one world with the classes of Cityscapes; other classes have no label.

    Objects have numbers from 1 in their class, the same in all frames. Depth beyond 80 m and of the
    sky is unknown.

    Raises:
        ValueError: more than 999 objects of a class.
    """
    classes = [_OF_WORLD[frame.classes.cpu()] for frame in frames]
    instances = [torch.zeros_like(frame.instances.cpu(), dtype=torch.int32) for frame in frames]
    for thing in CITYSCAPES_THINGS:
        masks = [of_frame == thing for of_frame in classes]
        ids = [f.instances.cpu()[mask] for f, mask in zip(frames, masks, strict=True)]
        present = torch.unique(torch.cat(ids))
        if len(present) > _MOST_OBJECTS:
            raise ValueError(f"{name} has {len(present)} objects of class {thing}: too many")
        for numbers, mask, found in zip(instances, masks, ids, strict=True):
            numbers[mask] = (torch.searchsorted(present, found) + 1).int()
    found = []
    for number, (frame, *maps) in enumerate(zip(frames, classes, instances, strict=True)):
        rgb, z_m = frame.rgb.cpu().permute(2, 0, 1).contiguous(), frame.z_m.cpu()
        depth_m = torch.where((z_m > 0) & (z_m <= FARTHEST_M), z_m, 0).float()
        focal_px = frame.camera.fx if isinstance(frame.camera, Pinhole) else None
        found.append(PanopticFrame(rgb, *maps, depth_m, f"{name}_{number}", focal_px=focal_px))
    return found


def walk_through(
    world: World,
    camera: Pinhole,
    frames: int = FRAMES_PER_SEQUENCE,
    *,
    step_m: float = 0.5,
    start: float = 0.0,
    shadows: bool = True,
    antialias: bool = True,
    sensor: float = 0.0,
) -> list[PanopticFrame]:
    """Successive frames along the path of a world.

    Args:
        step_m: distance between two frames. start: position of the first, as a share of the path.
        sensor: strength of noise and blur, see
            :func:`~depth_perception.data.worlds.sensor.sensor_effects`.
    """
    seen = []
    for number in range(frames):
        pose = world.pose(start * world.path_length_m + number * step_m)
        frame = render(world, camera, pose, shadows=shadows, antialias=antialias)
        if sensor > 0:
            rgb = sensor_effects(frame.rgb.cpu(), (world.seed, 8, number), sensor)
            frame = replace(frame, rgb=rgb)
        seen.append(frame)
    return panoptic_world_frames(seen, f"world{world.seed:06d}")


def write_cityscapes_dvps(
    root: str | Path, split: str, sequences: Iterable[Sequence[PanopticFrame]]
) -> int:
    """Write videos and their list; returns the number of frames.

    Args:
        root: the folder ``video_sequence``, see :mod:`depth_perception.data.dvps`.
        sequences: frames of each video, in order.

    Raises:
        ValueError: an object has a number above 999, or there are no frames.
    """
    folder, count = Path(root) / split, 0
    for sequence, frames in enumerate(sequences):
        for number, frame in enumerate(frames):
            if int(frame.instances.max()) > _MOST_OBJECTS:
                raise ValueError(f"{frame.name}: object numbers must not pass {_MOST_OBJECTS}")
            prefix = f"{sequence:06d}_{number:06d}_world_{sequence:06d}_{number:06d}_"
            write_samples(folder / (prefix + IMAGE), frame.rgb.permute(1, 2, 0).numpy())
            write_samples(folder / (prefix + SEGMENTS), frame.segments().numpy().astype(np.uint16))
            steps = (frame.depth_m * DEPTH_PER_METRE).round().clamp(0, 65535)
            write_samples(folder / (prefix + DEPTH), steps.numpy().astype(np.uint16))
            count += 1
    if not count:
        raise ValueError("there are no frames to write")
    write_index(root, split)
    return count


def street_sequences(
    seeds: Iterable[int],
    camera: Pinhole,
    frames: int = FRAMES_PER_SEQUENCE,
    *,
    step_m: float = 0.5,
    sensor: float = 0.0,
) -> Iterator[list[PanopticFrame]]:
    """A video of the street of each seed, see :func:`walk_through`."""
    for seed in seeds:
        world = make_world("street", seed)
        yield walk_through(world, camera, frames, step_m=step_m, sensor=sensor)
