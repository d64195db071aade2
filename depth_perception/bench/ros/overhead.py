"""What all around the network costs: picture bytes in, bytes of depth and cloud out."""

from __future__ import annotations

from array import array
from dataclasses import replace

import torch
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from torch import Tensor

from ...geometry import Equirectangular
from ...prediction import ScaleKind
from ...ros.messages.buffers import PayloadBuffer
from ...ros.messages.clouds import CloudPacker
from ...ros.messages.images import depth_message, read_rgb
from ...ros.messages.staging import Staging
from ...ros.outputs.depth import Frame, cloud_message
from ...ros.parameters.common import CloudSettings
from ..ceiling import measure_ceiling
from ..depth import DepthBenchOptions, Scene
from ..hardware import bench_device, hardware, load_note, torch_threads
from ..measure import Contender, measure, memory_means
from ..report import Report, Stage


def bench_overhead(options: DepthBenchOptions) -> Report:
    """The network alone, then message to messages, by turns. Relative depth counts as metres."""
    device, busy = bench_device(options.device), load_note()
    with torch_threads(options.threads), torch.inference_mode():
        ceiling = measure_ceiling(device, options.precision)
        scene = Scene(options, device)
        name, estimator = next(iter(scene.estimators.items()))
        rows, columns = scene.picture.shape[:2]
        message = Image(
            height=rows,
            width=columns,
            encoding="rgb8",
            step=3 * columns,
            data=array("B", scene.picture.tobytes()),
        )
        camera, settings = Equirectangular(rows, columns), CloudSettings()
        packer, buffer, staging = CloudPacker(), PayloadBuffer(), Staging()
        small = estimator.with_options(output_size="network")

        def whole() -> tuple[Tensor, ...]:
            image = staging.upload(read_rgb(message), device)
            prediction = replace(small(image, camera), scale=ScaleKind.METRIC)
            frame = Frame(Header(), image, prediction)
            depth = depth_message(frame.header, prediction.depth, prediction.valid, buffer)
            cloud = cloud_message(packer, frame, settings)
            return tuple(torch.tensor(len(m.data)) for m in (depth, cloud))

        contenders = (
            Contender("network", lambda: (estimator._run(scene.images, False),)),
            Contender("message to messages", whole),
        )
        measured = measure(contenders, device, repeats=options.repeats, warm_up=options.warm_up)
        return Report(
            bench="overhead",
            hardware=hardware(device),
            ceiling=ceiling,
            memory=memory_means(device),
            settings={"model": options.model, "weights": scene.weights, "backend": name},
            stages=(Stage("network, then all", measured, (1, 1), ()),),
            notes=busy,
        )
