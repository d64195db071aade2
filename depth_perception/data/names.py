"""Names of the data sets of the registry. Importing this module loads none of their readers."""

from __future__ import annotations

from ..options import nearest

DATA_SET_NAMES = (
    "structured3d", "deep360", "matterport3d", "stanford2d3d", "3d60", "zind", "360x",
    "diverse360", "worlds", "nyu", "nyu-folders", "kitti", "kitti-folders", "kitti-raw",
    "sunrgbd", "diode", "diode-indoor", "diode-outdoor", "ibims", "ddad", "vkitti2",
    "hypersim", "hypersim-json", "hypersim-list", "diml", "eth3d", "scannet", "urbansyn",
    "unrealstereo4k", "tartanair", "cityscapes", "cityscapes-dvps", "semkitti-dvps",
    "coco-panoptic",
)  # fmt: skip
"""In the order in which they are listed."""


def check_name(name: str) -> None:
    """Check that a data set is in the registry.

    Raises:
        KeyError: unknown name; the message suggests the most similar one.
    """
    if name not in DATA_SET_NAMES:
        hint = nearest(name, DATA_SET_NAMES, f"known: {', '.join(DATA_SET_NAMES)}")
        raise KeyError(f"no data set {name!r}; {hint}")
