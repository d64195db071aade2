"""Cameras, viewing rays, panoramas and rotations; independent of models and of ROS."""

from ..depth_space import DepthKind
from .camera import Camera, pixel_centres
from .edges import edge_mask, edge_reach
from .equirectangular import Equirectangular
from .mobius import Mobius
from .panels import Panel
from .pinhole import Pinhole
from .sampling import SamplingGrid

__all__ = [
    "Camera", "DepthKind", "Equirectangular", "Mobius", "Panel", "Pinhole", "SamplingGrid",
    "edge_mask", "edge_reach", "pixel_centres",
]  # fmt: skip
