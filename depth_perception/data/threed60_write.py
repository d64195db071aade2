"""Writing a data set in the layout of 3D60."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from ..io.exr import write_exr
from .files import write_lines, write_rgb
from .threed60 import Placement, View


def write_threed60(
    root: str | Path,
    places: Iterable[tuple[View, View, View]],
    *,
    collection: str = "Matterport3D",
    stem: str = "place",
    listing: str = "split.txt",
) -> Path:
    """Write places and a list of nine columns, and beside it one of two for the centre views.

    Args:
        root: folder of the data set.
        places: the views centre, right and up. Missing normals are written as zeros.
        collection: folder of the files, for example ``Stanford2D3D/area3``.
        stem: prefix of file names.
        listing: name of the list; the second list has the prefix ``omni_``.

    Returns:
        the list of nine columns.
    """
    root = Path(root)
    lines, centres = [], []
    for number, views in enumerate(places):
        rows: dict[str, list[str]] = {"color": [], "depth": [], "normal": []}
        for placement, view in zip(Placement, views, strict=True):
            for what, suffix in (("color", "png"), ("depth", "exr"), ("normal", "exr")):
                name = f"{stem}{number}_{what}_0_{placement.value}_0.0.{suffix}"
                rows[what].append(f"./{collection}/{name}")
            _write_view(root, view, *(rows[what][-1] for what in rows))
        lines.append(" ".join(path for paths in rows.values() for path in paths))
        centres.append(f"{rows['color'][0]} {rows['depth'][0]}")
    for name, content in ((f"omni_{listing}", centres), (listing, lines)):
        write_lines(root / name, content)
    return root / listing


def _write_view(root: Path, view: View, color: str, depth: str, normal: str) -> None:
    write_rgb(root / color, view.rgb)
    range_m = view.range_m.float().cpu().numpy()
    write_exr(root / depth, dict.fromkeys("RGB", range_m))
    normals = torch.zeros(3, *range_m.shape) if view.normals is None else view.normals
    write_exr(root / normal, dict(zip("RGB", normals.float().cpu().numpy(), strict=True)))
