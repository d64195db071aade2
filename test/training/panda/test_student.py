"""PanDA's student and its metric stages: one step of the original, and each recipe in small."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from golden.reference import case

import depth_perception as dp
from depth_perception.data.panoramas import write_panorama_images, write_panoramas
from depth_perception.data.worlds import make_world, render
from depth_perception.data.worlds.folder import frame_pose
from depth_perception.geometry import Equirectangular
from depth_perception.geometry.mobius import Mobius
from depth_perception.systems import build_network, load_network, save_network
from depth_perception.training.module import Prepared
from depth_perception.training.panda import losses as panda_losses
from depth_perception.training.panda.frames import by_quantiles, normalise, resized_image
from depth_perception.training.panda.losses import epnl
from depth_perception.training.panda.student_task import (
    LabelledImages,
    StudentBatch,
    StudentRecipe,
    StudentTraining,
    Weights,
    write_pseudo_labels,
)
from depth_perception.training.panda.task import quiet_start, trainable_network
from depth_perception.training.recipe import load_recipe, task_module
from depth_perception.training.run import train
from depth_perception.training.stream import Draw, NoFramesError, seeded
from depth_perception.training.strict_mapping import RecipeError

HEIGHT = 98  # the least multiple of 14 from which EPNL can draw its rectangles
RECIPES = ("panda-teacher", "panda-student", "panda-student-small", "panda-matterport",
           "panda-stanford")  # fmt: skip
NINE = {"mae", "abs_rel", "sq_rel", "rms", "log_rms", "log10", "a1", "a2", "a3"}


@dataclass(frozen=True)
class Item:
    rgb: torch.Tensor
    range_m: torch.Tensor


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames of a room in the layout of each data set, and labels of a start."""
    root = tmp_path_factory.mktemp("panoramas")
    world, camera = make_world("room", 5), Equirectangular(HEIGHT, 2 * HEIGHT)
    frames = []
    for index in range(2):
        view = render(world, camera, frame_pose(world, index, 2), shadows=False)
        range_m = torch.where(torch.isfinite(view.range_m), view.range_m, 0)
        frames.append(Item(view.rgb.permute(2, 0, 1), range_m))
    for name in ("structured3d", "deep360", "matterport3d", "stanford2d3d"):
        for split in ("train", "val"):
            write_panoramas(name, root / name, frames, split)
    for name in ("zind", "360x"):
        write_panorama_images(name, root / name, [frame.rgb for frame in frames])
    save_network(relative(frames), root / "plain.safetensors")
    return root


def relative(frames: list[Item], steps: int = 25) -> torch.nn.Module:
    """A network that knows a little of relative range, as all of these recipes start from one."""
    torch.manual_seed(0)
    network = build_network("panda-tiny", lora_rank=None).train()
    quiet_start(network, fraction=0.3)
    rgb = normalise(torch.stack([frame.rgb for frame in frames]).float() / 255)
    range_m = torch.stack([frame.range_m[None] for frame in frames])
    target = by_quantiles(range_m, range_m > 0)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        (network(rgb) - target).abs().mean().backward()
        optimizer.step()
    return network


def small(name: str, places: Path, *overrides: str) -> StudentRecipe:
    """A packaged recipe with the small network, on the small data sets, for a few steps."""
    start = places / "plain.safetensors"
    data = {
        "panda-teacher": (
            f"data.kind=structured3d data.root={places}/structured3d data.max_depth_m=100 "
            f"data.val_root={places}/structured3d "
            f"data.also=[{{kind: deep360, root: {places}/deep360}}]"
        ),
        "panda-matterport": f"data.root={places}/matterport3d data.val_root={places}/matterport3d",
        "panda-stanford": f"data.root={places}/stanford2d3d data.val_root={places}/stanford2d3d",
    }.get(
        name,
        f"data.root={places}/structured3d data.also=[{{kind: deep360, root: {places}/deep360}}] "
        f"data.val_root={places}/matterport3d data.every=1 teacher.name=panda-tiny "
        f"teacher.checkpoint={start} teacher.height=56 data.unlabelled="
        f"[{{kind: zind, root: {places}/zind, labels: {places}/zind_labels}}, "
        f"{{kind: 360x, root: {places}/360x, labels: {places}/360x_labels}}]",
    )
    pairs = []
    for part in data.split(" "):  # values hold blanks, keys do not
        if part.split("=")[0].startswith(("data.", "teacher.")) and "=" in part:
            pairs.append(part)
        else:
            pairs[-1] += f" {part}"
    return load_recipe(
        name,
        [
            *pairs,
            f"model={{name: panda-tiny, train: lora, checkpoint: {start}}}",
            f"data.sizes=[{{start: 0, height: {HEIGHT}}}]",
            "run.loaders=0", "run.steps=4", "run.batch=2", "run.val_every=2", "run.val_frames=2",
            "run.save_every=2", "run.log_every=1",
            *overrides,
        ],
    )  # fmt: skip


def prepared(recipe: StudentRecipe) -> Prepared:
    return task_module(recipe.task).prepare(recipe)


@pytest.mark.parametrize("tag", ["large", "small", "nomobius"])
def test_a_step_is_that_of_the_original(
    places: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tag: str
) -> None:
    golden = case("train_student_tiny")
    options, g = golden.options["cases"][tag], golden.arrays
    torch.save(golden.state(), tmp_path / "model.pth")
    recipe = small(
        "panda-student", places, f"model.checkpoint={tmp_path}/model.pth", "data.unlabelled="
        "[{kind: zind, root: nowhere, labels: nowhere}]",
    )  # fmt: skip
    mobius = options["loss_weights"][3] if options["mobius"] else 0.0
    recipe = replace(
        recipe,
        losses=tuple(
            panda_losses.LossRecipe(term["type"], term["params"]["loss_weight"])
            for term in options["loss"]
        ),
        weights=Weights(*options["loss_weights"][:3], mobius),
    )
    training = StudentTraining(recipe, trainable_network(recipe))
    rectangles = iter((g["epnl_masks_label"], g["epnl_masks_pseudo"]))
    monkeypatch.setattr(
        panda_losses, "epnl", lambda t, p, m, w, rng: epnl(t, p, m, w, next(rectangles))
    )
    training.warp = lambda step: Mobius.random(Random(golden.options["rng_seed"]))
    if options["mobius"]:
        matrix = torch.tensor(training.warp(0).matrix)
        torch.testing.assert_close(matrix.real.float(), g[f"{tag}_M_re"], atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(matrix.imag.float(), g[f"{tag}_M_im"], atol=1e-6, rtol=1e-6)
    batch = StudentBatch(
        g["label_rgb"], g["label_gt_depth"], g["label_val_mask"], g["unlabel_raw_rgb"],
        g["unlabel_strong_rgb"], g["unlabel_gt_depth"], g["unlabel_val_mask"],
    )  # fmt: skip
    with torch.no_grad():
        pred = training.network(batch.raw)
    torch.testing.assert_close(pred, g[f"{tag}_pred_unlabel"], atol=1e-5, rtol=1e-5)

    loss = sum(training.losses(batch).values())
    rtol = 2e-3 if options["mobius"] else golden.tolerance("loss")["rtol"]
    torch.testing.assert_close(loss.detach(), g[f"{tag}_loss"], atol=0, rtol=rtol)
    loss.backward()
    official = training.network.official_names()
    parameters = {official[n]: p for n, p in training.network.named_parameters()}
    frozen = [p for p in parameters.values() if not p.requires_grad]
    assert all(p.grad is None for p in frozen)
    assert set(options["grad_norm_names"]) == {
        name for name, p in parameters.items() if p.grad is not None
    }
    norms = torch.stack([parameters[n].grad.norm() for n in options["grad_norm_names"]])
    torch.testing.assert_close(
        norms, g[f"{tag}_grad_norms"], atol=1e-6, **golden.tolerance("grad_norms")
    )
    lora = parameters["core.pretrained.blocks.1.attn.qkv.linear_a_q.weight"]
    bias = parameters["core.depth_head.scratch.output_conv1.bias"]
    for parameter, name in ((lora, "lora"), (bias, "bias")):
        expected = g[f"{tag}_grad_{name}"]
        torch.testing.assert_close(
            parameter.grad, expected, atol=0.005 * float(expected.abs().max()), rtol=0.005
        )
    optimizer = training.configure_optimizers()
    optimizer.step()
    torch.testing.assert_close(bias.detach(), g[f"{tag}_bias_after_step"], atol=1e-6, rtol=0)


def test_without_a_gradient_the_plain_view_is_given(places: Path) -> None:
    recipe = small("panda-student", places, "consistency.detach=true")
    weights = Weights(0, 0, 1, 0)
    recipe = replace(recipe, weights=weights)
    training, data = prepared(recipe)
    batch = data.batch(Draw(0, 0.0, (0, 1), (seeded(1), seeded(2))))
    batch = replace(batch, strong=torch.zeros_like(batch.strong))
    grads = []
    for detach in (True, False):
        training.recipe = replace(recipe, consistency=replace(recipe.consistency, detach=detach))
        training.zero_grad()
        (value,) = training.losses(batch).values()
        value.backward()
        grads.append(training.network.head.out[2].weight.grad.clone())
    assert not torch.allclose(*grads)


def test_a_batch_is_the_same_for_the_same_draw(places: Path) -> None:
    _, data = prepared(small("panda-student", places))
    assert len(data) == 4
    one, two, other = (
        data.batch(Draw(step, 0.0, (3, 0), (seeded(seed), seeded(9))))
        for step, seed in ((0, 1), (0, 1), (0, 2))
    )
    for name in ("images", "target", "mask", "raw", "strong", "pseudo", "pseudo_mask"):
        assert torch.equal(getattr(one, name), getattr(two, name))
    assert torch.equal(one.raw, other.raw)
    assert not torch.equal(one.strong[0], other.strong[0])
    assert one.pseudo[one.pseudo_mask].min() == pytest.approx(0.01)
    assert one.pseudo.max() == 1


def test_warps_follow_the_step(places: Path) -> None:
    training, _ = prepared(small("panda-student", places))
    assert training.warp(3) == training.warp(3) != training.warp(4)
    assert abs(training.warp(3).theta) <= np.pi / 18


def test_labels_are_written_once_and_by_one_teacher(places: Path, tmp_path: Path) -> None:
    recipe = small("panda-student", places)
    source = replace(recipe.data.unlabelled[0], labels=str(tmp_path / "labels"))
    pictures = LabelledImages([source])
    assert write_pseudo_labels(recipe.teacher, pictures, [tmp_path / "labels"]) == 2
    label = np.load(pictures.label_path(1))
    assert label.shape == (56, 112)
    assert 0 < label.min() < label.max() < 1
    network = load_network("panda-tiny", recipe.teacher.checkpoint)
    with torch.no_grad():
        expected = network(normalise(resized_image(pictures.image(1), 56)[None]))[0, 0]
    torch.testing.assert_close(torch.from_numpy(label), expected)
    assert write_pseudo_labels(recipe.teacher, pictures, [tmp_path / "labels"]) == 0
    taller = replace(recipe.teacher, height=70)
    with pytest.raises(RecipeError, match=r"holds labels of .* not of .* another folder"):
        write_pseudo_labels(taller, pictures, [tmp_path / "labels"])
    for teacher, message in (
        (replace(taller, name="panda-tinny"), "teacher.name: no model 'panda-tinny'"),
        (replace(taller, name="depth-anything-v2-small"), "is not a model for panoramas"),
    ):
        with pytest.raises(RecipeError, match=message):
            write_pseudo_labels(teacher, pictures, [tmp_path / "labels"])


def test_missing_labels_are_named(places: Path) -> None:
    recipe = small("panda-student", places, "teacher=null")
    source = replace(recipe.data.unlabelled[0], labels=str(places / "none"))
    recipe = replace(recipe, data=replace(recipe.data, unlabelled=(source,)))
    with pytest.raises(NoFramesError, match="2 of 2 images have no pseudo label, the first is"):
        prepared(recipe)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.unlabelled=[]", "unlabelled must name at least one"),
        ("data.every=0", "every must be at least 1"),
        ("data.target=metric", "target must be quantiles"),
        ("data.split=training", "no split 'training'"),
        ("consistency.zoom_res=-1", "must not be negative"),
        ("consistency.colour.flip=0.5", "colour must have yaw: false"),
        ("teacher.height=1000", "height must be a multiple of 14"),
        ("data.kind=zind", "data.kind: 'zind' is not a choice"),
    ],
)
def test_what_cannot_be_trained_is_refused(places: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        prepared(small("panda-student", places, override))


def test_the_recipes_have_the_published_settings() -> None:
    large, little = load_recipe("panda-student"), load_recipe("panda-student-small")
    assert [(t.kind, t.weight) for t in large.losses] == [
        ("silog", 1), ("gradient", 1), ("epnl", 5),
    ]  # fmt: skip
    assert [(t.kind, t.weight) for t in little.losses] == [
        ("l1", 1), ("gradient", 1), ("epnl", 1),
    ]  # fmt: skip
    assert (large.weights, little.weights) == (Weights(1, 1, 1, 1), Weights(1, 1, 2, 1))
    assert (large.run.batch, little.run.batch) == (4, 2)
    for name in ("panda-matterport", "panda-stanford"):
        metric = load_recipe(name)
        assert (metric.data.max_depth_m, metric.data.beyond, metric.run.align) == (
            10, "ignore", False,
        )  # fmt: skip
        assert (metric.run.batch, metric.optim.lr, metric.model.start) == (8, 1e-4, "panda-small")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_learns_and_resumes_with_the_same_bits(
    name: str, places: Path, tmp_path: Path
) -> None:
    quiet = "augment={yaw: false, flip: 0, jitter: 0}"
    recipe = small(name, places, "optim.lr=3e-4", "run.seed=1", quiet)
    training, data = prepared(recipe)
    draw = Draw(0, 0.0, (0, 1), (seeded(1), seeded(2)))
    batch = data.batch(draw)
    before = sum(float(v.detach()) for v in training.losses(batch).values())
    train(training, data, tmp_path / "whole", device="cpu")
    after = sum(float(v.detach()) for v in training.losses(batch).values())
    if name != "panda-teacher":  # five times EPNL, whose median has no gradient, drifts at first
        assert after < before
    for stop in (2, None):
        parts, data = prepared(recipe)
        train(parts, data, tmp_path / "parts", device="cpu", resume=stop is None, stop_at=stop)
    whole, resumed = training.state_dict(), parts.state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    last = json.loads((tmp_path / "parts" / "history.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 4
    assert {f"val/{number}" for number in NINE} <= set(last)
    if recipe.task == "panda-student":
        assert {"loss/pseudo_epnl", "loss/colour", "loss/mobius"} <= set(last)


def test_a_chain_of_teacher_student_and_metric_stage(places: Path, tmp_path: Path) -> None:
    def trained(name: str, *overrides: str) -> Path:
        training, data = prepared(small(name, places, "run.steps=1", "run.val_every=1", *overrides))
        train(training, data, tmp_path / name, device="cpu")
        return tmp_path / name / "best.safetensors"

    teacher = trained("panda-teacher")
    labels = (
        "data.unlabelled=["
        f"{{kind: zind, root: {places}/zind, labels: {tmp_path}/zind}}, "
        f"{{kind: 360x, root: {places}/360x, labels: {tmp_path}/360x}}]"
    )
    student = trained("panda-student", labels, f"teacher.checkpoint={teacher}")
    branches = load_network("panda-tiny", student, merge_lora=False).state_dict()
    recipe = small("panda-matterport", places, f"model.checkpoint={student}")
    going_on = trainable_network(recipe).state_dict()
    assert any("linear_b_q" in name for name in branches)
    assert all(torch.equal(branches[name], going_on[name]) for name in branches)
    metric = trained("panda-matterport", f"model.checkpoint={student}")
    estimator = dp.load("panda-tiny", metric, "cpu", height=HEIGHT, output_size="input")
    assert estimator(np.zeros((28, 56, 3), np.uint8)).values.shape == (28, 56)
