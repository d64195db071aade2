"""Synthetic worlds with exact ground truth."""

from .classes import CLASSES, WorldClass
from .make import KINDS, make_world
from .render import Frame, render
from .world import World, camera_pose

__all__ = ["CLASSES", "KINDS", "Frame", "World", "WorldClass", "camera_pose", "make_world", "render"]
