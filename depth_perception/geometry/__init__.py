"""Rays, cameras and spheres: pure tensor mathematics that knows no model and no ROS."""

from ..depth_space import DepthKind
from .camera import Camera, pixel_centres
from .edges import edge_mask
from .equirectangular import Equirectangular
from .mobius import Mobius, mobius_warp
from .panels import Panel, ring
from .pinhole import Pinhole
from .sampling import SamplingGrid, rotate_panorama

__all__ = [
    "Camera",
    "DepthKind",
    "Equirectangular",
    "Mobius",
    "Panel",
    "Pinhole",
    "SamplingGrid",
    "edge_mask",
    "mobius_warp",
    "pixel_centres",
    "ring",
    "rotate_panorama",
]
