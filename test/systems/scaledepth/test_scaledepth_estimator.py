"""ScaleDepth from a file to a prediction."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from golden.fill import fill_manifest
from golden.scaledepth_reference import case, manifest

import depth_perception as dp
from depth_perception.systems import (
    CheckpointError,
    ScaleDepthEstimator,
    card,
    load_network,
    save_network,
)
from depth_perception.systems.scaledepth.config import SCENE_CLASSES
from depth_perception.systems.scaledepth.options import Windows

GOLDEN = case("infer-nyu-slideflip")
MODEL = "scaledepth-tiny"


def official_state() -> dict[str, torch.Tensor]:
    """All entries of a published file, text half of CLIP and all."""
    state = fill_manifest(manifest("scaledepth-reduced"), GOLDEN.entry["fill_seed"])
    return state | GOLDEN.state()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scaledepth") / "iter_40000.pth"
    torch.save({"meta": {"iter": 40000, "epoch": 1}, "state_dict": official_state()}, path)
    return path


class _History:
    """Plays the part of mmengine's buffer of past losses."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.statistics_methods = {"mean": type(self).mean}  # pickled as getattr(class, "mean")


def save_as_mmengine(path: Path, state: dict[str, torch.Tensor], module_name: str) -> None:
    """A training checkpoint that pickles an object of a foreign class beside the parameters."""

    def mean(self: _History) -> float:
        return float(self.values.mean())

    mean.__module__, mean.__qualname__ = module_name, "HistoryBuffer.mean"
    module = ModuleType(module_name)
    foreign = type("HistoryBuffer", (_History,), {"__module__": module_name, "mean": mean})
    module.HistoryBuffer = foreign
    parts = module_name.split(".")
    names = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    sys.modules.update(dict.fromkeys(names, module))
    try:
        content = {
            "state_dict": state,
            "meta": {"iter": 40000, "seed": np.int64(3)},
            "message_hub": {"log_scalars": {"loss": foreign(np.arange(4.0))}},
            "param_schedulers": [{"power": 0.9}],
        }
        torch.save(content, path)
    finally:
        for name in names:
            del sys.modules[name]


def small_image(height: int = 96, width: int = 128) -> np.ndarray:
    return GOLDEN.images[0][:height, :width]


def test_windows_and_flip_equal_the_original(checkpoint: Path) -> None:
    estimator = dp.load(
        MODEL, checkpoint, "cpu", height=480, flip=True, windows=Windows(scale="own")
    )
    prediction = estimator(GOLDEN.images[0], dp.Pinhole.from_fov(480, 640, 1.0))
    GOLDEN.assert_close(prediction.values[::2, ::2], "depth")


def test_prediction_tells_what_it_is(checkpoint: Path) -> None:
    estimator = dp.load(MODEL, checkpoint, "cpu")
    assert isinstance(estimator, ScaleDepthEstimator)
    camera = dp.Pinhole.from_fov(96, 128, 1.0)
    prediction = estimator(small_image(), camera)
    assert prediction.is_metric
    assert prediction.kind is dp.DepthKind.Z
    assert prediction.camera == camera
    scene = prediction.scene
    relative = prediction.values / scene.scale_m
    assert 0.001 < relative.min() < relative.max() < 1.001
    assert not scene.is_at_floor
    assert len(scene.class_probabilities) == 28
    assert sum(scene.class_probabilities) == pytest.approx(1, abs=1e-5)
    best = int(np.argmax(scene.class_probabilities))
    assert scene.class_name == SCENE_CLASSES[best]


def test_other_sizes_come_back_at_the_size_of_the_image(checkpoint: Path) -> None:
    camera = dp.Pinhole.from_fov(96, 128, 1.0)
    for options in ({"height": 64}, {"height": 64, "windows": Windows(64, 64, 32), "flip": True}):
        prediction = dp.load(MODEL, checkpoint, "cpu", **options, output_size="input")(
            small_image(), camera
        )
        assert prediction.values.shape == (96, 128)
    prediction = dp.load(MODEL, checkpoint, "cpu", height=64, output_size="network")(
        small_image(), camera
    )
    assert prediction.values.shape == (64, 85)
    assert (prediction.camera.height, prediction.camera.width) == (64, 85)


def test_head_size_takes_the_way_of_the_kitti_evaluation(checkpoint: Path) -> None:
    golden = case("infer-kitti-whole")
    pixels = golden.images[0]
    top, left = pixels.shape[0] - 352, int((pixels.shape[1] - 1216) / 2)
    estimator = dp.load(
        MODEL, checkpoint, "cpu", height=352, head_size=pixels.shape[:2], output_size="input"
    )
    crop = pixels[top : top + 352, left : left + 1216]
    prediction = estimator(crop, dp.Pinhole.from_fov(352, 1216, 1.4))
    golden.assert_close(prediction.values[::2, ::2], "depth")


def test_focal_length_scales_depth(checkpoint: Path) -> None:
    plain = dp.load(MODEL, checkpoint, "cpu", height=48)
    corrected = dp.load(MODEL, checkpoint, "cpu", height=48, reference_focal_px=50.0)
    camera = dp.Pinhole(96, 128, 200.0, 200.0, 64.0, 48.0)
    before, after = plain(small_image(), camera), corrected(small_image(), camera)
    # 200 pixels on 96 rows are 100 on 48
    torch.testing.assert_close(after.values, 2 * before.values)
    assert after.scene.scale_m == pytest.approx(2 * before.scene.scale_m)
    with pytest.raises(ValueError, match="needs the camera"):
        corrected(small_image())


def test_the_card_may_know_the_focal_length_of_the_training(checkpoint: Path) -> None:
    assert card("scaledepth-n").reference_focal_px == 519.163756
    assert card("scaledepth-nk").reference_focal_px is None  # two cameras
    camera = dp.Pinhole(96, 128, 200.0, 200.0, 64.0, 48.0)
    plain = dp.load(MODEL, checkpoint, "cpu", height=48)
    of_one_camera = replace(plain.card, reference_focal_px=50.0)
    options = plain.options
    known = ScaleDepthEstimator(of_one_camera, plain.network, options=options)
    before = plain(small_image(), camera)
    torch.testing.assert_close(known(small_image(), camera).values, 2 * before.values)
    torch.testing.assert_close(known(small_image()).values, before.values)  # no camera is known
    off = known.with_options(reference_focal_px=0.0)
    torch.testing.assert_close(off(small_image(), camera).values, before.values)


def test_wrong_options_are_named(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="reference_focal_px"):
        dp.load(MODEL, checkpoint, "cpu", reference_focal_px=-1.0)
    with pytest.raises(ValueError, match="head_size"):
        dp.load(MODEL, checkpoint, "cpu", head_size=(40, 40), windows=Windows())
    with pytest.raises(ValueError, match="seam"):
        dp.load(MODEL, checkpoint, "cpu", seam="blend")
    with pytest.raises(TypeError, match="windows"):
        dp.load("panda-tiny", checkpoint, "cpu", windows=None)
    with pytest.raises(ValueError, match="at least 32"):
        dp.load(MODEL, checkpoint, "cpu", height=16)(small_image(), None)


def test_a_dead_scale_is_told(tmp_path: Path) -> None:
    state = official_state()
    state["decode_head.scale_predictor.fc.bias"] -= 1000.0
    torch.save(state, tmp_path / "dead.pth")
    prediction = dp.load(MODEL, tmp_path / "dead.pth", "cpu")(small_image())
    assert prediction.scene.is_at_floor
    assert prediction.scene.scale_m == pytest.approx(0.1)


def test_training_checkpoints_load_without_their_objects(tmp_path: Path, checkpoint: Path) -> None:
    path = tmp_path / "training.pth"
    save_as_mmengine(path, official_state(), "mmengine_like")
    with pytest.raises(CheckpointError, match="keep the parameters alone"):
        load_network(MODEL, path)
    save_as_mmengine(path, official_state(), "mmengine.logging.history_buffer")
    # what torch 2 refuses in a file that mmengine 0.10.7 itself has written
    refused = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    assert "mmengine.logging.history_buffer.HistoryBuffer" in refused
    assert "builtins.getattr" in refused
    assert any(name.startswith("numpy.") for name in refused)
    loaded, plain = load_network(MODEL, path), load_network(MODEL, checkpoint)
    for name, value in plain.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    # nothing is left allowed behind
    assert not any("mmengine" in str(item) for item in torch.serialization.get_safe_globals())


class _Exploit:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (getattr, (self.path, "touch"))


class _ExploitCall(_Exploit):
    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("exploit", [_Exploit, _ExploitCall])
def test_objects_that_are_passed_over_are_not_run(tmp_path: Path, exploit: type) -> None:
    path = tmp_path / "evil.pth"
    content = {"state_dict": official_state(), "meta": exploit(tmp_path / "exploited")}
    torch.save(content, path)
    if exploit is _Exploit:  # a method that is not called
        assert load_network(MODEL, path) is not None
    else:
        with pytest.raises(CheckpointError, match="never executed"):
            load_network(MODEL, path)
    assert not (tmp_path / "exploited").exists()


def test_own_files_round_trip_and_strangers_are_refused(tmp_path: Path, checkpoint: Path) -> None:
    network = load_network(MODEL, checkpoint)
    save_network(network, tmp_path / "own.safetensors")
    again = load_network(MODEL, tmp_path / "own.safetensors")
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    state = official_state()
    state["decode_head.auxiliary.weight"] = torch.zeros(2)
    del state["decode_head.query_feat.weight"]
    torch.save({"state_dict": state}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError) as caught:
        load_network(MODEL, tmp_path / "other.pth")
    assert caught.value.unexpected == ("decode_head.auxiliary.weight",)
    assert caught.value.missing == ("decode_head.query_feat.weight",)


def test_files_say_how_many_classes_there_are(tmp_path: Path) -> None:
    state = {f"module.{name}": value for name, value in official_state().items()}
    embeddings = state.pop("module.decode_head.class_embeddings")
    torch.save({"state_dict": state}, tmp_path / "none.pth")
    prediction = dp.load(MODEL, tmp_path / "none.pth", "cpu")(small_image())
    assert prediction.scene.class_probabilities == () == prediction.scene.class_names
    assert prediction.scene.class_name == ""
    state["module.decode_head.class_embeddings"] = embeddings[:27]
    torch.save({"state_dict": state}, tmp_path / "some.pth")
    prediction = dp.load(MODEL, tmp_path / "some.pth", "cpu")(small_image())
    assert len(prediction.scene.class_probabilities) == 27


def test_cards_count_the_parameters_of_the_files() -> None:
    for variant in ("nk", "n", "k"):
        shapes = [shape for shape, _ in manifest(f"scaledepth-{variant}").values()]
        count = sum(int(np.prod(shape)) for shape in shapes)
        assert card(f"scaledepth-{variant}").parameters == count
    state = fill_manifest(manifest("scaledepth-reduced"), 0)
    assert card(MODEL).parameters == sum(value.numel() for value in state.values())
