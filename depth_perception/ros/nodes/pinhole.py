"""The node ``pinhole_depth``: z-depth and points from one pinhole camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any

from ...systems import Estimator
from ...systems.catalog import card, system_of
from ...systems.scaledepth.options import Windows
from ..inputs.camera_info_sync import Arrival
from ..inputs.masks import hide
from ..outputs.depth import CloudOutput, DepthOutput, Frame, Output
from ..parameters.pinhole import PinholeSettings, ScaleDepthSettings
from .depth_node import Loaded, load_chosen
from .pinhole_camera_node import PinholeCameraNode
from .scaled_node import ScaledNode

_WARM_UP_SIZE = (480, 640)
# The parameters, or groups of them, that only some kinds of model know, and who knows them.
_KNOWN = MappingProxyType(
    {
        "blindspot": ("height", "flip"),
        "depth_anything": ("height", "flip"),
        "moge": ("moge",),
        "ppd": ("ppd", "moge"),
        "scaledepth": ("height", "flip", "scaledepth"),
    }
)


class PinholeNode(ScaledNode[PinholeSettings], PinholeCameraNode[PinholeSettings]):
    """Depth and cloud from an image and its CameraInfo, by any pinhole model."""

    def __init__(self, **options: Any) -> None:
        self._estimator: Estimator | None = None
        super().__init__("pinhole_depth", PinholeSettings, **options)

    def load(self, settings: PinholeSettings) -> Loaded:
        estimator = load_chosen(settings, **model_options(settings))
        estimator.warm_up(*_WARM_UP_SIZE)
        self.load_reference(settings.scale, estimator.device, "pinhole")
        self._estimator = estimator
        return Loaded.by(settings, estimator.device)

    def unload(self) -> None:
        super().unload()
        self._estimator = None

    def make_outputs(self, settings: PinholeSettings) -> Sequence[Output]:
        return (
            DepthOutput(self.make_publisher),
            CloudOutput(self.make_publisher, lambda: self.settings.cloud),
        )

    def work(self, arrival: Arrival, settings: PinholeSettings) -> Frame:
        if self._estimator is None:
            raise RuntimeError("no model is loaded")
        picture = self.picture(arrival, settings, self._estimator.device)
        prediction = self._estimator(picture.image, picture.camera)
        if picture.unseen is not None:
            prediction = hide(prediction, picture.unseen)
        return self.in_metres(arrival.message.header, picture.image, prediction, settings)


def model_options(settings: PinholeSettings) -> dict[str, object]:
    """The options of the estimator of the chosen model.

    Raises:
        KeyError: no such model.
        ValueError: it is not a pinhole model, or a parameter is set that it does not know.
    """
    model = card(settings.model)
    if model.camera != "pinhole":
        raise ValueError(
            f"model {model.name} is for {model.camera} images: choose a pinhole model "
            "(`depth-perception models` lists them), or use panoramic_depth for panoramas"
        )
    known = _KNOWN.get(system_of(model.name).name)
    if known is None:
        raise ValueError(f"model {model.name} cannot run in this node: choose another one")
    foreign = [name for name in _foreign(settings) if name.partition(".")[0] not in known]
    if foreign:
        raise ValueError(
            f"model {model.name} does not know {', '.join(foreign)}: leave it at the default, or "
            "choose another model"
        )
    options: dict[str, object] = {
        "precision": settings.precision,
        "backend": settings.backend,
        "output_size": settings.output_size,
    }
    if "height" in known:
        options |= {"height": settings.height or None, "flip": settings.flip}
    if "moge" in known:
        options["num_tokens"] = settings.moge.num_tokens or None
    if "scaledepth" in known:
        options["windows"] = _windows(settings.scaledepth)
        options["reference_focal_px"] = settings.scaledepth.reference_focal
    if "ppd" in known:
        options |= {item.name: getattr(settings.ppd, item.name) for item in fields(settings.ppd)}
        for name in ("semantics_checkpoint", "moge_checkpoint"):
            options[name] = options[name] or None
    return options


def _foreign(settings: PinholeSettings) -> list[str]:
    """Names of the parameters for some models only that are not at their default."""
    changed: list[str] = []
    default = PinholeSettings()
    for name in sorted({name for names in _KNOWN.values() for name in names}):
        value, usual = getattr(settings, name), getattr(default, name)
        if is_dataclass(value):
            changed += [
                f"{name}.{item.name}"
                for item in fields(value)
                if getattr(value, item.name) != getattr(usual, item.name)
            ]
        elif value != usual:
            changed.append(name)
    return changed


def _windows(settings: ScaleDepthSettings) -> Windows | None:
    if settings.windows == "off":
        return None
    return Windows(
        settings.window_height,
        settings.window_width,
        settings.window_stride,
        settings.windows,  # type: ignore[arg-type]
    )
