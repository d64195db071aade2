"""Contact sheets of worlds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

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

    Range is on a logarithmic scale: near is red, far is blue, unknown is black.

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
        range_m, limits = sample.range_m.numpy(), (NEAR_M, FAR_M)
        range_rgb = render_depth(range_m, limits=limits, logarithmic=True, unknown=(0, 0, 0))
        cells.append(np.concatenate([sample.rgb.numpy(), range_rgb, labels], 1))
    while len(cells) % columns:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    write_image(path, np.concatenate(rows, 0))
