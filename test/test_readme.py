"""README.md and docs/ against what the package does."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import depth_perception as dp
from depth_perception.options import Option, options
from depth_perception.systems import EstimatorOptions, systems
from depth_perception.systems import card as card_of
from depth_perception.systems.sources import page_of, remote_files, terms_of

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MODELS = DOCS / "models.md"
CARDS = sorted((ROOT / "depth_perception" / "assets").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")), *CARDS]
TABLE = re.compile(r"(?<=the catalogue -->\n)(.*?)(?=<!-- /models -->)", re.DOTALL)
LINES_OF_README = 120
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the normalised network input

HEADER = (
    "| model | output | up to | camera | parameters | file | licence of the code "
    "| licence of the weights | source | `weights` | stated by the authors |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def flags_of(card: dp.ModelCard) -> list[str]:
    """The flags that `weights fetch` needs in an empty folder, for the model and its needs."""
    cards = [card, *(card_of(name) for name in card.needs)]
    known = all(remote.is_known for one in cards for remote in remote_files(one))
    flags = ["--accept-licence"] if any(terms_of(one) for one in cards) else []
    return flags if known else [*flags, "--trust"]


def source_of(card: dp.ModelCard) -> str:
    """Where the weights are, as a link."""
    if card.embedded:
        return "in the package"
    if not card.can_be_fetched:
        return f"[by hand]({card.home_page})" if card.home_page else "-"
    kind = "hub" if card.hub_repo else "git" if card.git_repo else "Drive"
    return f"[{kind}]({page_of(card)})"


def model_table() -> str:
    """The table of docs/models.md, made from the catalogue."""
    rows = [HEADER]
    for card in dp.models():
        if card.for_tests:
            continue
        returns = "range" if card.kind is dp.DepthKind.RANGE else "z"
        if card.scale is dp.ScaleKind.SCALE_INVARIANT:
            returns += " up to a factor"
        elif not card.is_metric:
            inverse = card.space is dp.DepthSpace.INVERSE_DEPTH
            returns = f"relative {'1/z' if inverse else returns}"
        if card.is_panoptic:
            returns = f"segments, {returns}" if card.has_depth else "segments"
        limit = f"{card.max_depth_m:.0f} m" if card.max_depth_m else "-"
        size = "-"
        if card.size_bytes:
            size = f"{card.size_bytes / 1e6:.0f} MB"
        way = f"`{' '.join(['fetch', *flags_of(card)])}`" if card.can_be_fetched else "-"
        rows.append(
            f"| `{card.name}` | {returns} | {limit} | {card.camera} "
            f"| {card.parameters / 1e6:.1f} M | {size} | {card.licence} | {card.weights_licence} "
            f"| {source_of(card)} | {way} | {card.stated or '-'} |"
        )
    return "\n".join(rows) + "\n"


OPTIONS = re.compile(r"(?<=<!-- options: )(\w+)(;.*?-->\n)(.*?)(?=<!-- /options -->)", re.DOTALL)
FLAGS = {"output_size": "`--resize`"}  # the only option whose flag has another name


def options_of_all(system: str) -> type:
    """The options class of a system, that of the model with most options."""
    found = systems()[system]
    return max(map(found.options_class, found.models), key=lambda kind: len(list(options(kind))))


def options_table(system: str) -> str:
    """The options that a system adds to those of all models, or (``all``) these."""
    common = {name for name, _, _ in options(EstimatorOptions)}
    if system == "all":
        kind, left_out = EstimatorOptions, set()
    else:
        kind, left_out = options_of_all(system), common
    rows = ["| option | default | values | flag | meaning |", "|---|---|---|---|---|"]
    for option_name, said, default in options(kind):
        if option_name in left_out:
            continue
        flag = FLAGS.get(option_name, f"`--{option_name.replace('_', '-')}`")
        shown = "-" if default is None else f"`{default}`"
        values = ", ".join(said.choices) or limits(said)
        unit = f" {said.unit}" if said.unit and default is not None else ""
        rows.append(
            f"| `{option_name}` | {shown}{unit} | {values} "
            f"| {'-' if said.library_only else flag} | {said.text} |"
        )
    return "\n".join(rows) + "\n"


def limits(said: Option) -> str:
    """The range of an option for people, without limits that nobody reaches."""
    low, high = said.minimum, said.maximum
    if low is not None and 0 < low < 1e-6:
        return "positive" if high is None else f"above 0, at most {high:g}"
    return dataclasses.replace(said, maximum=high if (high or 0) < 1e6 else None).limits


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub makes of the headings of a page."""
    found = set()
    for title in re.findall(r"^#+ (.+)$", without_code(text_of(page)), re.MULTILINE):
        kept = re.sub(r"[^\w\- ]", "", title.lower())
        found.add(kept.replace(" ", "-"))
    return found


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """Targets of the links and images of a page that lead to files."""
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(page)))
    return [target for target in targets if "://" not in target]


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a language (empty: those without one)."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_table_of_models_is_the_catalogue() -> None:
    table = TABLE.search(text_of(MODELS))
    assert table is not None
    assert table.group(1) == model_table(), "python test/test_readme.py writes the new table"


def test_table_of_models_names_every_model() -> None:
    table = TABLE.search(text_of(MODELS))
    assert table is not None
    named = re.findall(r"^\| `([^`]+)`", table.group(1), re.MULTILINE)
    assert named == [card.name for card in dp.models() if not card.for_tests]


def test_documented_downloads_have_the_flags_they_need() -> None:
    found = []
    for page in PAGES:
        for model, flags in re.findall(r"weights fetch ([\w.-]+)((?: --[\w-]+)*)", text_of(page)):
            if model != "NAME":
                found.append(model)
                assert flags.split() == flags_of(card_of(model)), f"{name(page)}: {model}"
    assert len(found) > 20


def test_tables_of_options_are_the_options() -> None:
    found = {page: OPTIONS.findall(text_of(page)) for page in PAGES}
    shown = {system: table for tables in found.values() for system, _, table in tables}
    with_own = {
        name
        for name in systems()
        if len(list(options(options_of_all(name)))) > len(list(options(EstimatorOptions)))
    }
    assert shown.keys() == {"all", *with_own}
    for system, table in shown.items():
        assert table == options_table(system), "python test/test_readme.py writes the new table"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (heading and heading not in anchors(target)):
            broken.append(link)
    assert not broken, f"{name(page)}: {broken}"


def test_readme_is_short_and_shows_a_picture() -> None:
    assert text_of(ROOT / "README.md").count("\n") <= LINES_OF_README
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text_of(ROOT / "README.md"))
    assert pictures
    assert sum((ROOT / path).stat().st_size for path in pictures) < 2.5e6


def test_every_page_can_be_reached_from_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(index.parent / link).resolve() for link in links(index)}
    missing = [name(page) for page in DOCS.rglob("*.md") if page != index and page not in linked]
    assert not missing, f"not in docs/index.md: {missing}"
    assert index in {(ROOT / link).resolve() for link in links(ROOT / "README.md")}


def test_every_system_and_node_has_a_page() -> None:
    systems = {path.parent.name for path in (ROOT / "depth_perception/systems").glob("*/*.py")}
    assert systems == {page.stem for page in (DOCS / "systems").glob("*.md")}
    nodes = {path.stem for path in (ROOT / "scripts").iterdir() if path.stem.endswith("_depth")}
    assert nodes == {page.stem for page in (DOCS / "nodes").glob("*.md")} - {"index"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_models_and_recipes_exist(page: Path) -> None:
    from depth_perception.cli.main import COMMANDS
    from depth_perception.training.recipe import packaged_recipes

    known = {card.name for card in dp.models()}
    code = "\n".join(blocks(page, "") + blocks(page, "bash"))
    commands = set(re.findall(r"^(?:\$\()?depth-perception (\w+)", code, re.MULTILINE))
    assert commands <= set(COMMANDS)
    models = set(re.findall(r"(?:infer .*--model |model:=|eval |fetch )([\w.-]+)", code)) - {"NAME"}
    assert models <= known
    recipes = set(re.findall(r"depth-perception train ([\w-]+)(?=\s|$)", code))
    assert recipes <= set(packaged_recipes())


FIGURES = sorted((DOCS / "figures").glob("*.py"))


@pytest.mark.parametrize("page", [*PAGES, *FIGURES], ids=name)
def test_examples_and_figures_import_what_exists(page: Path) -> None:
    for code in [text_of(page)] if page in FIGURES else blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("depth_perception"):
                module = import_module(str(node.module))
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{node.module} has no {missing}"


def test_every_folder_is_in_the_architecture() -> None:
    text = text_of(DOCS / "architecture.md")
    packages = {path.parent for path in (ROOT / "depth_perception").glob("*/*.py")}
    packages |= {path.parent for path in (ROOT / "depth_perception" / "ros").glob("*/*.py")}
    missing = [name(folder) for folder in packages if f"{folder.name}/`" not in text]
    assert not missing, f"not in docs/architecture.md: {sorted(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_files_and_objects_exist(page: Path) -> None:
    text = without_code(text_of(page))
    folders = "depth_perception|config|test|docs|tools|scripts"
    for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", text):
        if "NAME" not in path:
            assert (ROOT / path).exists(), f"{name(page)} names {path}"
    for dotted in re.findall(r"`(depth_perception(?:\.\w+)+)`", text):
        parts, found = dotted.split("."), dp
        for number, part in enumerate(parts[1:], 2):
            if not hasattr(found, part):
                import_module(".".join(parts[:number]))
            found = getattr(found, part)


def test_example_of_adding_a_model_runs(tmp_path: Path) -> None:
    page = text_of(DOCS / "adding-a-model.md")
    files = re.findall(r"^`([\w/]+\.py)`:\n\n```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert {path.rpartition("/")[2] for path, _ in files} >= {"system.py", "network.py"}
    for path, code in files:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(code, encoding="utf-8")
    (point,) = re.findall(r'^ramp = "(.*)"$', page, re.MULTILINE)
    info = tmp_path / "ramp_depth-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ramp-depth\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[depth_perception.systems]\nramp = {point}\n")
    code = """
import numpy as np
import depth_perception as dp
from depth_perception.systems import build_network, save_network
save_network(build_network("ramp-depth"), "ramp.safetensors")
estimator = dp.load("ramp-depth", "ramp.safetensors", gain=2.0, precision="bfloat16")
print(float(estimator(np.zeros((28, 56, 3), np.uint8)).depth.mean()))
"""
    python_path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": python_path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    darkest = sum((0 - mean) / std for mean, std in zip(MEANS, DEVIATIONS, strict=True)) / 3
    assert abs(float(done.stdout) - 2 * (3 + 0.5 * darkest)) < 1e-4


def test_make_targets_exist() -> None:
    makefile = text_of(ROOT / "Makefile")
    code = "\n".join(block for page in PAGES for block in blocks(page, ""))
    named = set(re.findall(r"^make (\w+)", code, re.MULTILINE))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:.*## ", makefile, re.MULTILINE) for target in named)


if __name__ == "__main__":
    MODELS.write_text(TABLE.sub(lambda _: model_table(), text_of(MODELS)), encoding="utf-8")
    for page in PAGES:
        if OPTIONS.search(text := page.read_text(encoding="utf-8")):
            text = OPTIONS.sub(lambda match: match[1] + match[2] + options_table(match[1]), text)
            page.write_text(text, encoding="utf-8")
