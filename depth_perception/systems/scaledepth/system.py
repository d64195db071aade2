"""ScaleDepth: models, files, networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..card import NOT_RELEASED, TEST_MODEL, pinhole
from ..system import Model, System
from .config import NYU_FOCAL_PX, SCALEDEPTH, SCALEDEPTH_REDUCED
from .options import ScaleDepthOptions

if TYPE_CHECKING:
    from torch import nn

_HOME = "https://github.com/RuijieZhu94/mmdepth"

_DRIVE = "1QYS6A5--swzxfwMqjvk9ekF0Ds0GefM1"  # iter_40000.pth of the model for NYU and KITTI
_STATED = "AbsRel / RMSE: NYU 0.083 / 0.293 m, KITTI 0.049 / 2.009 m (log of the training)"

# mmengine pickles methods of its classes as calls of getattr
_SKIPPED = ("builtins.getattr",)


def _models() -> Iterator[Model]:
    released = ("Apache-2.0 (made from KITTI: non-commercial)", "pth", _HOME)
    unreleased = (NOT_RELEASED, "safetensors", "")
    for variant, data_sets, parameters, classes, height, (licence, ending, home) in (
        ("nk", "NYU and KITTI", 372_027_011, 28, 480, released),
        ("n", "NYU", 372_026_243, 27, 480, unreleased),
        ("k", "KITTI", 372_005_507, 0, 352, unreleased),
    ):
        card = pinhole(
            name=f"scaledepth-{variant}",
            title=f"ScaleDepth trained on {data_sets}, metres",
            parameters=parameters,
            weights_licence=licence,
            default_height=height,
            patch_size=1,
            file_name=f"scaledepth_{variant}.{ending}",
            home_page=home,
            drive_id=_DRIVE if home else "",
            stated=_STATED if home else "",
            reference_focal_px=NYU_FOCAL_PX if variant == "n" else None,
            notes="Metres hold for scenes and cameras like those of the training sets.",
        )
        yield Model(card, {"config": SCALEDEPTH, "classes": classes})
    card = pinhole(
        name="scaledepth-tiny",
        title="ScaleDepth in a small size, for tests",
        parameters=455_411,
        default_height=96,
        patch_size=1,
        file_name="scaledepth_tiny.safetensors",
        **TEST_MODEL,
    )
    yield Model(card, {"config": SCALEDEPTH_REDUCED, "classes": 28})


class ScaleDepthSystem(System):
    """ScaleDepth; the number of scene classes is that of the file."""

    name = "scaledepth"
    title = "ScaleDepth"
    models = tuple(_models())
    options = ScaleDepthOptions
    network = ".network.ScaleDepth"
    estimator = ".estimator.ScaleDepthEstimator"

    def read(self, model: Model, path: Path) -> dict[str, Any]:
        from ..checkpoints import read_checkpoint
        from .files import depth_entries

        return depth_entries(read_checkpoint(path, skip=_SKIPPED))

    def build_for(self, model: Model, state: Mapping[str, Any]) -> nn.Module:
        from .files import class_count

        return self.build(model, classes=class_count(state))


SYSTEM = ScaleDepthSystem()
