"""``pinhole_depth`` with the ground truth in place of a network: ``checkpoint`` is an array (.npy).

Run as a script by the tests.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind
from depth_perception.ros.base_node import Loaded
from depth_perception.ros.pinhole import PinholeNode
from depth_perception.ros.pinhole_settings import PinholeSettings
from depth_perception.ros.runner import run


class Truth:
    """An estimator that answers with one z-depth map (H, W), whatever it is shown."""

    device = torch.device("cpu")

    def __init__(self, path: str) -> None:
        self.depth = torch.from_numpy(np.load(path))

    def __call__(self, image: torch.Tensor, camera: Pinhole) -> Prediction:
        return Prediction(
            values=self.depth,
            valid=torch.ones_like(self.depth, dtype=torch.bool),
            camera=camera.resize(*self.depth.shape),
            kind=DepthKind.Z,
            space=DepthSpace.DEPTH,
            scale=ScaleKind.METRIC,
        )


class TruthNode(PinholeNode):
    """The node around it."""

    def load(self, settings: PinholeSettings) -> Loaded:
        self._estimator = Truth(settings.checkpoint)
        return Loaded("truth", "cpu", settings.precision)


if __name__ == "__main__":
    sys.exit(run(TruthNode))
