"""Networks of preprocessors fetched by the commands that errors name, and found where they then stand."""

from __future__ import annotations

from pathlib import Path

from easel.core.settings import read_settings
from easel.models.download.names import folder_for
from easel.models.download.web import Web
from easel.models.library.names import Library
from easel.models.readers.files import found_for
from easel.models.readers.needs import ANYTHING_2, HED, PEOPLE
from tests.models.download.downloading import brought, planned
from tests.models.download.downloading import server as server
from tests.models.download.downloading import web as web
from tests.sites import Server


def test_a_transformers_folder_comes_with_its_configs(server: Server, web: Web, tmp_path: Path) -> None:
    files = {"config.json": b"{}", "preprocessor_config.json": b"{}", "README.md": b"about", "model.safetensors": b"w"}
    server.put_repository(ANYTHING_2.repository, files)
    made = planned(f"hf:{ANYTHING_2.repository}", web, kind="preprocessor")
    assert made.folder and {wanted.name for wanted in made.files} == files.keys() - {"README.md"}
    brought(made, folder_for(tmp_path, made.kind), web)
    found = found_for(ANYTHING_2, Library(read_settings(models=tmp_path)))
    assert found == tmp_path / "preprocessors/Depth-Anything-V2-Small-hf"


def test_single_files_come_as_they_are_called(server: Server, web: Web, tmp_path: Path) -> None:
    for need in (HED, PEOPLE):
        server.put_repository(need.repository, {need.name: b"weights", "other.pth": b"other"})
        made = planned(need.get.split()[3], web, kind="preprocessor")
        brought(made, folder_for(tmp_path, made.kind), web)
        assert found_for(need, Library(read_settings(models=tmp_path))) == tmp_path / "preprocessors" / need.name
