"""The estimator of Depth Anything 3: metres by the focal length, and sky."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry import Camera, Pinhole
from ...prediction import Prediction
from ..estimator import Estimator
from .input import InputSteps, input_steps
from .network import Da3Maps, DepthAnything3
from .options import Da3Options
from .sky import filled, is_sky, resized

_CANONICAL_FOCAL_PX = 300.0


class Da3Estimator(Estimator):
    """z-depth by a monocular model of Depth Anything 3.

    The values of a metric model are metres: output times focal length / 300, with the mean focal
    length of the camera at the size of the network input. Without a camera the assumed one
    decides. Values in the sky are filled by :func:`~depth_perception.systems.da3.sky.filled`;
    whether they are valid is an option.
    """

    network: DepthAnything3
    options: Da3Options
    default_options = Da3Options

    def input_size(self, camera: Camera) -> tuple[int, int]:
        return self._steps(camera.height, camera.width).size

    def _steps(self, height: int, width: int) -> InputSteps:
        side = self.options.process_res or self.card.default_height
        return input_steps(height, width, side, self.options.process_res_method)

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        height, width = images[0].shape[:2]
        known = [self._camera_of(camera, height, width) for camera in cameras]
        steps = self._steps(height, width)
        with torch.inference_mode():
            maps = self._forward(torch.cat([steps.network_input(pixels) for pixels in images]))
            found = [self._values(maps, i, camera, steps) for i, camera in enumerate(known)]
        # outside of inference mode, so that autograd and in-place operations accept the tensors
        is_whole = self.options.output_size == "input"
        return tuple(
            self._predicted(
                values.clone(), valid.clone(), camera if is_whole else steps.camera(camera)
            )
            for (values, valid), camera in zip(found, known, strict=True)
        )

    def _values(
        self, maps: Da3Maps, index: int, camera: Pinhole, steps: InputSteps
    ) -> tuple[Tensor, Tensor]:
        """Depth and valid pixels of one image of a batch."""
        depth, beyond = filled(maps.depth[index], maps.sky[index]), is_sky(maps.sky[index])
        if self.card.is_metric:
            depth = metres(depth, steps.camera(camera))
        seen = torch.ones_like(beyond)
        if self.options.output_size == "input":
            (top, left), (rows, columns) = steps.corner, steps.scaled
            margins = (left, columns - left - depth.shape[1], top, rows - top - depth.shape[0])
            if steps.crops:
                seen = F.pad(seen, margins)
                depth = F.pad(depth[None, None], margins, mode="replicate")[0, 0]
                beyond = F.pad(beyond, margins)
            size = (camera.height, camera.width)
            depth, beyond = resized(depth, beyond, size)
            seen = F.interpolate(seen[None, None].float(), size, mode="nearest-exact")[0, 0] > 0
        return depth, seen & ~beyond if self.options.sky == "invalid" else seen


def metres(depth: Tensor, camera: Pinhole) -> Tensor:
    """Metres from canonical depth (...) of a metric model, for the camera of its input."""
    return depth * ((camera.fx + camera.fy) / 2 / _CANONICAL_FOCAL_PX)
