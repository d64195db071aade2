"""The package as a whole: versions, lists of files, imports, layers."""

from __future__ import annotations

import ast
import os
import py_compile
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

import pytest

import depth_perception

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "depth_perception"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted(
    [ROOT / "setup.py", *MODULES]
    + [path for name in ("benchmarks", "launch", "test") for path in (ROOT / name).rglob("*.py")]
)

# A folder or file imports only from its own level and from earlier ones.
LEVELS = (
    ("depth_space", "interrupts", "lazy", "limits", "options", "plain_yaml", "segment_classes"),
    ("geometry",),
    ("prediction",),
    ("io", "layers"),
    ("backends",),
    ("scale",),
    ("systems",),
    ("data",),
    ("evaluation",),
    ("training",),
    ("ros",),
    ("bench",),
    ("cli", "demo"),
)

ROS_MODULES = {"ament_index_python", "builtin_interfaces", "cv_bridge", "launch", "launch_ros"}
ROS_MODULES |= {"message_filters", "rclpy", "rosbag2_py", "sensor_msgs_py", "tf2_ros"}
ROS_MODULES |= {"tf_transformations"}
# depth-perception scenes and HEIC images; the errors say how to get them
OPTIONAL = {"open_clip", "pillow_heif"}
# Where the distribution is not named as its module.
DISTRIBUTIONS = {"cv2": "opencv-python-headless", "yaml": "pyyaml", "PIL": "pillow"}
DISTRIBUTIONS |= dict.fromkeys(("backports", "compression", "lz4"), "rosbags")  # its own


def _cmake_lists() -> str:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.sub(r"#.*", "", text)


def _package_xml() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


def _console_scripts() -> dict[str, str]:
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "entry_points":
            lines = ast.literal_eval(node.value)["console_scripts"]
            return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines)
    raise AssertionError("setup.py has no entry_points")


def _requirements(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    stated = [text for line in lines if (text := line.partition("#")[0].strip())]
    return {re.split(r"[\[<>=~!]", text)[0].lower(): text for text in stated}


def _imports(path: Path) -> Iterator[str]:
    """Absolute names of all modules that a file imports when it runs, wherever in the file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    for node in _running(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parts[: len(parts) - node.level])
            if node.module:
                yield f"{base}.{node.module}"
            else:
                yield from (f"{base}.{alias.name}" for alias in node.names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """A syntax tree without what stands under ``if TYPE_CHECKING``."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _running(child)


def _is_ros(module: str) -> bool:
    top = module.partition(".")[0]
    generated = module.startswith("depth_perception.msg")
    return generated or top in ROS_MODULES or top.endswith(("_msgs", "_interfaces", "_srvs"))


def test_one_version_everywhere() -> None:
    version = _package_xml().findtext("version")
    changelog = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    setup = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert depth_perception.__version__ == version
    assert setup.stdout.split()[-1] == version
    assert re.search(r"^(\d+\.\d+\.\d+)\b.*\n-+$", changelog, re.MULTILINE).group(1) == version


def test_package_xml_says_what_ros_tools_need() -> None:
    root = _package_xml()
    assert root.get("format") == "3"
    assert root.findtext("name") == "depth_perception"
    assert root.findtext("license") == "Apache-2.0"
    assert (ROOT / root.find("license").get("file")).is_file()
    assert root.findtext("member_of_group") == "rosidl_interface_packages"
    assert root.findtext("export/build_type") == "ament_cmake"
    assert (ROOT / "resource" / "depth_perception").is_file()


RUN_TIME = ("depend", "exec_depend")
# Declared but not imported yet. The issue "The real ROS world" decides which of them come into use;
# until then rosdep installs them, as it did before.
KEPT_ON_PURPOSE = {"cv_bridge", "message_filters", "sensor_msgs_py", "tf_transformations"}
# rosdep keys of Python packages whose module has another name
MODULES_OF_KEYS = {"opencv": "cv2", "pil": "PIL"}
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.py"))
TEST_FILES = sorted((ROOT / "test").rglob("*.py"))


def _declared(*kinds: str) -> set[str]:
    """Packages that package.xml declares with one of these kinds of dependency."""
    return {str(node.text) for node in _package_xml() if node.tag in kinds}


def _imported_ros(paths: Iterable[Path]) -> set[str]:
    names = {name for path in paths for name in _imports(path) if _is_ros(name)}
    return {name.partition(".")[0] for name in names} - {"depth_perception"}


def _python_keys(paths: Iterable[Path]) -> set[str]:
    """rosdep keys ``python3-NAME`` of the Python packages that these files import."""
    keys = {module: key for key, module in MODULES_OF_KEYS.items()}
    modules = {name.partition(".")[0] for path in paths for name in _imports(path)}
    return {f"python3-{keys.get(module, module)}" for module in modules}


def _found_by_cmake() -> set[str]:
    return set(re.findall(r"find_package\((\w+)", _cmake_lists()))


def _exported_by_cmake() -> set[str]:
    exported = re.findall(r"ament_export_dependencies\(([\w\s]+)\)", _cmake_lists())
    return {name for names in exported for name in names.split()}


def _started_by_launch_files() -> set[str]:
    """Packages of the nodes that launch files start: ``Node(package="...")``."""
    return {
        node.value.value
        for path in [*MODULES, *LAUNCH_FILES]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "package"
        if isinstance(node.value, ast.Constant)
    }


def test_package_xml_declares_every_ros_package_that_is_used() -> None:
    run = _imported_ros([*MODULES, *LAUNCH_FILES]) | _started_by_launch_files()
    assert "rclpy" in run, "the scan for imports is broken"
    missing = (run | _exported_by_cmake()) - _declared(*RUN_TIME)
    assert not missing, f"used but not in package.xml: {sorted(missing)}"
    missing = _imported_ros(TEST_FILES) - _declared(*RUN_TIME, "test_depend")
    assert not missing, f"imported by tests but not in package.xml: {sorted(missing)}"
    assert "ament_cmake" in _found_by_cmake(), "the scan of CMakeLists.txt is broken"
    missing = _found_by_cmake() - _declared(
        "buildtool_depend", "build_depend", "depend", "test_depend"
    )
    assert not missing, f"find_package but not in package.xml: {sorted(missing)}"


def test_package_xml_declares_nothing_that_is_not_used() -> None:
    declared = [str(node.text) for node in _package_xml() if node.tag.endswith("depend")]
    assert len(declared) == len(set(declared)), "package.xml declares a package twice"
    cmake = _found_by_cmake()
    run = _imported_ros([*MODULES, *LAUNCH_FILES]) | _python_keys(MODULES)
    run |= _started_by_launch_files() | _exported_by_cmake() | KEPT_ON_PURPOSE
    plugins = {f"python3-{name}" for name in _requirements("dev") if name.startswith("pytest-")}
    used = {
        "buildtool_depend": cmake,
        "build_depend": cmake,
        "depend": cmake & run,
        "exec_depend": run - cmake,
        "test_depend": cmake | _imported_ros(TEST_FILES) | _python_keys(TEST_FILES) | plugins,
    }
    for kind, packages in used.items():
        idle = _declared(kind) - packages
        assert not idle, f"package.xml declares as {kind} what nothing uses so: {sorted(idle)}"
    assert set(used) >= {node.tag for node in _package_xml() if node.tag.endswith("depend")}


def test_packages_kept_on_purpose_are_declared_and_not_used() -> None:
    assert _declared("exec_depend") >= KEPT_ON_PURPOSE
    used = KEPT_ON_PURPOSE & _imported_ros(MODULES)
    assert not used, f"in use now, take them out of KEPT_ON_PURPOSE: {sorted(used)}"


def test_every_message_is_built() -> None:
    listed = set(re.findall(r'"(msg/\w+\.msg)"', _cmake_lists()))
    assert listed == {f"msg/{path.name}" for path in (ROOT / "msg").glob("*.msg")}


def test_everything_installed_exists() -> None:
    folders = re.search(r"install\(DIRECTORY ([\w\s]+?) DESTINATION share/", _cmake_lists()).group(
        1
    )
    for folder in folders.split():
        assert any((ROOT / folder).iterdir()), f"{folder}/ is empty"


def test_executables_are_the_same_everywhere() -> None:
    scripts = {path.name: path for path in (ROOT / "scripts").iterdir() if path.is_file()}
    programs = re.search(r"install\(PROGRAMS([^)]*?)DESTINATION", _cmake_lists()).group(1).split()
    commands = _console_scripts()
    assert sorted(programs) == sorted(f"scripts/{name}" for name in scripts)
    assert set(commands) == {*scripts, "depth-perception"}
    for name, path in scripts.items():
        module, _, function = commands[name].partition(":")
        assert os.access(path, os.X_OK), f"{path} is not executable"
        assert f"from {module} import {function}\n" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("target", sorted(_console_scripts().values()))
def test_entry_point_exists(target: str) -> None:
    module, _, function = target.partition(":")
    path = ROOT / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert function in names


def test_pre_commit_runs_the_ruff_of_the_requirements() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"\[(ruff==[\d.]+)\]", hooks)) == {_requirements("dev")["ruff"]}


def test_requirements_name_every_imported_library() -> None:
    named = {*_requirements("run"), *_requirements("backends"), *_requirements("drive")}
    known = sys.stdlib_module_names | OPTIONAL | {"depth_perception"}
    for path in MODULES:
        for name in _imports(path):
            top = name.partition(".")[0]
            if top in known or _is_ros(name):
                continue
            assert DISTRIBUTIONS.get(top, top) in named, f"{path.relative_to(ROOT)} imports {top}"


@pytest.mark.parametrize("path", sorted((ROOT / "msg").glob("*.msg")), ids=lambda path: path.stem)
def test_every_message_field_is_explained(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    for line in lines:
        field = line.split("#")[0].strip()
        if field and field != "std_msgs/Header header":
            assert "# " in line, f"{path.name}: {field!r} has no comment"


def test_ros_is_imported_only_in_its_folder() -> None:
    for path in MODULES:
        if not {PACKAGE / "ros", PACKAGE / "bench" / "ros"} & {*path.parents}:
            found = [name for name in _imports(path) if _is_ros(name)]
            assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_a_module_imports_only_from_lower_levels() -> None:
    level = {name: number for number, names in enumerate(LEVELS) for name in names}
    unknown = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert unknown - set(level) <= {"__init__"}
    for path in MODULES:
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in _imports(path):
            top, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if top == "depth_perception" and other in level and own in level:
                assert level[other] <= level[own], f"{path.relative_to(ROOT)} imports {name}"


def _modules_named_in(path: Path, known: Set[str]) -> set[str]:
    """Modules of the package that a file imports, wherever in it, for types too."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = [*parts[: len(parts) - node.level], *filter(None, [node.module])]
            base = base if node.level else [str(node.module)]
            for alias in node.names:
                name = ".".join((*base, alias.name))
                found.add(name if name in known else ".".join(base))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known


def test_no_modules_import_each_other() -> None:
    """In a circle, that is, even where Python would bear it."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in MODULES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    left = {name: _modules_named_in(path, names.keys()) - {name} for name, path in names.items()}
    assert sum(map(len, left.values())) > len(names), "hardly any imports found"
    while free := {name for name, imported in left.items() if not imported & left.keys()}:
        left = {name: imported for name, imported in left.items() if name not in free}
    assert not left, f"among these are modules that import each other: {sorted(left)}"


def test_import_is_light() -> None:
    code = (
        "import sys, depth_perception\n"
        "heavy = {'torch', 'numpy', 'cv2', 'rclpy', 'timm'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_exports_exist() -> None:
    for name in depth_perception.__all__:
        assert getattr(depth_perception, name) is not None


def test_everything_compiles_without_warnings(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in SOURCES:
            py_compile.compile(str(path), cfile=str(tmp_path / "compiled.pyc"), doraise=True)


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in SOURCES
        if (lines := path.read_text(encoding="utf-8").count("\n")) >= 500
    }
    assert not long
