"""The server as a whole: its document holds for any request, its page's examples run, and it ends and begins again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from easel.api.security import Gate
from easel.api.server import app
from easel.core.settings import Settings
from easel.jobs.feed import Feed
from easel.jobs.store import open_store
from easel.models.library.names import Library
from tests.api.dialects import serving
from tests.jobs.playing import Player

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Generator[BaseSchema]:
    """The document of an app whose queue nobody works on."""
    folder = tmp_path_factory.mktemp("document")
    store = open_store(f"sqlite:///{folder}/jobs.sqlite")
    house = Settings(models=folder / "models", outputs=folder, styles=folder / "styles.csv")
    made = app(store, Feed(), Library(house, paths=False), house, gate=Gate(anywhere=True))
    yield schemathesis.openapi.from_asgi("/openapi.json", made)
    store.close()


def test_the_document_holds(document: BaseSchema) -> None:
    chosen = document.include(path_regex=r"^/v1/(?!images)").exclude(path_regex="events$")
    operations = [found.ok() for found in chosen.get_all_operations()]
    assert len(operations) >= 13

    for operation in operations:

        @settings(max_examples=15, suppress_health_check=list(HealthCheck), database=None, deadline=None)
        @given(case=operation.as_strategy())
        def holds(case: Case) -> None:
            if case.query and "wait" in case.query:
                case.query["wait"] = 0
            case.call_and_validate(checks=CHECKS)

        holds()


def test_the_page_runs(tmp_path: Path) -> None:
    examples = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 5
    with serving(tmp_path, Player()) as served:
        for example in examples:
            script = f"set -e\n{example.replace('curl ', 'curl -S ')}"
            ran = subprocess.run(
                ["bash", "-c", script],
                cwd=tmp_path,
                env={**os.environ, "EASEL": served.url},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            told = re.search(r'\{"error".*', ran.stdout)
            assert told is None or "width is 70, allowed is a multiple of 8" in told.group()
    assert (tmp_path / "fox.png").read_bytes().startswith(b"\x89PNG")


@contextmanager
def easel_serve(folder: Path) -> Generator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """`easel serve` with the embedded model, and a client of it; ended at the end, if it still runs."""
    command = [sys.executable, "-m", "easel.cli", "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert url is not None, line
        with httpx2.Client(base_url=url.group(), timeout=90) as web:
            yield process, web
    finally:
        process.kill()
        process.communicate()


def test_it_ends_in_order_and_goes_on(tmp_path: Path) -> None:
    with easel_serve(tmp_path) as (process, web):
        for number in range(3):
            asked = {"prompt": "a fox", "steps": 1000, "seed": number, "width": 64, "height": 64}
            assert web.post(f"/v1/jobs?id=job-{number}", json=asked).status_code == 202
        while web.get("/v1/jobs/job-0").json()["state"] == "queued":
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with easel_serve(tmp_path) as (process, web):
        for number in range(3):
            assert web.post(f"/v1/jobs/job-{number}/cancel").json()["state"] in ("cancelled", "done")
        assert web.post("/v1/jobs?id=last", json={"steps": 2, "width": 64, "height": 64}).status_code == 202
        assert web.get("/v1/jobs/last?wait=60").json()["state"] == "done"
        assert web.get("/v1/jobs/last/pictures/0").content.startswith(b"\x89PNG")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_addresses_of_others_need_secrets(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "easel.cli", "serve", "--listen", "--port", "0"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert ran.stderr.startswith(
        "error: address is '0.0.0.0', allowed is an address of this machine alone, or names with secrets"
    )
