"""Training of ScaleDepth on small data sets in the layout of NYU and KITTI."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import depth_perception as dp
from depth_perception.data.worlds import FolderOptions, make_world, render, write_folder
from depth_perception.geometry import Pinhole
from depth_perception.systems import CheckpointError, build_network, load_network, save_network
from depth_perception.systems.scaledepth.files import read_class_embeddings, write_class_embeddings
from depth_perception.training.recipe import load_recipe
from depth_perception.training.run import train
from depth_perception.training.scaledepth.data import PhotoBatch
from depth_perception.training.scaledepth.task import ScaleDepthRecipe, ScaleDepthTraining, prepare
from depth_perception.training.stream import Draw, NoFramesError, seeded
from depth_perception.training.strict_mapping import RecipeError

SIZE = 96, 128


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of synthetic rooms as NYU and one of them, enlarged, as KITTI; text embeddings."""
    folder = tmp_path_factory.mktemp("photos")
    camera = Pinhole.from_fov(*SIZE, math.radians(70))
    for index, (seed, scene) in enumerate(((3, "bedroom"), (4, "kitchen"), (5, "office"))):
        world = make_world("room", seed)
        frame = render(world, camera, world.pose(1.0))
        rgb = frame.rgb.numpy()[..., ::-1]
        samples = (1000 * frame.z_m.clamp(0, 20)).round().numpy().astype(np.uint16)
        split = "test" if index == 2 else "train"
        write(folder / "nyu/images" / split / f"{scene}_0001.png", rgb)
        write(folder / "nyu/annotations" / split / f"{scene}_0001.png", samples)
        large = cv2.resize(rgb, (1216, 352)), (samples * 0.256).astype(np.uint16)
        write(folder / f"kitti/input/{index}.png", large[0])
        depth = cv2.resize(large[1], (1216, 352), interpolation=cv2.INTER_NEAREST)
        write(folder / f"kitti/gt_depth/{index}.png", depth)
    (folder / "kitti" / "kitti_eigen_train.txt").write_text("0.png 0.png 721\n1.png None 721\n")
    (folder / "kitti" / "kitti_eigen_test.txt").write_text("2.png 2.png 721\n")
    torch.manual_seed(0)
    rows = 0.01 * torch.nn.functional.normalize(torch.randn(28, 96), dim=1)
    write_class_embeddings(folder / "scenes.safetensors", rows, ["x"] * 28, source="test")
    return folder


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def small(root: Path, variant: str, **changes: object) -> ScaleDepthRecipe:
    """A packaged recipe on the small network and small pictures."""
    kinds = [source.kind for source in load_recipe(f"scaledepth-{variant}").data.sets]
    tests = {"nyu": {"split": "test"}, "kitti": {"listing": "kitti_eigen_test.txt"}}
    plan = {
        "model": {"name": "scaledepth-tiny", "class_embeddings": str(root / "scenes.safetensors")},
        "data.sets": [photos(root, kind) for kind in kinds],
        "data.val_sets": [photos(root, kind, **tests[kind]) for kind in kinds],
        "data.crop": [64, 96],
        "optim.clip": 1.0,
        "optim.lr": 3e-3,
        "optim.encoder_lr": 1.0,
        "run": {
            "steps": 4,
            "batch": 2,
            "val_every": 4,
            "save_every": 2,
            "log_every": 1,
            "val_frames": 2,
        },
    }
    plan |= {name.replace("__", "."): value for name, value in changes.items()}
    overrides = [f"{name}={json.dumps(value)}" for name, value in plan.items()]
    return load_recipe(f"scaledepth-{variant}", overrides)


def photos(root: Path, kind: str, **options: object) -> dict[str, object]:
    """A data set of a recipe."""
    return {"kind": kind, "root": str(root / kind), **options}


def run(recipe: ScaleDepthRecipe, folder: Path, **options: object) -> ScaleDepthTraining:
    training, data = prepare(recipe)
    train(training, data, folder, device="cpu", **options)
    return training


def history(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_interruption_leaves_no_trace_and_each_set_is_judged(root: Path, tmp_path: Path) -> None:
    recipe = small(root, "nk")
    whole = run(recipe, tmp_path / "whole")
    run(recipe, tmp_path / "parts", stop_at=2)
    resumed = run(recipe, tmp_path / "parts", resume=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    (line,) = history(tmp_path / "parts")
    numbers = (*ScaleDepthTraining.lower, *ScaleDepthTraining.higher)
    for number in numbers:
        both = line[f"val/nyu/{number}"], line[f"val/kitti/{number}"]
        assert line[f"val/{number}"] == pytest.approx(sum(both) / 2, abs=1e-5)
    loaded = load_network("scaledepth-tiny", tmp_path / "whole" / "best.safetensors")
    assert torch.equal(loaded.scale.weight, whole.network.scale.weight)
    rows = read_class_embeddings(root / "scenes.safetensors", 28, 96)
    assert torch.equal(loaded.class_embeddings, rows)


def test_the_loss_falls_and_the_weights_predict(root: Path, tmp_path: Path) -> None:
    recipe = small(
        root,
        "n",
        data__sets=[photos(root, "nyu", augment={"flip": 0, "colour": 0})],
        data__val_sets=[photos(root, "nyu", split="train")],
        data__crop=list(SIZE),
        run={"steps": 60, "batch": 2, "val_every": 30, "save_every": 60, "log_every": 1},
    )
    training = run(recipe, tmp_path)
    first, last = history(tmp_path)
    assert last["loss"] < 0.8 * first["loss"]
    start = prepare(recipe)[0]
    batch = training_batch(recipe)
    before, after = (sum(t.losses(batch).values()).item() for t in (start, training))
    assert after < 0.5 * before
    estimator = dp.load(
        "scaledepth-tiny", tmp_path / "last.safetensors", "cpu", output_size="input"
    )
    image = cv2.imread(str(root / "nyu/images/train/bedroom_0001.png"))[..., ::-1]
    prediction = estimator(image)
    truth = cv2.imread(str(root / "nyu/annotations/train/bedroom_0001.png"), -1) / 1000
    error = np.abs(prediction.depth.numpy() - truth) / truth
    assert np.median(error) < 0.35
    assert len(prediction.scene.class_probabilities) == 28


def training_batch(recipe: ScaleDepthRecipe) -> PhotoBatch:
    return prepare(recipe)[1].batch(Draw(0, 0.0, (0, 1), (seeded(1), seeded(2))))


def test_batches_depend_on_their_draw_only(root: Path) -> None:
    data = prepare(small(root, "nk"))[1]
    assert len(data) == 3
    one, same, other = (
        data.batch(Draw(0, 0.0, (2, 0), (seeded(a), seeded(b))))
        for a, b in ((1, 2), (1, 2), (3, 4))
    )
    assert one.kinds == ("kitti", "nyu")
    assert one.scenes.tolist() == [27, 8]
    assert one.images.shape == (2, 3, 64, 96)
    assert one.depth_m.shape == (2, 1, 64, 96)
    assert torch.equal(one.images, same.images)
    assert torch.equal(one.depth_m, same.depth_m)
    assert not torch.equal(one.images, other.images)


@pytest.mark.parametrize(("variant", "kinds"), [("n", {"nyu"}), ("k", {"kitti"})])
def test_every_recipe_learns_from_its_sets(root: Path, variant: str, kinds: set[str]) -> None:
    training, data = prepare(small(root, variant))
    draw = Draw(0, 0.0, (0,) * 2, (seeded(1), seeded(2)))
    batch = data.batch(draw)
    assert set(batch.kinds) == kinds
    terms = training.losses(batch)
    assert set(terms) == {f"{t}{s}" for t in ("depth", "class") for s in ("", "_2", "_5")}
    assert all(torch.isfinite(value) and value > 0 for value in terms.values())


def test_synthetic_worlds_train_depth_without_classes(root: Path, tmp_path: Path) -> None:
    camera = Pinhole.from_fov(48, 64, math.radians(80))
    options = FolderOptions(kind="courtyard", frames_per_world=1, shadows=False, antialias=False)
    assert list(write_folder(tmp_path / "worlds", [1, 2], camera, options)) == [1, 2]
    sets = [{"kind": "worlds", "root": str(tmp_path / "worlds")}]
    recipe = small(root, "nk", data__sets=sets, data__val_sets=sets, data__crop=[32, 64])
    training, data = prepare(recipe)
    batch = data.batch(Draw(0, 0.0, (0, 1), (seeded(1), seeded(2))))
    assert batch.scenes.tolist() == [-1, -1]
    assert torch.isfinite(batch.depth_m).all()
    assert 0 < (batch.depth_m == 0).float().mean() < 0.9  # the sky
    terms = training.losses(batch)
    assert terms["depth"] > 0
    assert terms["class"] == 0
    with torch.no_grad():
        row = training.eval().evaluate(data.held_out[1])
    assert set(row) == {f"worlds/{name}" for name in (*training.lower, *training.higher)}


def test_the_encoder_starts_from_a_file_of_clip(root: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    origin = build_network("scaledepth-tiny").encoder.state_dict()
    state = {f"visual.trunk.{name}": value for name, value in origin.items()}
    state["visual.trunk.head.norm.weight"] = torch.ones(128)
    state["text_projection"] = torch.ones(2, 2)
    path = tmp_path / "clip.safetensors"
    save_file(state, str(path))
    network = prepare(small(root, "nk", model__encoder=str(path)))[0].network
    for name, value in network.encoder.state_dict().items():
        assert torch.equal(value, origin[name]), name
    save_file({"visual.trunk.stem.0.weight": torch.ones(3)}, str(path))
    with pytest.raises(CheckpointError, match="visual trunk"):
        prepare(small(root, "nk", model__encoder=str(path)))


def test_a_run_goes_on_from_a_checkpoint(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    torch.manual_seed(6)
    origin = build_network("scaledepth-tiny")
    save_network(origin, path)
    recipe = small(root, "nk", model={"name": "scaledepth-tiny", "checkpoint": str(path)})
    network = prepare(recipe)[0].network
    assert torch.equal(network.scale.weight, origin.scale.weight)
    assert network.training
    assert all(p.requires_grad for p in network.parameters())


def test_what_would_stop_the_run_is_told_before(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="depth-perception scenes"):
        prepare(small(root, "nk", model={"name": "scaledepth-tiny"}))
    with pytest.raises(RecipeError, match="is not trained by task scaledepth"):
        prepare(small(root, "nk", model__name="panda-tiny"))
    with pytest.raises(RecipeError, match="no model"):
        prepare(small(root, "nk", model__name="scaledepth-t"))
    with pytest.raises(RecipeError, match="has its own"):
        prepare(small(root, "nk", model__checkpoint="x.pth"))
    with pytest.raises(RecipeError, match="workers must be 1"):
        small(root, "nk", run__workers=2)
    with pytest.raises(RecipeError, match="at least 32"):
        small(root, "nk", data__crop=[16, 64])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        prepare(small(root, "nk", data__sets=[{"kind": "nyu", "root": "nowhere"}]))
    (tmp_path / "images/train").mkdir(parents=True)
    (tmp_path / "annotations/train").mkdir(parents=True)
    empty = [{"kind": "nyu", "root": str(tmp_path)}]
    with pytest.raises(NoFramesError, match="no images"):
        prepare(small(root, "nk", data__sets=empty))
    write(tmp_path / "images/train/study_1.png", np.zeros((40, 50, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match="1 files of the nyu set are missing"):
        prepare(small(root, "nk", data__sets=empty))


def test_class_embeddings_are_read_from_either_kind_of_file(tmp_path: Path) -> None:
    rows = torch.randn(28, 96)
    torch.save(rows, tmp_path / "authors.pth")
    assert torch.equal(read_class_embeddings(tmp_path / "authors.pth", 27, 96), rows[:27])
    with pytest.raises(CheckpointError, match="28 of 768"):
        read_class_embeddings(tmp_path / "authors.pth", 28, 768)
    with pytest.raises(CheckpointError, match="depth-perception scenes"):
        read_class_embeddings(tmp_path / "none.pth", 28, 96)
    torch.save({"rows": 3}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="no table"):
        read_class_embeddings(tmp_path / "other.pth", 28, 96)
    (tmp_path / "noise.pth").write_bytes(b"noise" * 40)
    with pytest.raises(CheckpointError, match="no plain tensor"):
        read_class_embeddings(tmp_path / "noise.pth", 28, 96)
    with pytest.raises(ValueError, match="2 names"):
        write_class_embeddings(tmp_path / "x.safetensors", rows, ["a", "b"], source="test")
