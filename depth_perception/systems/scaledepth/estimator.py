"""The estimator of ScaleDepth: windows, scale of the scene, and reference focal length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...geometry import Camera, Pinhole
from ...layers import resize_map
from ...prediction import Prediction, Scene
from ..estimator import Estimator
from .config import MIN_SCALE_M, SCENE_CLASSES
from .network import ScaleDepth
from .options import ScaleDepthOptions
from .windows import SceneDepth, scaledepth_input, scene_depth


class ScaleDepthEstimator(Estimator):
    """Metric z-depth by ScaleDepth; predictions carry their :class:`Scene`.

    Images whose network input has a side below 32 pixels are rejected, and so is
    ``reference_focal_px`` above 0 without a camera.
    """

    network: ScaleDepth
    options: ScaleDepthOptions

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        return tuple(self._predict(*pair) for pair in zip(images, cameras, strict=True))

    def _predict(self, pixels: Tensor, camera: Camera | None) -> Prediction:
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
                windows=self.options.grid,
                flip=self.options.flip,
                head_size=self.options.head_size,
            )
            depth = result.depth_m * factor
            if self.options.output_size == "input":
                output, aligned = (camera.height, camera.width), self.options.align_corners
                depth = resize_map(depth, output, circular=False, align_corners=aligned)
            else:
                camera = camera.resize(*size)
        values = depth[0, 0].clone()  # a tensor that autograd and in-place operations accept
        valid = torch.ones_like(values, dtype=torch.bool)
        return self._predicted(values, valid, camera, scene=_scene(result, factor))


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
