"""`easel serve`: what it refuses before it listens, a public link, and that no secret is ever told."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from easel.cli.serve import lines_of, users_of
from easel.core.caller import Caller
from tests.cli.conftest import Easel

SECRET = "hunter2-and-more-than-sixteen"

# Stands for Gradio's program at this end of the tunnel: it says what that one says, and waits.
TUNNEL = "#!/bin/sh\necho '[I] {said}'\nexec sleep 60\n"
WORKS, FAILS = "start proxy success: http://fox.tunnel.example", "login to server failed: connection refused"

SHARE = """
import sys, time
from gradio import tunneling
from easel.cli.sharing import shared
told = []
with shared("127.0.0.1", 7860, told.append):
    while not told:
        time.sleep(0.05)
    running = [tunnel.proc for tunnel in tunneling.CURRENT_TUNNELS]
print(told, [process.poll() is not None for process in running])
"""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--listen"], "address is '0.0.0.0'"),
        (["--host", "192.0.2.1"], "--insecure-open does without"),
        (["--share"], "--share makes a link for all the world, and needs names"),
        (["--share", "--insecure-open"], "needs names"),
        (
            ["--share", "--auth", f"ann:{SECRET}", "--tls-cert", "c", "--tls-key", "k"],
            "cannot be honoured with --tls-cert",
        ),
        (["--tls-cert", "c"], "given together with --tls-key"),
        (["--auth", SECRET], "--auth is '...', allowed is NAME:PASSWORD"),
        (["--auth", f":{SECRET}"], "--auth is '...'"),
        (["--api-key", f"bot:{SECRET[:10]}"], "a key of 16 characters or more"),
        (["--auth", f"ann:{SECRET}", "--admin", "bob"], "the name of somebody known"),
        (["--cors", "*"], "* would let every page in"),
        (["--users", "nowhere"], "nowhere: cannot be read"),
    ],
)
def test_what_is_refused(easel: Easel, arguments: list[str], told: str) -> None:
    ending = easel("serve", "--port", "0", *arguments)
    assert ending.code != 0 and ending.err.startswith("error: ") and told in ending.err
    assert len(ending.err.splitlines()) == 1 and SECRET[:10] not in ending.err + ending.out


def test_secrets_come_by_the_environment_one_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASEL_AUTH", "ann:a pass with spaces\n\nbob:x:y\n")
    lines = lines_of("EASEL_AUTH")
    assert lines == ["ann:a pass with spaces", "bob:x:y"]
    assert "EASEL_AUTH" not in os.environ and lines_of("EASEL_AUTH") == []
    users = users_of(None, lines, [], ["bob"])
    assert users is not None
    assert users.by_password("ann", "a pass with spaces") == Caller("ann", admin=False)
    assert users.by_password("bob", "x:y") == Caller("bob", admin=True)


def environment(folder: Path, said: str) -> dict[str, str]:
    """Return an environment in which Gradio's tunnel is a program that says this."""
    surroundings = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("EASEL_", "GRADIO_"))},
        "HF_HOME": str(folder / "hf"),
        "GRADIO_SHARE_SERVER_ADDRESS": "127.0.0.1:1",
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    kind = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    program = folder / "hf" / "gradio" / "frpc" / f"frpc_{platform.system().lower()}_{kind}_v0.3"
    program.parent.mkdir(parents=True)
    program.write_text(TUNNEL.format(said=said), encoding="utf-8")
    program.chmod(0o700)
    return surroundings


def test_a_link_is_told_and_ends_with_the_server(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SHARE],
        env=environment(tmp_path, WORKS),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "Easel serves at http://fox.tunnel.example too" in ran.stdout and "[True]" in ran.stdout, ran.stderr


def test_without_a_tunnel_it_goes_on_and_never_tells_a_secret(tmp_path: Path) -> None:
    auth = {
        "EASEL_AUTH": f"ann:{SECRET}",
        "EASEL_API_KEYS": f"bot:key-{SECRET}",
        "XDG_CONFIG_HOME": str(tmp_path / "c"),
    }
    command = [sys.executable, "-m", "easel.cli", "serve", "--port", "0", "--share"]
    process = subprocess.Popen(
        command,
        env=environment(tmp_path, FAILS) | auth,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert url is not None, process.stderr.read()
        with httpx2.Client(base_url=url.group(), timeout=30) as web:
            for number in range(3):
                wrong = f"{SECRET}-{number}"
                assert web.post("/login", data={"name": "ann", "password": wrong}).status_code == 401
                assert web.get("/v1/jobs", auth=(wrong, wrong)).status_code == 401
                assert web.get("/v1/jobs", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
            assert web.post("/login", json={"name": "ann", "password": [SECRET]}).status_code == 422
            assert web.get("/v1/jobs", headers={"Authorization": f"Bearer key-{SECRET}"}).status_code == 200
            signed = web.post("/login", data={"name": "bot", "password": f"key-{SECRET}"})
            assert signed.status_code == 303
            token = signed.headers["set-cookie"].partition(";")[0].partition("=")[2]
            assert web.get("/v1/jobs").status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=100)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    assert "no public link: Could not create share URL" in err and "the server goes on without it" in err
    assert err.count("a wrong password or key came from 127.0.0.1") == 9
    assert SECRET not in first + out + err and token not in out + err
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
