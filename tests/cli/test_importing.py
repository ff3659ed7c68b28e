"""`easel models import-folder`: a line in the settings file, and nothing copied."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from easel.core.settings import read_settings, settings_file
from tests.cli.conftest import Easel


@pytest.fixture
def webui(home: Path) -> Path:
    """A folder of A1111's with two checkpoints and a LoRA, none of which anybody reads here."""
    root = home / "web ui"
    for file in ("Stable-diffusion/a.safetensors", "Stable-diffusion/b.ckpt", "Lora/c.safetensors"):
        (root / "models" / file).parent.mkdir(parents=True, exist_ok=True)
        (root / "models" / file).write_bytes(b"x")
    return root


def test_a_folder_is_added_once(easel: Easel, webui: Path) -> None:
    shown = easel("models", "import-folder", "web ui")
    assert shown.code == 0
    assert [" ".join(line.split()) for line in shown.lines[:3]] == [
        f"{webui} is a folder of A1111:",
        "2 models",
        "1 LoRA",
    ]
    assert shown.lines[3].startswith(f"Added to {settings_file()}") and "Nothing is copied" in shown.lines[3]
    assert read_settings().model_folders == (webui,)
    written = settings_file().read_bytes()
    for again in (str(webui), "./web ui/", f"{webui}/models/.."):
        assert "Stands already in" in easel("models", "import-folder", again).out
    assert settings_file().read_bytes() == written
    facts = json.loads(easel("models", "import-folder", str(webui), "--json").out)
    assert (facts["added"], facts["program"], facts["found"]) == (False, "A1111", {"checkpoint": 2, "lora": 1})


@pytest.mark.parametrize(
    ("before", "folders"),
    [
        ("# mine\nthreads = 2  # two\n", []),
        ('threads = 2\nmodel_folders = ["/one"]  # theirs\n', ["/one"]),
        ('threads = 2\nmodel_folders = [\n    "/one", # first\n    "/two",\n]\n', ["/one", "/two"]),
        (f'threads = 2\nmodel_folders = "/one{os.pathsep}/two"\n', ["/one", "/two"]),
    ],
)
def test_the_rest_of_the_settings_file_stays(easel: Easel, webui: Path, before: str, folders: list[str]) -> None:
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text(before, encoding="utf-8")
    assert easel("models", "import-folder", str(webui)).code == 0
    after = settings_file().read_text(encoding="utf-8")
    assert tomllib.loads(after) == {"threads": 2, "model_folders": [*folders, str(webui)]}
    assert [line.partition("#")[2] for line in before.splitlines() if "#" in line] == [
        line.partition("#")[2] for line in after.splitlines() if "#" in line
    ]
    assert read_settings().threads == 2
    assert list(settings_file().parent.iterdir()) == [settings_file()]


def test_a_linked_settings_file_stays_a_link(easel: Easel, webui: Path, home: Path) -> None:
    (home / "kept.toml").write_text("threads = 2\n", encoding="utf-8")
    settings_file().parent.mkdir(parents=True)
    settings_file().symlink_to(home / "kept.toml")
    assert easel("models", "import-folder", str(webui)).code == 0
    assert settings_file().is_symlink() and "web ui" in (home / "kept.toml").read_text(encoding="utf-8")


def test_a_wrong_folder_is_one_line(easel: Easel, home: Path) -> None:
    (home / "empty").mkdir()
    for folder in ("none", "empty"):
        shown = easel("models", "import-folder", folder)
        assert shown.code == 2 and shown.err.count("\n") == 1 and f"FOLDER is '{folder}'" in shown.err
    assert not settings_file().exists()


def test_settings_that_cannot_be_read_or_written_are_left_alone(easel: Easel, webui: Path) -> None:
    settings_file().parent.mkdir(parents=True)
    for content in ("thread = 2\n", "[", "\x00"):
        settings_file().write_text(content, encoding="utf-8")
        assert easel("models", "import-folder", str(webui)).code == 2
        assert settings_file().read_text(encoding="utf-8") == content
    settings_file().unlink()
    settings_file().parent.rmdir()
    settings_file().parent.write_text("a file where the folder should be", encoding="utf-8")
    assert easel("models", "import-folder", str(webui)).code in (1, 2)


def test_the_environment_s_folders_win_and_that_is_said(
    easel: Easel, webui: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASEL_MODEL_FOLDERS", "/one")
    assert "EASEL_MODEL_FOLDERS is set and wins" in easel("models", "import-folder", str(webui)).err
