"""``pinhole_depth`` with the ground truth in place of a network: ``checkpoint`` is an array (.npy).

With the model ``ppd-tiny`` the truth stands in for both of its networks, and all that is around
them runs as usual. Run as a script by the tests.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
import torch.nn.functional as F

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind
from depth_perception.ros.nodes.depth_node import Loaded
from depth_perception.ros.nodes.pinhole import PinholeNode, model_options
from depth_perception.ros.nodes.runner import run
from depth_perception.ros.parameters.pinhole import PinholeSettings
from depth_perception.systems import PpdEstimator, PpdOptions, build_network, card
from depth_perception.systems.moge.estimator import focal_of
from depth_perception.systems.moge.network import MogeMaps, view_plane_uv
from depth_perception.systems.ppd.network import PixelPerfectDepth
from depth_perception.systems.ppd.semantics import semantics_of

CAMERA = Pinhole(72, 96, 78.0, 82.0, 51.3, 33.4)
SCALE, SHIFT = 1.7, 0.3  # ln(1 + depth) = SCALE * value + SHIFT


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


def truthful_ppd(path: str, options: PpdOptions) -> PpdEstimator:
    """Pixel-Perfect Depth whose networks know the depth, of images of ``CAMERA``."""
    truth = torch.from_numpy(np.load(path))[None, None]
    moge = build_network("moge-2-tiny")
    network = PixelPerfectDepth(build_network("ppd-tiny"), semantics_of(moge))

    def relative(images: torch.Tensor, *_args: object, **_options: object) -> torch.Tensor:
        return (F.interpolate(truth, images.shape[-2:]).log1p() - SHIFT) / SCALE

    def maps(images: torch.Tensor, *_args: object) -> MogeMaps:
        height, width = images.shape[-2:]
        depth = F.interpolate(truth, (height, width))[0, 0, ..., None]
        rays = view_plane_uv(height, width) / focal_of(CAMERA.resize(height, width))
        points = torch.cat((rays * depth, depth), -1) / 2
        return MogeMaps(points[None], None, torch.ones(1, height, width), torch.tensor([2.0]))

    network.forward, moge.forward = relative, maps
    return PpdEstimator(card("ppd-tiny"), network, moge, options=options)


class TruthNode(PinholeNode):
    """The node around it."""

    def load(self, settings: PinholeSettings) -> Loaded:
        self._estimator = Truth(settings.checkpoint)
        if settings.model == "ppd-tiny":
            options = PpdOptions(**model_options(settings))
            self._estimator = truthful_ppd(settings.checkpoint, options)
        return Loaded("truth", "cpu", settings.precision)


if __name__ == "__main__":
    sys.exit(run(TruthNode))
