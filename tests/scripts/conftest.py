"""A small project of its own beside the real scripts: packages of no weight stand in for torch and the build tool."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

ROOT = Path(__file__).parents[2]

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "easel"
version = "0.1.0"
"""

CONSTRAINTS = "hatchling==1.0\ntorch==2.13.0\n"

EASEL = "import sys\n\ndef main():\n    print('drew', *sys.argv[1:])\n"

BUILD = """
import zipfile
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    about = "easel-0.1.0.dist-info"
    files = {
        "easel.pth": str(Path("src").resolve()),
        f"{about}/METADATA": "Metadata-Version: 2.1\\nName: easel\\nVersion: 0.1.0\\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{about}/entry_points.txt": "[console_scripts]\\neasel = easel:main\\n",
    }
    with zipfile.ZipFile(Path(folder) / "easel-0.1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{about}/RECORD", "".join(f"{name},,\\n" for name in [*files, f"{about}/RECORD"]))
    return "easel-0.1.0-py3-none-any.whl"
"""


@dataclass(frozen=True)
class Ran:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.err.splitlines()[-1]


@dataclass(frozen=True)
class House:
    """A checkout with the real easel.sh and scripts/install, and the packages that its pip may find."""

    folder: Path
    wheels: Path

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def start(self, *arguments: str, **variables: str) -> Popen[str]:
        """Start ./easel.sh with nothing of this machine's own pip settings, in a process group of its own."""
        environment = {
            "PATH": f"{Path(sys.executable).resolve().parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            **variables,
        }
        environment = {name: value for name, value in environment.items() if value}
        command = [str(self.folder / "easel.sh"), *arguments]
        return Popen(command, stdout=PIPE, stderr=PIPE, text=True, env=environment, start_new_session=True)

    def run(self, *arguments: str, **variables: str) -> Ran:
        """Run ./easel.sh to its end."""
        return ended(self.start(*arguments, **variables))


def ended(process: Popen[str]) -> Ran:
    out, err = process.communicate(timeout=120)
    return Ran(process.returncode, out, err)


def build_house(folder: Path) -> House:
    """Return a new checkout in `folder`."""
    house = House(folder / "a house", folder / "wheels")
    (house.folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "easel.sh", house.folder)
    shutil.copy(ROOT / "scripts" / "install", house.folder / "scripts")
    (house.folder / "pyproject.toml").write_text(PYPROJECT)
    (house.folder / "constraints.txt").write_text(CONSTRAINTS)
    (house.folder / "src" / "easel").mkdir(parents=True)
    (house.folder / "src" / "easel" / "__init__.py").write_text(EASEL)
    house.wheels.mkdir()
    pack(house.wheels, "torch", "2.13.0", {"torch.py": ""})
    pack(house.wheels, "hatchling", "1.0", {"hatchling/__init__.py": "", "hatchling/build.py": BUILD})
    return house


def pack(folder: Path, name: str, version: str, files: Mapping[str, str]) -> None:
    """Write a wheel."""
    about = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)
        wheel.writestr(f"{about}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{about}/RECORD"]))


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A checkout with nothing installed."""
    return build_house(tmp_path)
