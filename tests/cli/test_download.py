"""`easel models download` and `login`, against a server on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import keyring
import pytest
import torch
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked

from tests.cli.conftest import Easel
from tests.ldm import SMALL_1, random_tensors, write_ldm
from tests.sites import Server, served


class Ring(KeyringBackend):
    """A keyring in memory."""

    priority: ClassVar[float] = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("locked")
        self.kept[(service, username)] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[(service, username)]


@pytest.fixture
def ring() -> Iterator[Ring]:
    before, made = keyring.get_keyring(), Ring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.fixture
def server(ring: Ring, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with served() as found:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")  # where nobody answers
        monkeypatch.setenv("EASEL_CIVITAI", found.base)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(home / "no-token"))
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "CIVITAI_TOKEN", "CIVITAI_API_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield found


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small checkpoint in half precision."""
    tensors = {key: value.half() for key, value in random_tensors(SMALL_1).items() if "position_ids" not in key}
    return write_ldm(tmp_path_factory.mktemp("made") / "small.safetensors", tensors).read_bytes()


def version(server: Server, content: bytes, name: str = "fox.safetensors", **facts: Any) -> None:
    server.put_version(9, [server.civitai_file(name, content, number=9)], **facts)


def test_a_checkpoint_from_civitai(easel: Easel, server: Server, checkpoint: bytes) -> None:
    version(server, checkpoint)
    server.files["/api/download/models/9"].cuts = [100_000]
    ended = easel("models", "download", "7@9")
    assert (ended.code, ended.lines) == (0, ["models/fox.safetensors"])
    said = ended.err.splitlines()
    assert said[0].startswith("Fox, v1: ") and said[0].endswith("MB, to models/fox.safetensors")
    assert "the connection was cut" in said[1] and "1.x" in said[2] and len(said) == 3
    assert Path("models/fox.safetensors").read_bytes() == checkpoint
    again = easel("models", "download", "7@9")
    assert "is there already, the same by its hash; nothing was fetched." in again.err and again.lines == ended.lines


def test_json_says_what_came(easel: Easel, server: Server, checkpoint: bytes) -> None:
    version(server, checkpoint)
    ended = easel("models", "download", "@9", "--json", "--name", "cub", "--to", "here")
    facts = json.loads(ended.out)
    assert ended.err == "" and facts["path"] == str(Path("here/cub.safetensors").absolute())
    assert facts["sha256"] == hashlib.sha256(checkpoint).hexdigest() and facts["bytes"] == len(checkpoint)
    assert facts["kind"] == "checkpoint" and "1.x" in facts["is"] and facts["there_before"] is False


def test_an_unusable_file_is_kept_and_said(easel: Easel, server: Server) -> None:
    version(server, b"nothing that is a model" * 100)
    ended = easel("models", "download", "@9")
    assert ended.code == 0 and "kept, but Easel cannot use it as it is: models/fox.safetensors" in ended.err
    assert Path("models/fox.safetensors").is_file()


def test_a_repositorys_file_into_its_kinds_folder(
    easel: Easel, server: Server, checkpoint: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.base)
    server.put_repository("owner/fox", {"fox.safetensors": checkpoint})
    ended = easel("models", "download", "owner/fox", "--kind", "lora")
    assert ended.lines == ["models/loras/fox.safetensors"]


def test_a_file_of_unknown_kind_goes_where_its_header_says(
    easel: Easel, server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.base)
    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    tensors = {f"{key}.lora_down.weight": torch.zeros(4, 320), f"{key}.lora_up.weight": torch.zeros(320, 4)}
    content = write_ldm(home / "made.safetensors", {**tensors, f"{key}.alpha": torch.ones(())}).read_bytes()
    server.put_repository("owner/fox", {"fox.safetensors": content})
    ended = easel("models", "download", "owner/fox")
    assert ended.lines == ["models/loras/fox.safetensors"] and "this is LoRA" in ended.err
    assert os.listdir("models") == ["loras"]
    server.asked.clear()
    again = easel("models", "download", "owner/fox")
    assert again.lines == ended.lines and "is there already" in again.err
    assert [asking.path for asking in server.asked] == ["/api/models/owner/fox"]


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("nonsense",), 2, "WHAT is 'nonsense', allowed is a link"),
        (("@8",), 2, "not there (the site answers 404: Not found)"),
        (("@9", "--kind", "picture"), 2, "--kind is 'picture'"),
        (("http://example.org/x.safetensors",), 1, "which is not https"),
    ],
)
def test_errors_are_one_line(easel: Easel, server: Server, arguments: tuple[str, ...], code: int, line: str) -> None:
    version(server, b"x")
    ended = easel("models", "download", *arguments)
    assert (ended.code, ended.out) == (code, "") and line in ended.err and ended.err.count("\n") == 1


def test_a_token_is_kept_sent_to_its_site_and_never_shown(
    easel: Easel, server: Server, ring: Ring, checkpoint: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-token\n"))
    kept = easel("models", "login", "civitai")
    assert kept.code == 0 and ring.kept == {("easel", "civitai"): "secret-token"}
    version(server, checkpoint)
    with served() as store:
        store.put("/signed", checkpoint)
        file = server.files["/api/download/models/9"]
        file.token, file.leads = "secret-token", f"{store.base}/signed?signature=abc"
        ended = easel("models", "download", "@9", "--json")
        assert ended.code == 0 and store.asked[0].headers["Authorization"] is None
    written = [path.read_bytes() for path in Path().rglob("*.json")]
    assert written and not any(b"secret-token" in text or b"signature" in text for text in written)
    file.token = "another"
    refused = easel("models", "download", "@9", "--name", "b")
    assert refused.code == 2 and "401: Log in first; your token does not open it" in refused.err
    assert "secret-token" not in kept.err + kept.out + ended.err + ended.out + refused.err
    assert easel("models", "login", "civitai", "--forget").err == "the token of Civitai is forgotten.\n"
    assert ring.kept == {}
    assert (
        "give a token by `easel models login civitai` or CIVITAI_TOKEN"
        in easel("models", "download", "@9", "--name", "c").err
    )


@pytest.mark.parametrize(
    ("token", "site", "line"),
    [
        ("", "hf", "token is '', allowed is one from https://huggingface.co/settings/tokens"),
        ("a b\n", "hf", "token is '(hidden)', allowed is 1 to 1000 letters"),
        ("a\n", "github", "site 'github' is not known"),
    ],
)
def test_what_is_no_token(
    easel: Easel, ring: Ring, monkeypatch: pytest.MonkeyPatch, token: str, site: str, line: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(token))
    ended = easel("models", "login", site)
    assert ended.code == 2 and line in ended.err and ring.kept == {}


def test_a_system_without_a_keyring(easel: Easel, ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-token\n"))
    ring.locked = True
    ended = easel("models", "login", "hf")
    assert (
        ended.code == 1 and ended.err == "error: the system's keyring refused (KeyringLocked); set HF_TOKEN instead.\n"
    )
    keyring.set_keyring(NoKeyring())
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-token\n"))
    ended = easel("models", "login", "hf")
    assert ended.code == 2 and "this system has no keyring that answers; set HF_TOKEN instead" in ended.err


def test_without_the_package_keyring(easel: Easel, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-token\n"))
    ended = easel("models", "login", "hf")
    assert ended.code == 2 and "pip install 'easel[keyring]', or set HF_TOKEN" in ended.err
    version(server, b"x" * 100)
    assert easel("models", "download", "@9").code == 0


def process(server: Server, home: Path, *arguments: str, **more: Any) -> subprocess.Popen[str]:
    """Start `easel models download` in a process of its own."""
    environment = {
        **os.environ,
        "EASEL_CIVITAI": server.base,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    command = [sys.executable, "-m", "easel.cli", "models", "download", *arguments]
    return subprocess.Popen(command, cwd=home, env=environment, text=True, **more)


@pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals")
def test_ctrl_c_leaves_a_part_that_the_next_call_goes_on_with(
    easel: Easel, server: Server, home: Path, checkpoint: bytes
) -> None:
    version(server, checkpoint)
    file = server.files["/api/download/models/9"]
    file.cuts, file.stall = [100_000], threading.Event()
    running = process(server, home, "@9", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    part = home / "models" / "fox.safetensors.part"
    try:
        while running.poll() is None and not (part.exists() and part.stat().st_size):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
        file.stall.set()
    assert running.returncode == 130 and "stopped; what has come is kept" in err
    assert sorted(os.listdir(home / "models")) == ["fox.safetensors.part", "fox.safetensors.part.json"]
    have = part.stat().st_size
    server.asked.clear()
    assert easel("models", "download", "@9").code == 0
    assert server.asks_for("/api/download/models/9")[0].headers["Range"] == f"bytes={have}-"
    assert (home / "models" / "fox.safetensors").read_bytes() == checkpoint


@pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals")
def test_a_terminal_sees_a_bar(server: Server, home: Path, checkpoint: bytes) -> None:
    version(server, checkpoint)
    ours, theirs = pty.openpty()
    running = process(server, home, "@9", stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert running.wait(timeout=60) == 0
    assert "━".encode() in seen and b"MB" in seen and b"this is" in seen


def test_downloads_do_without_torch() -> None:
    script = (
        "import sys\nfrom easel.cli import download\nfrom easel.models.download import bring, civitai, hub, plans\n"
        "from easel.models.layouts import identify\nprint('torch' in sys.modules, 'huggingface_hub' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.stdout == "False False\n", ran.stderr
