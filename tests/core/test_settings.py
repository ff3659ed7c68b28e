"""Settings: arguments before environment before file before defaults, and faults in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from easel.core.errors import BadValue, UnknownName
from easel.core.settings import Settings, read_settings, settings_file


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of a person without any EASEL_ variable."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"EASEL_{name.upper()}", raising=False)
    monkeypatch.delenv("EASEL_SETTINGS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "easel").mkdir()
    return tmp_path / "easel" / "easel.toml"


def test_defaults_without_a_file(file: Path) -> None:
    assert settings_file() == file
    assert read_settings() == Settings.model_construct()


def test_arguments_win_over_environment_over_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('outputs = "from-file"\nthreads = 1\nmax_rows = 2\n')
    monkeypatch.setenv("EASEL_THREADS", "3")
    monkeypatch.setenv("EASEL_MAX_ROWS", "4")
    settings = read_settings(max_rows=5)
    assert (settings.outputs, settings.threads, settings.max_rows) == (Path("from-file"), 3, 5)


def test_easel_settings_names_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = file.with_name("other.toml")
    other.write_text('device = "cpu"\n')
    monkeypatch.setenv("EASEL_SETTINGS", str(other))
    assert read_settings().device == "cpu"


def test_a_named_file_must_exist(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_SETTINGS", str(file.with_name("none.toml")))
    with pytest.raises(BadValue, match="allowed is a file that exists"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EASEL_DEVICE", "gpu", "setting device is 'gpu', allowed is 'auto', 'cpu', 'cuda' or 'mps'."),
        ("EASEL_THREADS", "two", "setting threads is 'two', allowed is a whole number."),
        ("EASEL_THREADS", "-1", "setting threads is '-1', allowed is at least 0."),
        ("EASEL_MAX_ROWS", "0", "setting max_rows is '0', allowed is at least 1."),
    ],
)
def test_a_bad_value_is_named(file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadValue) as caught:
        read_settings()
    assert str(caught.value) == message


def test_an_unknown_setting_in_the_file_names_the_nearest(file: Path) -> None:
    file.write_text('output = "x"\n')
    with pytest.raises(UnknownName, match="setting 'output' is not known; nearest 'outputs'"):
        read_settings()


def test_an_unknown_argument_is_refused(file: Path) -> None:
    with pytest.raises(UnknownName, match="setting 'devise' is not known; nearest 'device'"):
        read_settings(devise="cpu")


def test_variables_of_the_scripts_are_no_settings(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_VENV", "/elsewhere")
    monkeypatch.setenv("EASEL_TORCH_INDEX", "https://mirror.invalid/cpu")
    assert read_settings() == Settings.model_construct()


@pytest.mark.parametrize("content", [b"outputs = [", b'outputs = "\xff"', b"\x00"])
def test_a_broken_file_is_one_line(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(BadValue) as caught:
        read_settings()
    assert caught.value.message.startswith(f"settings file is '{str(file)[:20]}")
    assert caught.value.message.isprintable()


def test_a_folder_in_place_of_the_file_is_no_file(file: Path) -> None:
    file.mkdir()
    assert read_settings() == Settings.model_construct()


def test_settings_are_frozen(file: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings().threads = 2  # type: ignore[misc]
