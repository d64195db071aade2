"""The estimator of ScaleDepth: windows, the scale of the scene, and the focal length it expects."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...geometry import Camera, Pinhole
from ...networks import resize_map
from ...prediction import Prediction, Scene
from ..estimator import Estimator, EstimatorOptions
from .config import MIN_SCALE_M, SCENE_CLASSES
from .network import ScaleDepth
from .windows import SceneDepth, Windows, scaledepth_input, scene_depth


@dataclass(frozen=True)
class ScaleDepthOptions(EstimatorOptions):
    """How ScaleDepth runs.

    Attributes:
        windows: None runs on the whole image, :class:`Windows` on windows of the network input:
            finer, several times as slow. The authors evaluate the model of both data sets with
            ``flip=True, windows=Windows(scale="own")``.
        reference_focal_px: focal length, at the size of the network input, of the camera that the
            network was trained with (519.16 for NYU at 480 rows). Depth is then multiplied by the
            ratio of the real one to it: longer lenses make things look nearer. None takes that of
            the card, if there is one, where a camera is given; 0 leaves depth as it is.
        head_size: (height, width) through which depth of a whole image goes on its way to the size
            of the image. The authors' evaluation of KITTI crops the image but comes by its
            uncropped size; None does not.
    """

    windows: Windows | None = None
    reference_focal_px: float | None = None
    head_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reference_focal_px is not None and not 0 <= self.reference_focal_px < math.inf:
            raise ValueError(
                f"reference_focal_px must be finite and not negative, got {self.reference_focal_px}"
            )
        if self.head_size is not None and (self.windows or self.output_size == "network"):
            raise ValueError("head_size is for whole images brought back to their own size")


class ScaleDepthEstimator(Estimator):
    """Metric depth by ScaleDepth; predictions carry their :class:`Scene`."""

    _batches = False

    network: ScaleDepth
    options: ScaleDepthOptions

    def __call__(self, image: np.ndarray | Tensor, camera: Camera | None = None) -> Prediction:
        """As :meth:`Estimator.__call__`; metres of z-depth.

        Raises:
            ValueError: also for images of which the network would see less than 32 pixels a side,
                and where ``reference_focal_px`` is above 0 but no camera given.
        """
        pixels = self._to_device(image)
        factor, reference = 1.0, self.options.reference_focal_px
        if reference is None and camera is not None:
            reference = self.card.reference_focal_px
        if reference and camera is None:
            raise ValueError("reference_focal_px needs the camera of the image")
        camera = self._camera_of(camera, *pixels.shape[:2])
        size = self.input_size(camera)
        if reference and isinstance(camera, Pinhole):
            factor = camera.resize(*size).fx / reference
        with torch.inference_mode():
            result = scene_depth(
                self._forward,
                scaledepth_input(pixels, size),
                windows=self.options.windows,
                flip=self.options.flip,
                head_size=self.options.head_size,
            )
            depth = result.depth_m * factor
            if self.options.output_size == "input":
                depth = self._at(depth, (camera.height, camera.width))
            else:
                camera = camera.resize(*size)
        values = depth[0, 0].clone()  # a tensor that autograd and in-place operations accept
        return Prediction(
            values=values,
            valid=torch.ones_like(values, dtype=torch.bool),
            camera=camera,
            kind=self.card.kind,
            space=self.card.space,
            scale=self.card.scale,
            scene=_scene(result, factor),
        )

    def _at(self, depth: Tensor, size: tuple[int, int]) -> Tensor:
        return resize_map(depth, size, circular=False, align_corners=self.options.align_corners)


def _scene(result: SceneDepth, factor: float) -> Scene:
    scale = float(result.scale_m[0])
    probabilities: tuple[float, ...] = ()
    if result.class_probabilities is not None:
        probabilities = tuple(result.class_probabilities[0].tolist())
    return Scene(
        scale_m=scale * factor,
        is_at_floor=scale < MIN_SCALE_M * (1 + 1e-4),
        class_probabilities=probabilities,
        class_names=SCENE_CLASSES if len(probabilities) == len(SCENE_CLASSES) else (),
    )
