"""Training of Pixel-Perfect Depth on synthetic pinhole frames."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from golden.ppd_reference import case

import depth_perception as dp
from depth_perception.data.frames import PinholeFrame
from depth_perception.data.worlds import FolderOptions, write_folder
from depth_perception.geometry import Pinhole
from depth_perception.systems.ppd.transformer import SpDit, SpDitConfig
from depth_perception.training.ppd.data import (
    DataRecipe,
    PpdData,
    SourceRecipe,
    fitted,
    without_sky,
)
from depth_perception.training.ppd.task import PpdRecipe, PpdTraining, prepare
from depth_perception.training.recipe import Clock, load_recipe
from depth_perception.training.run import train
from depth_perception.training.stream import BatchStream
from depth_perception.training.strict_mapping import RecipeError


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("worlds")
    options = FolderOptions(kind="room", frames_per_world=2, shadows=False, antialias=False)
    list(write_folder(root, range(3), Pinhole.from_fov(48, 64, math.pi / 2), options))
    return str(root)


@pytest.fixture(scope="module")
def moge_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    reference = case("moge-tiny-infer")
    path = tmp_path_factory.mktemp("weights") / "moge2.pt"
    torch.save({"model_config": reference.entry["constructor"], "model": reference.state()}, path)
    return str(path)


@pytest.fixture
def small(worlds: str, moge_file: str) -> Callable[..., PpdRecipe]:
    """A packaged recipe in small."""

    def make(name: str, *overrides: str) -> PpdRecipe:
        return load_recipe(
            name,
            [
                f"model={{name: ppd-tiny, semantics: {moge_file}}}",
                f"data.sources=[{{kind: worlds, root: {worlds}}}]",
                f"data.val={{kind: worlds, root: {worlds}}}",
                "data.items=6",
                "data.height=48",
                "data.width=64",
                "run={steps: 4, batch: 4, val_every: 2, val_frames: 2, save_every: 2, log_every: 1,"
                " sampling_steps: 2}",
                *overrides,
            ],
        )

    return make


def run(recipe: PpdRecipe, folder: Path, **options: object) -> PpdTraining:
    training, data = prepare(recipe)
    train(training, data, folder, device="cpu", **options)
    return training


@pytest.mark.parametrize("name", ["ppd-pretrain", "ppd-finetune"])
def test_resumed_and_uninterrupted_runs_give_the_same_bits(
    small: Callable[..., PpdRecipe], tmp_path: Path, name: str
) -> None:
    precision = "32-true" if name == "ppd-pretrain" else "bf16-mixed"
    recipe = small(name, "optim.ema=0.9", "run.accumulate=2", f"run.precision={precision}")
    whole = run(recipe, tmp_path / "whole")
    run(recipe, tmp_path / "parts", stop_at=2)
    resumed = run(recipe, tmp_path / "parts", resume=True)
    assert resumed.global_step == 4
    states = whole.state_dict(), resumed.state_dict()
    assert not any("encoder" in key for key in states[0]), "the frozen encoder is not saved"
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    last = json.loads((tmp_path / "parts" / "history.jsonl").read_text().splitlines()[-1])
    assert {"val/abs_rel", "val/d0_5", "val/d1", "val/d2", "val/d3"} <= set(last)
    assert ("loss/gradient" in last) == (name == "ppd-finetune")


def test_the_loss_falls(small: Callable[..., PpdRecipe], tmp_path: Path) -> None:
    # 16 x 16 pixels of noise need more than the 64 channels of ppd-tiny
    recipe = small("ppd-finetune", "run.steps=60", "run.val_every=60", "optim.lr=1e-3")
    training, data = prepare(recipe)
    network = SpDit(SpDitConfig(dim=288, depth=2, heads=4, semantic_dim=64))
    training = PpdTraining(recipe, network, training._guide[0])
    unseen = data.batch(BatchStream(data, recipe.run, Clock(60)).draw(1000))
    before = {name: float(value.detach()) for name, value in training.losses(unseen).items()}
    train(training, data, tmp_path, device="cpu")
    after = {name: float(value.detach()) for name, value in training.losses(unseen).items()}
    assert after["velocity"] < 0.8 * before["velocity"]
    assert after["gradient"] < 0.8 * before["gradient"]


def test_trained_weights_load(
    small: Callable[..., PpdRecipe], tmp_path: Path, moge_file: str
) -> None:
    recipe = small("ppd-pretrain", "optim.lr=1e-2")
    training, data = prepare(recipe)
    train(training, data, tmp_path, device="cpu")
    estimator = dp.load(
        "ppd-tiny",
        tmp_path / "last.safetensors",
        "cpu",
        semantics_checkpoint=moge_file,
        align="none",
        max_pixels=48 * 64,
        output_size="network",
    )
    held_out = data.held_out[0]
    image = (held_out.images[0] * 255).round().to(torch.uint8).permute(1, 2, 0)
    camera = Pinhole.from_fov(48, 64, math.pi / 2)  # known: nobody has to look for it
    values = estimator(image, camera, noise=held_out.noise).values
    recipe = replace(recipe, run=replace(recipe.run, sampling_steps=4))
    again = PpdTraining(recipe, training.network, training._guide[0])
    with torch.no_grad():
        torch.testing.assert_close(values, again._sampled(held_out)[0, 0], atol=1e-4, rtol=1e-4)


def test_the_recipes_have_the_published_settings() -> None:
    first, second = load_recipe("ppd-pretrain"), load_recipe("ppd-finetune")
    for recipe in (first, second):
        assert (recipe.optim.kind, recipe.optim.lr, recipe.optim.weight_decay) == ("adamw", 1e-4, 0)
        assert (recipe.run.batch, recipe.run.seed, recipe.run.precision) == (32, 666, "bf16-mixed")
        assert recipe.optim.schedule.kind == "constant"
        assert recipe.data.items == 48_000
    assert (first.data.height, first.data.width, first.losses.gradient) == (512, 512, 0)
    assert (second.data.height, second.data.width, second.losses.gradient) == (768, 1024, 0.2)
    assert sum(source.share for source in second.data.sources) == pytest.approx(1)


def test_hypersim_counts_between_a_decimetre_and_65_metres() -> None:
    _, mask = without_sky(torch.tensor([math.nan, 0.0, 0.1, 0.2, 64.0, 65.0, math.inf]))
    assert mask.tolist() == [False, False, False, True, True, False, False]


def test_frames_of_unreal_stereo_are_cropped_not_squeezed() -> None:
    depth_m = torch.arange(1.0, 2049.0)[:, None].expand(2048, 3840)
    frame = PinholeFrame(torch.zeros(3, 2048, 3840, dtype=torch.uint8), depth_m.contiguous() / 100)
    generator = torch.Generator().manual_seed(0)
    image, depth, _ = fitted(frame, "unrealstereo4k", 768, 1024, generator)
    assert image.shape == (3, 768, 1024)
    rows = depth[0, :, 0]
    assert float(rows[-1] - rows[0]) == pytest.approx(767 * 0.02, abs=1e-3)


def test_the_mixture_keeps_its_shares(worlds: str) -> None:
    sources = tuple(SourceRecipe("worlds", worlds, share) for share in (0.75, 0.25))
    data = PpdData(DataRecipe(sources, items=8, height=48, width=64), seed=0, val_frames=1)
    found = [source for source, _ in data._items]
    assert (found.count(0), found.count(1)) == (6, 2)
    assert sorted(frame for source, frame in data._items if source == 0) == list(range(6))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.name=panda-tiny", "is not trained by task ppd"),
        ("model.name=ppd-tin", "model.name: no model 'ppd-tin'"),
        ("data.height=40", "height must be a multiple of 16, got 40"),
        ("data.sources=[]", "at least one data set"),
        ("data.sources=[{kind: kitti, root: x}]", "'kitti' is not a choice"),
        ("data.sources=[{kind: worlds, root: x, share: 0}]", "share must be positive"),
        ("run.metric=rms", "no metric 'rms'"),
    ],
)
def test_what_is_wrong_is_named(
    small: Callable[..., PpdRecipe], override: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        prepare(small("ppd-pretrain", override))


def test_a_mixture_needs_its_size(small: Callable[..., PpdRecipe], worlds: str) -> None:
    two = f"data.sources=[{{kind: worlds, root: {worlds}}}, {{kind: worlds, root: {worlds}}}]"
    with pytest.raises(RecipeError, match="items must be given for 2 sources"):
        small("ppd-pretrain", two, "data.items=null")


def test_missing_data_are_found_before_the_run(small: Callable[..., PpdRecipe]) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        prepare(small("ppd-pretrain", "data.sources=[{kind: worlds, root: nowhere}]"))
