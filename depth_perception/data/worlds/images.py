"""Square images as textures: synthetic ones, and photographs of a folder.

Materials name a group of images and a number that picks one, so that a world does not depend on
the images at hand.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from . import tracer
from .textures import GROUPS

SIDE = 256
VARIANTS = 3
FOLDER_VARIABLE = "DEPTH_PERCEPTION_TEXTURES"
_WORDS = {  # of file names
    "plaster": ("plaster", "felt", "ceramic", "wall", "concrete"), "wood": ("wood", "panel"),
    "stone": ("stone", "marble", "clay", "concrete"), "tile": ("tile",), "brick": ("brick",),
    "ground": ("dirt", "ground", "gravel", "asphalt", "clay", "soil"), "grass": ("grass", "lawn"),
    "cloth": ("felt", "fabric", "cloth", "carpet"), "leaf": ("leaf", "leaves", "foliage"),
    "metal": ("metal", "steel", "brass"),
}  # fmt: skip


@dataclass(frozen=True)
class Images:
    """Images of all groups with their smaller levels.

    Attributes:
        texels: (T,) float32, levels of ``SIDE``, half of it, ... 1: each (images, side, side, 3),
            linear RGB.
        means: (images, 3) mean colours.
        first, count: (groups,) int64, where a group begins and how many images it has.
    """

    texels: Tensor
    means: Tensor
    first: Tensor
    count: Tensor

    def paint(self, wanted: Tensor, place: Tensor, tint: Tensor, own: Tensor) -> Tensor:
        """Colours (M, 3).

        Args:
            wanted: (M,) group index plus a number below 1.
            place: (3, M) position along both sides and footprint, in widths of the image.
            tint: (M, 3) mean colour. own: (M, 1) share of the colour of the image itself.
        """
        group = wanted.long().clamp(0, len(GROUPS) - 1)
        image = self.first[group] + ((wanted - group) * self.count[group]).long()
        colour = tracer.sample(self.texels, len(self.means), SIDE, image, place)
        mean = self.means[image]
        return colour * (own + (1 - own) * tint / mean.clamp_min(0.02))


def load_images(folder: str | Path | None = None) -> Images:
    """The synthetic images, and instead of those the photographs of a folder where it has some.

    Args:
        folder: PNG and JPEG files whose names tell their group (``white-bricks.png``). None
            takes ``$DEPTH_PERCEPTION_TEXTURES`` if it is set.

    Raises:
        FileNotFoundError: the folder has no image with such a name.
    """
    folder = folder or os.environ.get(FOLDER_VARIABLE)
    return _load(str(folder) if folder else None)


@lru_cache(maxsize=2)
def _load(folder: str | None) -> Images:
    groups = {name: [] for name in GROUPS}
    if folder is not None:
        for path in sorted(Path(folder).glob("*")):
            matching = [g for g, words in _WORDS.items() if any(w in path.stem for w in words)]
            if path.suffix.lower() in (".png", ".jpg", ".jpeg") and matching:
                photo = _photograph(path)
                for name in matching:
                    groups[name].append(photo)
        if not any(groups.values()):
            raise FileNotFoundError(
                f"{folder} has no PNG or JPEG whose name has one of the words "
                f"{', '.join(sorted({w for words in _WORDS.values() for w in words}))}"
            )
    for number, name in enumerate(GROUPS):
        drawn = VARIANTS if not groups[name] else 1
        groups[name] += [_synthetic(name, np.random.default_rng([number, k])) for k in range(drawn)]
    counts = torch.tensor([len(images) for images in groups.values()])
    level = np.concatenate([np.stack(images) for images in groups.values()]).astype(np.float32)
    means, levels = torch.from_numpy(level.mean(axis=(1, 2))), []
    while True:
        levels.append(level.reshape(-1))
        if level.shape[1] == 1:
            break
        level = (level[:, ::2] + level[:, 1::2])[:, :, ::2] / 4 + (level[:, ::2] + level[:, 1::2])[
            :, :, 1::2
        ] / 4
    return Images(
        torch.from_numpy(np.concatenate(levels)), means, counts.cumsum(0) - counts, counts
    )


def _photograph(path: Path) -> np.ndarray:
    """(SIDE, SIDE, 3) linear RGB."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"cannot read the texture {path}")
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., ::-1]
    return (image.astype(np.float32) / 255) ** 2.2


def _synthetic(group: str, rng: np.random.Generator) -> np.ndarray:
    """(SIDE, SIDE, 3) linear RGB about grey, without a seam."""
    image = np.ones((SIDE, SIDE, 3)) * 0.35
    tint = 1 + rng.normal(0, 0.06, 3)

    def add(strength: float, power: float, stretch: float = 1.0, colour: float = 0.08) -> None:
        nonlocal image
        grey = _fractal(rng, power, stretch)[..., None]
        hues = np.stack([_fractal(rng, power, stretch) for _ in range(3)], -1)
        image = image * np.exp(strength * (grey + colour * hues))

    if group in ("tile", "brick", "stone"):
        rows = int(rng.integers(4, 14)) if group != "stone" else int(rng.integers(2, 6))
        columns = max(1, rows // (3 if group == "brick" else int(rng.integers(1, 3))))
        shift = 0.5 if group == "brick" else rng.choice((0.0, 0.5))
        image = image * _courses(rng, rows, columns, shift)
        add(0.12, 1.2)
        add(0.1, 0.3)
    elif group == "wood":
        boards = int(rng.integers(1, 8))
        add(0.25, 1.1, 12.0)
        add(0.12, 0.4, 30.0)
        rows = np.arange(SIDE) * boards // SIDE
        image = image * np.exp(rng.normal(0, 0.25, boards))[rows][:, None, None]
        offsets = rng.integers(0, SIDE, boards)
        image = np.stack(
            [np.roll(line, offsets[row], 0) for line, row in zip(image, rows, strict=True)]
        )
        joint = np.abs(np.arange(SIDE) * boards / SIDE % 1 - 0.5) > 0.5 - 0.5 * boards / SIDE
        image[joint] *= 0.45
    elif group in ("grass", "leaf", "ground"):
        base = {"grass": (0.5, 0.65, 0.25), "leaf": (0.4, 0.6, 0.2), "ground": (0.55, 0.48, 0.4)}
        image = image * np.array(base[group]) * 2
        add(rng.uniform(0.2, 0.5), 1.3, colour=0.1)
        add(rng.uniform(0.25, 0.5), 0.35, rng.choice((1.0, 0.3)), 0.1)
        if group != "grass":
            cells = _cells(rng, int(rng.integers(60, 700)))
            image = image * np.exp(rng.uniform(0.2, 0.6) * cells)[..., None]
    elif group == "cloth":
        ys, xs = np.mgrid[:SIDE, :SIDE] * 2 * np.pi / SIDE
        count = int(rng.integers(8, 60))
        weave = np.sin(count * xs) * np.sin(count * ys)
        image = image * np.exp(rng.uniform(0.05, 0.25) * weave)[..., None]
        if rng.random() < 0.6:
            bands = rng.normal(0, 0.4, (int(rng.integers(2, 9)), 3))
            image = image * np.exp(bands[np.arange(SIDE) * len(bands) // SIDE])[None]
        add(0.15, 0.3)
        add(0.15, 1.4)
    else:
        add(rng.uniform(0.05, 0.3), 1.5)
        add(rng.uniform(0.02, 0.12), rng.uniform(0.1, 0.6), 20.0 if group == "metal" else 1.0)
        if rng.random() < 0.4:
            stains = np.clip(_fractal(rng, 1.4) - 0.8, 0, None)
            image = image * np.exp(-rng.uniform(0.2, 0.8) * stains)[..., None]
    return np.clip(image * tint, 0.01, 1)


def _fractal(rng: np.random.Generator, power: float, stretch: float = 1.0) -> np.ndarray:
    """(SIDE, SIDE) noise of unit variance whose amplitude falls with frequency to ``power``."""
    y, x = np.fft.fftfreq(SIDE)[:, None] * SIDE, np.fft.rfftfreq(SIDE)[None] * SIDE
    size = np.hypot(y, x * stretch)
    size[0, 0] = np.inf
    waves = np.exp(2j * np.pi * rng.random(size.shape)) * size ** -(power + 0.5)
    noise = np.fft.irfft2(waves, s=(SIDE, SIDE))
    return noise / noise.std()


def _courses(rng: np.random.Generator, rows: int, columns: int, shift: float) -> np.ndarray:
    """(SIDE, SIDE, 3) tiles of different brightness with joints."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    row = (y * rows).astype(int)
    place = x * columns + shift * (row % 2)
    column = place.astype(int) % columns
    tints = np.exp(rng.normal(0, rng.uniform(0.03, 0.2), (rows, columns, 1)))
    tints = tints * np.exp(rng.normal(0, 0.04, (rows, columns, 3)))
    edge = np.minimum(
        np.minimum(place % 1, 1 - place % 1) / columns,
        np.minimum(y * rows % 1, 1 - y * rows % 1) / rows,
    )
    joint = np.clip(edge * SIDE / rng.uniform(1.0, 2.5), 0, 1)[..., None]
    return joint * tints[row, column] + (1 - joint) * rng.uniform(0.4, 1.4)


def _cells(rng: np.random.Generator, count: int) -> np.ndarray:
    """(SIDE, SIDE) random patches of unit variance, darker at their borders."""
    points = rng.random((count, 2)) * SIDE
    marks = np.full((SIDE, SIDE), 255, np.uint8)
    marks[tuple(points.astype(int).T)] = 0
    tiled = np.tile(marks, (3, 3))
    far, labels = cv2.distanceTransformWithLabels(
        tiled, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = rng.normal(0, 1, labels.max() + 1)[labels] - far / far.std()
    values = values[SIDE : 2 * SIDE, SIDE : 2 * SIDE]
    return (values - values.mean()) / values.std()
