"""Frames of synthetic worlds with labels as training batches: panoramas and pinhole images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from ...data.labelled_worlds import LabelledFrame, LabelledWorlds
from ...geometry import Camera, Equirectangular, Pinhole
from ...segment_classes import PanopticClass
from ...systems.panolite.config import STRIDE
from ...systems.panolite.panoptic_estimator import latitude_plane
from ..stream import Draw, HeldOut, StepBatch, seed_of
from .augment import AugmentRecipe, mounting, photographed
from .frames import SizePhase, thin_and_near
from .thing_targets import ThingTargets, thing_targets


@dataclass(frozen=True)
class PanopticDataRecipe:
    """Training and validation frames, from ``depth-perception worlds folder --labels``.

    Attributes:
        roots: folders of panoramas. pinhole_roots: of pinhole images of one aspect ratio.
        val_roots, pinhole_val_roots: others, with seeds of their own; none: no validation.
        pinhole: share of the batches that hold pinhole images, if there are both.
        zoom: least part of the sides of a pinhole image that is used; the rest is cut off.
        sizes: resolution over the run, rows of panoramas and of pinhole images. Validation uses the
            last height of the last phase.
        max_depth_m: validation ignores ground truth beyond it.
    """

    roots: tuple[str, ...] = ()
    pinhole_roots: tuple[str, ...] = ()
    val_roots: tuple[str, ...] = ()
    pinhole_val_roots: tuple[str, ...] = ()
    pinhole: float = 0.5
    zoom: float = 0.5
    sizes: tuple[SizePhase, ...] = (SizePhase(0.0, (256,)),)
    max_depth_m: float = 20.0

    def __post_init__(self) -> None:
        starts = [phase.start for phase in self.sizes]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError(f"sizes must start at 0 and then rise, got starts {starts}")
        if not self.roots and not self.pinhole_roots:
            raise ValueError("give roots, pinhole_roots or both")
        if not 0 <= self.pinhole <= 1:
            raise ValueError(f"pinhole must lie in [0, 1], got {self.pinhole}")
        if not 0 < self.zoom <= 1:
            raise ValueError(f"zoom must lie in (0, 1], got {self.zoom}")

    @property
    def final_height(self) -> int:
        """Rows of the network input at the end."""
        return self.sizes[-1].heights[-1]


@dataclass(frozen=True)
class PanopticBatch(StepBatch):
    """Network input and ground truth, of panoramas or of pinhole images.

    Attributes:
        images: (B, 3, H, W) float32 RGB in [0, 1], of pinhole images (B, 4, H, W) with the
            latitude.
        range_m: (B, 1, H, W) float32, metres along the ray, 0 without a measurable surface.
        thin: (B, 1, H, W) bool, see :func:`.frames.thin_and_near`.
        height_m: (B, 1, 1, 1) float32, height of the camera above the ground.
        rays: (B, 3, H, W) float32 directions of pinhole images; (B, 0) of panoramas.
        labels: (B, H, W) uint8 number of the class, then no segment; ``UNKNOWN`` where unknown.
        instances: (B, H, W) int64 number of the thing in its image, from 1; 0 for none.
        centre, offset, weight: see :class:`ThingTargets`, each (B, ., H, W).
        small: (B, 1, H, W) bool, pixels of small things.
    """

    images: Tensor
    range_m: Tensor
    thin: Tensor
    height_m: Tensor
    rays: Tensor
    labels: Tensor
    instances: Tensor
    centre: Tensor
    offset: Tensor
    weight: Tensor
    small: Tensor

    @property
    def is_pinhole(self) -> bool:
        """Whether these are pinhole images."""
        return self.rays.ndim == 4


class PanopticData:
    """Batches of augmented frames, and validation frames as they are."""

    def __init__(
        self,
        data: PanopticDataRecipe,
        changes: AugmentRecipe,
        classes: Sequence[PanopticClass],
        seed: int,
        val_frames: int,
    ) -> None:
        def opened(roots: Sequence[str], kind: type[Camera]) -> list[LabelledWorlds]:
            return [LabelledWorlds(roots, classes, kind)] if roots else []

        self._panoramas = opened(data.roots, Equirectangular)
        self._pinholes = opened(data.pinhole_roots, Pinhole)
        self._data, self._changes, self._seed = data, changes, seed
        self._things = np.array(
            [entry.is_thing for entry in classes] + [False] * (256 - len(classes))
        )
        self._nothing = len(classes)
        unseen = opened(data.val_roots, Equirectangular) + opened(data.pinhole_val_roots, Pinhole)
        self._unseen = [(part, index) for part in unseen for index in range(len(part))]
        self.held_out = HeldOut(self._unseen or None, val_frames, self._validation)

    def __len__(self) -> int:
        return sum(map(len, self._panoramas + self._pinholes))

    def batch(self, draw: Draw) -> PanopticBatch:
        """The batch of a step, at a resolution of its phase."""
        phase = [p for p in self._data.sizes if p.start <= draw.progress][-1]
        height = phase.heights[seed_of(self._seed, 4, draw.step) // 2**20 % len(phase.heights)]
        chance = seed_of(self._seed, 5, draw.step) // 2**20 % 1000 / 1000
        is_pinhole = not self._panoramas or (bool(self._pinholes) and chance < self._data.pinhole)
        (worlds,) = self._pinholes if is_pinhole else self._panoramas
        rows = []
        for item, generator in zip(draw.items, draw.generators, strict=True):
            rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
            frame = worlds[item % len(worlds)]
            frame = self._cut(frame, rng) if is_pinhole else self._mounted(frame, rng)
            rows.append(self._row(frame, height, worlds.ratio, rng))
        return _batch(rows, draw.step)

    def _mounted(self, frame: LabelledFrame, rng: np.random.Generator) -> LabelledFrame:
        change = mounting(*frame.range_m.shape, self._changes, rng)
        maps = {name: change(getattr(frame, name)) for name in ("range_m", "labels", "instances")}
        return replace(frame, rgb=change(frame.rgb, "bilinear"), **maps)

    def _cut(self, frame: LabelledFrame, rng: np.random.Generator) -> LabelledFrame:
        """A part of a pinhole image, mirrored by half a chance."""
        height, width = frame.range_m.shape
        share = rng.uniform(self._data.zoom, 1.0)
        rows, columns = max(1, round(share * height)), max(1, round(share * width))
        top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
        camera, mirror = frame.camera.crop(top, left, rows, columns), rng.random() < 0.5
        if mirror:
            camera = replace(camera, cx=columns - camera.cx)
        window = (..., slice(top, top + rows), slice(left, left + columns))
        maps = {}
        for name in ("rgb", "range_m", "labels", "instances"):
            values = getattr(frame, name)[window]
            maps[name] = values.flip(-1) if mirror else values
        return replace(frame, camera=camera, **maps)

    def _validation(self, place: tuple[LabelledWorlds, int], _: int) -> PanopticBatch:
        worlds, index = place
        return _batch([self._row(worlds[index], self._data.final_height, worlds.ratio)], 0)

    def _row(
        self,
        frame: LabelledFrame,
        height: int,
        ratio: float,
        rng: np.random.Generator | None = None,
    ) -> dict[str, np.ndarray | Tensor | float]:
        """The fields of a batch for one frame at ``height`` rows."""
        width = max(1, round(height * ratio / STRIDE)) * STRIDE
        kernel = cv2.INTER_AREA if len(frame.range_m) >= height else cv2.INTER_LINEAR
        picture = np.ascontiguousarray(frame.rgb.permute(1, 2, 0).numpy())
        picture = cv2.resize(picture, (width, height), interpolation=kernel)
        metres, labels, instances = (
            cv2.resize(
                np.ascontiguousarray(values), (width, height), interpolation=cv2.INTER_NEAREST
            )
            for values in (
                frame.range_m.numpy(),
                frame.labels.numpy(),
                frame.instances.numpy().astype(np.int32),
            )
        )
        is_pinhole = isinstance(frame.camera, Pinhole)
        if rng is not None:
            changes = replace(self._changes, cap=0.0, stitch=0.0) if is_pinhole else self._changes
            picture, free = photographed(picture, changes, rng)
            metres[~free], labels[~free], instances[~free] = 0, self._nothing, 0
        camera = frame.camera.resize(height, width)
        things = thing_targets(labels, instances, self._things, closed=not is_pinhole)
        degree_px = np.radians(1) * camera.fx if is_pinhole else None
        image = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
        if is_pinhole:
            image = torch.cat((image, latitude_plane(camera)[0]))
        rays = camera.rays().permute(2, 0, 1) if is_pinhole else torch.zeros(0)
        return {
            "images": image,
            "range_m": metres[None],
            "thin": thin_and_near(metres, degree_px)[None],
            "height_m": np.full((1, 1, 1), frame.camera_height_m, np.float32),
            "rays": rays,
            "labels": labels,
            **{name: getattr(things, name) for name in ThingTargets._fields},
        }


def _batch(rows: Sequence[dict], step: int) -> PanopticBatch:
    fields = {name: torch.stack([torch.as_tensor(row[name]) for row in rows]) for name in rows[0]}
    return PanopticBatch(**fields, step=step)
