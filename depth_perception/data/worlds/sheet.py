"""Contact sheets of worlds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from ...geometry import Camera
from ...io.colormaps import render_depth
from ...io.images import write_image
from ..world_options import FolderOptions
from .classes import CLASSES
from .folder import samples

NEAR_M, FAR_M = 0.4, 40.0


def contact_sheet(
    path: str | Path,
    seeds: Sequence[int],
    camera: Camera,
    columns: int = 2,
    options: FolderOptions | None = None,
) -> None:
    """Write a PNG with image, range and classes of one place in each world.

    Args:
        path: PNG to write.
        seeds: of the worlds.
        camera: the grid of all images.
        columns: worlds per row.
        options: how they are rendered, see :func:`.folder.samples`.

    Raises:
        ValueError: no seeds, no columns, or an unsupported suffix.
    """
    if not seeds or columns < 1:
        raise ValueError(
            f"a sheet needs a world and a column, got {len(seeds)} worlds, {columns} columns"
        )
    cells, colours = [], np.zeros((256, 3), dtype=np.uint8)
    for entry in CLASSES:
        colours[entry.id] = entry.colour
    for seed in seeds:
        sample = next(samples(seed, camera, options or FolderOptions()))
        labels = colours[sample.classes.numpy()]
        images = [sample.rgb.numpy(), render_range(sample.range_m), labels]
        cells.append(np.concatenate(images, 1))
    while len(cells) % columns:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    write_image(path, np.concatenate(rows, 0))


def render_range(range_m: Tensor) -> np.ndarray:
    """(H, W, 3) uint8: near is red, far is blue on a logarithmic scale, unknown is black."""
    limits = (NEAR_M, FAR_M)
    return render_depth(range_m.numpy(), limits=limits, logarithmic=True, unknown=(0, 0, 0))
