"""What README.md says against what the package does."""

from __future__ import annotations

import re
from pathlib import Path

import depth_perception as dp

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = re.compile(r"(?<=the catalogue -->\n)(.*?)(?=\n<!-- /models -->)", re.DOTALL)

HEADER = (
    "| model | returns | up to | camera | parameters | licence of the weights | weights |\n"
    "|---|---|---|---|---|---|---|"
)


def model_table() -> str:
    """The catalogue as it stands in README.md."""
    rows = [HEADER]
    for card in dp.models():
        returns = "range" if card.kind is dp.DepthKind.RANGE else "z"
        if not card.is_metric:
            inverse = card.space is dp.DepthSpace.INVERSE_DEPTH
            returns = f"relative {'1/z' if inverse else returns}"
        if card.is_panoptic:
            returns = f"segments, {returns}" if card.has_depth else "segments"
        limit = f"{card.max_depth_m:.0f} m" if card.max_depth_m else "-"
        way = "`weights fetch`" if card.hub_repo else "by hand" if card.home_page else "-"
        rows.append(
            f"| `{card.name}` | {returns} | {limit} | {card.camera} "
            f"| {card.parameters / 1e6:.1f} M | {card.weights_licence} "
            f"| {'in the package' if card.embedded else way} |"
        )
    return "\n".join(rows)


def test_table_of_models_is_the_catalogue() -> None:
    table = TABLE.search(README)
    assert table is not None
    assert table.group(1) == model_table(), "python test/test_readme.py writes the new table"


def test_linked_files_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) > 3
    missing = [link for link in links if not (ROOT / link).is_file()]
    assert not missing


def test_commands_exist() -> None:
    from depth_perception.cli.main import COMMANDS

    named = set(re.findall(r"^depth-perception (\w+)", README, re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^make (\w+)", README + contributing, re.MULTILINE))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:.*## ", makefile, re.MULTILINE) for target in named)


if __name__ == "__main__":
    (ROOT / "README.md").write_text(TABLE.sub(lambda _: model_table(), README), encoding="utf-8")
