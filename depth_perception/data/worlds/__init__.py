"""Synthetic worlds with exact ground truth."""

from ..world_options import BagNames, FolderOptions, Look, Walk
from .bag import write_bag
from .classes import CLASSES, WorldClass
from .folder import Sample, WorldFolder, samples, write_folder
from .looks import sensor_effects, with_look
from .make import FINE_KINDS, KINDS, make_world
from .render import Frame, render
from .world import World, camera_pose

__all__ = [
    "CLASSES", "FINE_KINDS", "KINDS", "BagNames", "FolderOptions", "Frame", "Look", "Sample",
    "Walk", "World", "WorldClass", "WorldFolder", "camera_pose", "make_world", "render",
    "samples", "sensor_effects", "with_look", "write_bag", "write_folder",
]  # fmt: skip
