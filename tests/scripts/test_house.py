"""Rules of the house that can be read off the tree."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PROGRAMS = [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]
SCRIPTS = [ROOT / "easel.sh", ROOT / "test.sh", ROOT / ".ci" / "run", *sorted((ROOT / "scripts").iterdir())]
TEXTS = {".py", ".md", ".toml", ".txt", ".json", ".csv", ".sh", ".cfg", ".yml", ""}
LONGEST = 400  # lines


def committed() -> list[Path]:
    """Return the files of the project: those git knows or would take, else everything outside hidden folders."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
        return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    return [file for file in ROOT.rglob("*") if file.is_file() and not {".venv", ".git"} & set(file.parts)]


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_no_source_file_has_more_than_400_lines() -> None:
    lengths = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in SOURCES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [name_of(file) for file in PROGRAMS if not ast.get_docstring(ast.parse(file.read_bytes()))]
    assert silent == []


def test_every_package_says_its_floor() -> None:
    packages = [folder for folder in (ROOT / "src" / "easel").iterdir() if (folder / "__init__.py").exists()]
    assert len(packages) >= 14
    for folder in packages:
        assert re.match(
            r"Floor [0-7]|Training", ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
        ), folder


def test_the_map_names_every_folder() -> None:
    text = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    folders = {file.relative_to(ROOT).parts[0] for file in committed() if file.parent != ROOT}
    inside = [file.relative_to(ROOT / "src" / "easel") for file in SOURCES]
    folders |= {folder.name for file in inside for folder in file.parents if folder.name}
    folders -= {"src"}
    assert [folder for folder in sorted(folders) if f"{folder}/" not in text] == []


def test_the_map_names_no_folder_that_is_not_there() -> None:
    text = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    named = re.findall(r"^ {4,8}([a-z]+)/ ", text, re.MULTILINE)
    assert len(named) >= 15
    house = ROOT / "src" / "easel"
    floors = [floor for floor in house.iterdir() if floor.is_dir()]
    there = {folder.name for place in (ROOT, house, *floors) for folder in place.iterdir() if folder.is_dir()}
    assert [name for name in named if name not in there] == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{name_of(page)}: {target}"


def test_nothing_names_a_machine_or_a_package_host() -> None:
    hosts = "|".join(
        [r"pypi\.org", r"pythonhosted\.org", r"download\.pytorch\.org", r"registry\.npmjs", r"deb\.debian\.org"]
    )
    places = "|".join(
        ["/root" + "/", "/home" + "/[a-z]+/", "/work" + "/(main|shared|.library)", "/opt" + "/(wheels|pypi)"]
    )
    pattern = re.compile(f"{hosts}|(?<![\\w.]){places}")
    found = [
        f"{name_of(file)}: {match.group()}"
        for file in committed()
        if file.suffix in TEXTS and file != Path(__file__)
        for match in pattern.finditer(file.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_every_dependency_is_explained_and_pinned() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    names = {re.split(r"[^\w.-]", one)[0] for one in wanted} - {"easel"}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").casefold()
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").casefold()
    assert [name for name in sorted(names) if f"| {name} |" not in page] == []
    assert [name for name in sorted(names) if f"\n{name}==".replace("_", "-") not in pins.replace("_", "-")] == []


def test_the_wheel_carries_every_file_of_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("easel/")}
    source = ROOT / "src"
    assert packed == {file.relative_to(source).as_posix() for file in committed() if source in file.parents}
    assert {".css", ".js", ".toml", ".html", ".so", ".safetensors"} <= {Path(name).suffix for name in packed}


def test_the_scripts_are_sound_shell() -> None:
    for script in SCRIPTS:
        assert script.stat().st_mode & 0o111, f"{name_of(script)} cannot be run"
        subprocess.run(["sh", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", *SCRIPTS], check=True)


@pytest.mark.parametrize("package", ["core", "prompt", "jobs", "api", "cli", "cli.main", "app"])
def test_floors_that_load_no_torch(package: str) -> None:
    program = (
        f"import sys, easel.{package}; sys.exit(bool({{'torch', 'diffusers', 'transformers'}} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
