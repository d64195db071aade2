"""Rays, cameras and spheres: pure tensor mathematics that knows no model and no ROS."""

from .camera import Camera, pixel_centres
from .depth_kind import DepthKind
from .equirectangular import Equirectangular
from .pinhole import Pinhole

__all__ = ["Camera", "DepthKind", "Equirectangular", "Pinhole", "pixel_centres"]
