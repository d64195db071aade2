"""What the student of PanDA learns from: frames with range, and pictures with pseudo labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ...data.panoramas import Pictures, open_pictures
from ...io.depth_files import read_depth
from ..stream import Draw
from . import frames
from .augment import AugmentRecipe, jitter
from .frames import Batch, RangeData, by_quantiles, normalise
from .panoramas import nearest, resized_picture


@dataclass(frozen=True)
class UnlabelledRecipe:
    """Pictures and their pseudo labels.

    Attributes:
        kind: layout of the pictures; of ``worlds`` the ranges are not read.
        root: their folder. listing: a list of the pictures, one in each line.
        labels: folder of the labels, float ``.npy`` in (0, 1], larger is farther, under the names
            of the pictures (``pano_`` becomes ``depth_``).
    """

    kind: Literal["zind", "360x", "diverse360", "worlds"]
    root: str
    labels: str
    listing: str | None = None


@dataclass(frozen=True)
class DataRecipe(frames.DataRecipe):
    """Frames with range as for the teacher, and pictures.

    Attributes:
        unlabelled: the pictures; an epoch shows each of them once.
        every: use only every so many-th picture, as the authors do.
    """

    unlabelled: tuple[UnlabelledRecipe, ...] = ()
    every: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.unlabelled:
            raise ValueError("unlabelled must name at least one folder of pictures")
        if self.every < 1:
            raise ValueError(f"every must be at least 1, got {self.every}")
        if self.target != "quantiles":
            raise ValueError("a student learns relative range: target must be quantiles")


@dataclass(frozen=True)
class StudentBatch(Batch):
    """A batch with range and as many pictures.

    Attributes:
        raw, strong: (B, 3, H, W) network input of the pictures, plain and with changed colours.
        pseudo, pseudo_mask: (B, 1, H, W) their labels in [0.01, 1], and where they count.
    """

    raw: Tensor
    strong: Tensor
    pseudo: Tensor
    pseudo_mask: Tensor


class LabelledPictures:
    """Pictures of several folders with their pseudo labels, read when they are asked for.

    Raises:
        OSError: pictures are missing.
    """

    def __init__(self, sources: Sequence[UnlabelledRecipe], every: int = 1) -> None:
        readers = [(open_pictures(s.kind, s.root, listing=s.listing), s) for s in sources]
        found = [
            (reader, index, Path(source.labels) / reader.label_name(index))
            for reader, source in readers
            for index in range(len(reader))
        ]
        self._items: list[tuple[Pictures, int, Path]] = found[::every]

    def __len__(self) -> int:
        return len(self._items)

    def label_path(self, item: int) -> Path:
        """Where the label of a picture is or shall be."""
        return self._items[item][2]

    def picture(self, item: int) -> Tensor:
        """(3, H, W) uint8."""
        reader, index, _ = self._items[item]
        return reader[index]

    def label(self, item: int) -> Tensor:
        """(H, W) float32 as the teacher says it, 0 where unknown; sky is as far as anything."""
        reader, index, path = self._items[item]
        label = torch.from_numpy(read_depth(path)).nan_to_num(0)
        sky = reader.sky(index)
        if sky is None:
            return label
        if sky.shape != label.shape:
            sky = sky[None, None].float()
            sky = torch.nn.functional.interpolate(sky, label.shape, mode="nearest")[0, 0] > 0
        return torch.where(sky, label.max(), label)

    def at(self, items: Iterable[int], height: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, 3, h, 2 h) in [0, 1], their labels (B, 1, h, 2 h), and where these count."""
        items = tuple(items)
        rgb = torch.stack([resized_picture(self.picture(item), height) for item in items])
        label = torch.stack([nearest(self.label(item), height)[None] for item in items])
        mask = (label > 0) & (label <= 1)
        return rgb, by_quantiles(label, mask), mask


class StudentData:
    """Training items are the pictures; each brings a random frame with range along.

    Args:
        labelled: frames with range, augmented as told there. colours: changes of the pictures.
    """

    def __init__(
        self,
        labelled: RangeData,
        pictures: LabelledPictures,
        data: DataRecipe,
        colours: AugmentRecipe,
    ) -> None:
        self._labelled, self._pictures = labelled, pictures
        self._data, self._colours = data, colours
        self.held_out = labelled.held_out

    def __len__(self) -> int:
        return len(self._pictures)

    def batch(self, draw: Draw) -> StudentBatch:
        """The batch of a step."""
        count = len(self._labelled)
        chosen = tuple(int(torch.randint(count, (), generator=g)) for g in draw.generators)
        known = self._labelled.batch(replace(draw, items=chosen))
        rgb, label, mask = self._pictures.at(draw.items, self._data.height(draw.progress))
        strong = torch.cat(
            [
                jitter(picture[None], self._colours, generator)
                for picture, generator in zip(rgb, draw.generators, strict=True)
            ]
        )
        return StudentBatch(
            known.images,
            known.target,
            known.mask,
            normalise(rgb),
            normalise(strong),
            label,
            mask,
            step=draw.step,
        )
