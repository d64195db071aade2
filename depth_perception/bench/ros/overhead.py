"""What all around the network costs: image bytes in, bytes of depth and cloud out."""

from __future__ import annotations

from dataclasses import replace

import torch
from std_msgs.msg import Header
from torch import Tensor

from ...geometry import Equirectangular
from ...prediction import ScaleKind
from ...ros.messages.buffers import PayloadBuffer, Staging
from ...ros.messages.clouds import CloudPacker
from ...ros.messages.images import depth_message, read_rgb
from ...ros.outputs.depth import Frame, cloud_message
from ...ros.parameters.common import CloudSettings
from ..comparison import comparison
from ..depth import Scene
from ..measure import Variant
from ..options import Network
from ..result import Result
from .session import image_message


def bench_overhead(options: Network) -> Result:
    """Compare the network alone with message to messages. Relative depth counts as metres."""
    with comparison(options) as bench:
        scene = Scene(options, bench.device)
        name, estimator = next(iter(scene.estimators.items()))
        message = image_message(scene.image)
        camera, settings = Equirectangular(*scene.image.shape[:2]), CloudSettings()
        packer, buffer, staging = CloudPacker(), PayloadBuffer(), Staging()
        small = estimator.with_options(output_size="network")

        def whole() -> tuple[Tensor, ...]:
            image = staging.upload(read_rgb(message), bench.device)
            prediction = replace(small(image, camera), scale=ScaleKind.METRIC)
            frame = Frame(Header(), image, prediction)
            depth = depth_message(frame.header, prediction.depth, prediction.valid, buffer)
            cloud = cloud_message(packer, frame, settings)
            return tuple(torch.tensor(len(m.data)) for m in (depth, cloud))

        variants = (
            Variant("network", lambda: (estimator._run(scene.inputs, False),), 1),
            Variant("message to messages", whole, 1),
        )
        stage = bench.stage("network, then all", variants)
        settings_shown = {"model": options.model, "weights": scene.weights, "backend": name}
        return bench.result("overhead", [stage], settings_shown)
