"""Recipes are read completely or refused."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from depth_perception.training.recipe import load_recipe, packaged_recipes, task_module, tasks
from depth_perception.training.strict_mapping import RecipeError

SMALL = """
name: small
model: {name: panda-tiny}
data: {root: somewhere, sizes: [{start: 0, height: 28}, {start: 0.5, height: 56}]}
losses: [{kind: l1}]
run: {steps: 3}
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)


def test_every_packaged_recipe_is_valid() -> None:
    assert {"panda-teacher", "panda-tiny-metric"} <= set(packaged_recipes())
    for name in packaged_recipes():
        assert load_recipe(name).name == name


def test_every_task_has_a_packaged_recipe() -> None:
    assert {load_recipe(name).task for name in packaged_recipes()} == set(tasks())
    for task in tasks():
        assert callable(task_module(task).prepare)


def test_the_teacher_has_the_published_settings() -> None:
    teacher = load_recipe("panda-teacher")
    assert [(t.kind, t.weight) for t in teacher.losses] == [
        ("silog", 1.0),
        ("gradient", 1.0),
        ("epnl", 5.0),
    ]
    assert (teacher.optim.kind, teacher.optim.lr, teacher.optim.schedule.kind) == (
        "adam",
        1e-4,
        "constant",
    )
    assert (teacher.model.train, teacher.data.target, teacher.run.seed) == (
        "lora",
        "quantiles",
        100,
    )
    assert teacher.data.sizes[0].height == 504


def test_overrides_reach_nested_values(recipe_file: str) -> None:
    recipe = load_recipe(
        recipe_file, ["run.steps=7", "data.root=/data", "optim.lr=1e-3", "augment.yaw=false"]
    )
    assert (recipe.run.steps, recipe.data.root, recipe.optim.lr) == (7, "/data", 1e-3)
    assert recipe.augment.yaw is False
    assert recipe.data.sizes[1].height == 56
    with pytest.raises(FrozenInstanceError):
        recipe.run.steps = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task=pand", "task: no task 'pand'; did you mean 'panda'"),
        ("task=3", "task: no task 3; known: "),
        ("optim.schedule={kind: cosin}", "optim.schedule.kind: .* did you mean 'cosine'"),
        ("optim.schedule={kind: poly, final: 1}", "optim.schedule.final: unknown key"),
        ("optim.schedule=cosine", "optim.schedule: expected a mapping with a kind"),
        ("run.step=7", "run.step: unknown key; did you mean 'steps'"),
        ("optim.zzz=7", "unknown key; known: kind, lr"),
        ("losses=[{kind: silogg}]", r"losses\[0\].kind: 'silogg' is not a choice; did you mean"),
        ("run.steps=many", "run.steps: expected int, got 'many'"),
        ("run.steps=true", "run.steps: expected int, got True"),
        ("run.steps=0", "steps must be at least 1"),
        ("run.loaders=-1", "loaders must not be negative, got -1"),
        ("optim.betas=[0.9]", "expected 2 values, got 1"),
        ("optim.lr=fast", "expected a number"),
        ("losses=[]", "at least one loss"),
        ("losses=l1", "expected a list"),
        ("data=3", "data: expected a mapping"),
        ("data.sizes=[{start: 0.5, height: 28}]", "must start at 0"),
        ("data.sizes=[{start: 0, height: 30}]", "multiple of 14"),
        ("model={}", "model: missing name"),
        ("name.x=1", "not a mapping"),
        ("steps", "not of the form key=value"),
        ("run.steps=[", "has no YAML value"),
        ("losses=[{kind: l1, scales: 3}]", r"losses\[0\]: the loss l1 has no scales"),
        ("losses=[{kind: epnl, both_axes: true}]", "the loss epnl has no both_axes"),
    ],
)
def test_what_is_wrong_is_named(recipe_file: str, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe_file, [override])


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="panda-teacher"):
        load_recipe("panda-pupil")


@pytest.mark.parametrize("content", [b"a: [", b"name: \xff"])
def test_a_file_that_is_not_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match="not YAML"):
        load_recipe(str(path))


@pytest.mark.parametrize("overrides", [[], ["run.steps=1"]])
def test_a_file_without_a_mapping_is_refused(tmp_path: Path, overrides: list[str]) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    with pytest.raises(RecipeError, match="mapping, got None"):
        load_recipe(str(path), overrides)


@pytest.mark.parametrize(
    "text",
    ["", "- 1", "a: [", "\xff", "name: !!python/name:os.x", "[" * 5000, "a: 2024-13-45", "5"],
)
def test_a_file_that_is_no_recipe_costs_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "none.yaml"
    path.write_text(text, encoding="latin1")
    with pytest.raises(RecipeError, match=r"none\.yaml") as caught:
        load_recipe(str(path))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_values_of_a_recipe_are_quoted_shortly(recipe_file: str) -> None:
    laughs = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    Path(recipe_file).write_text(f"{laughs}{SMALL.replace('small', '*i')}")
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe_file)
    assert len(str(caught.value)) < 1000


def test_large_files_are_no_recipes(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"# " + b"a" * (1 << 19))
    with pytest.raises(RecipeError, match="DEPTH_PERCEPTION_PARAMETER_BYTES raises it"):
        load_recipe(str(path))
