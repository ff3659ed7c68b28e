"""What ships beside the program: the image, the service and the page about both are safe to run, and true."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile"
UNIT = ROOT / "deploy" / "easel.service"
PAGE = ROOT / "docs" / "remote.md"

Step = tuple[str, str]


def steps(text: str) -> list[Step]:
    """Return the instructions of a Dockerfile in order, continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


@pytest.fixture
def image() -> list[Step]:
    return steps(DOCKERFILE.read_text(encoding="utf-8"))


def last_stage(image: list[Step]) -> list[Step]:
    begin = max(at for at, (word, _) in enumerate(image) if word == "FROM")
    return image[begin:]


def test_the_image_has_two_stages_of_named_versions(image: list[Step]) -> None:
    bases = [rest for word, rest in image if word == "FROM"]
    assert len(bases) == 2 and bases[0].endswith(" AS build")
    assert all(re.match(r"python:\$\{PYTHON\}-slim-\w+", base) for base in bases)
    assert ("ARG", "PYTHON=3.12") in image
    assert any(word == "COPY" and "--from=build" in rest for word, rest in last_stage(image))


def test_the_image_runs_without_rights_and_says_how_it_is(image: list[Step]) -> None:
    stage = last_stage(image)
    user = [rest for word, rest in stage if word == "USER"]
    assert user == ["1000"]
    after = [word for word, _ in stage[stage.index(("USER", "1000")) :]]
    assert "RUN" not in after and "COPY" not in after and "ADD" not in after
    (health,) = (rest for word, rest in stage if word == "HEALTHCHECK")
    assert "http://127.0.0.1:7860/v1/healthz" in health and "--timeout=" in health
    assert ("VOLUME", '["/models", "/outputs", "/config"]') in stage
    assert ("EXPOSE", "7860") in stage
    assert ("ENTRYPOINT", '["easel"]') in stage and ("CMD", '["serve", "--listen"]') in stage


def test_torch_is_chosen_when_the_image_is_built(image: list[Step]) -> None:
    names = [rest.partition("=")[0] for word, rest in image if word == "ARG"]
    assert "TORCH_INDEX" in names
    installs = [rest for word, rest in image if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2 and '${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} torch' in installs[0]
    assert all("--constraint constraints.txt" in rest for rest in installs)


def test_no_secret_and_no_address_goes_into_the_image(image: list[Step]) -> None:
    assert not any(word == "ADD" for word, _ in image)
    for word, rest in image:
        if word in ("ARG", "ENV"):
            assert not re.search(r"TOKEN|PASSWORD|SECRET|AUTH|KEY", rest), rest


def test_what_is_copied_is_there_and_not_left_out(image: list[Step]) -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    copied = [rest.split()[:-1] for word, rest in image if word == "COPY" and "--from" not in rest]
    for source in (name for names in copied for name in names):
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source
    assert ignored[0] == "*" and not any(fnmatch(".git", line.removeprefix("!")) for line in ignored[1:])


def test_the_variables_of_the_image_are_settings(image: list[Step]) -> None:
    from easel.core.settings import Settings

    text = " ".join(rest for word, rest in last_stage(image) if word == "ENV")
    named = {name.lower() for name in re.findall(r"\bEASEL_(\w+)=", text)}
    assert named == {"models", "outputs"} <= set(Settings.model_fields)


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_is_content() -> None:
    ran = subprocess.run(["hadolint", str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


def test_the_service_has_few_rights_and_time_to_end() -> None:
    from easel.jobs.worker import PARTING

    service = unit()["Service"]
    assert service["User"] == "easel" and service["NoNewPrivileges"] == "yes" and service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["KillSignal"] == "SIGTERM" and int(service["TimeoutStopSec"]) > PARTING
    assert "PrivateDevices" not in service and "MemoryDenyWriteExecute" not in service  # cards, and compiled kernels
    assert service["ExecStart"].endswith("/easel serve")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_service(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8").replace("/opt/easel/.venv/bin/easel serve", "/bin/true")
    (tmp_path / "easel.service").write_text(text.replace("file:///opt/easel", "file:///"), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "easel.service")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "easel.service" not in ran.stderr, ran.stderr


def test_every_line_of_doctor_that_the_page_quotes_is_said() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## When doctor says")[2]
    first = [row.split(" | ")[0] for row in table.splitlines() if row.startswith("| `") and " prints | " not in row]
    quoted = [part for cell in first for part in re.findall(r"`([^`]+)`", cell)]
    folder = ROOT / "src" / "easel" / "cli"
    said = " ".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in ("gpu", "machine", "reach"))
    assert len(quoted) >= 12
    for part in quoted:
        assert part in said, part


def test_every_command_of_the_page_is_one() -> None:
    from easel.cli.commands import COMMANDS

    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:easel\.sh|`easel|bin/easel|HF_TOKEN easel) ([a-z0-9]+)", text))
    assert named and named <= {*COMMANDS}, named - {*COMMANDS}
    for option in re.findall(r"easel\S* (outputs \w+|serve|users add)[^`\n]*? (--[a-z-]+)", text):
        module = {"outputs": "outputs", "serve": "serve", "users": "users"}[option[0].split()[0]]
        source = (ROOT / "src" / "easel" / "cli" / f"{module}.py").read_text(encoding="utf-8")
        assert f'"{option[1]}"' in source, option
