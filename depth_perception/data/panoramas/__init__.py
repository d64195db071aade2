"""Data sets of panoramas for training and evaluation of PanDA (CVPR 2025), in their own layouts.

With range (:func:`open_panoramas`):

| name | class | files | unit |
|---|---|---|---|
| ``structured3d`` | :class:`Structured3D` | PNG, 16 bits | mm |
| ``deep360`` | :class:`Deep360` | NPZ, Cassini projection | m |
| ``matterport3d`` | :class:`Matterport3D` | PNG, 16 bits | 1/4000 m |
| ``stanford2d3d`` | :class:`Stanford2D3D` | PNG, 16 bits | 1/512 m |

Images only (:func:`open_pictures`), for pseudo labels: ``zind``, ``360x``, ``diverse360`` and
the images of ``worlds``.
"""

from .base import PanoramaFrame, Panoramas
from .pictures import Diverse360, Pictures, Views360x, WorldPictures, Zind
from .readers import Deep360, Matterport3D, Stanford2D3D, Structured3D
from .registry import (
    PANORAMAS,
    PICTURES,
    open_panoramas,
    open_pictures,
    write_panoramas,
    write_pictures,
)

__all__ = [
    "PANORAMAS", "PICTURES", "Deep360", "Diverse360", "Matterport3D", "PanoramaFrame", "Panoramas",
    "Pictures", "Stanford2D3D", "Structured3D", "Views360x", "WorldPictures", "Zind",
    "open_panoramas", "open_pictures", "write_panoramas", "write_pictures",
]  # fmt: skip
