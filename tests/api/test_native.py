"""/v1 as a client sees it: jobs from submission to picture, their news, errors in one shape."""

from __future__ import annotations

import io
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.api.dialects import Served, serving
from tests.jobs.playing import Player


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("native"), Player(pace=0.01)) as found:
        yield found


@pytest.fixture
def web(served: Served) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=served.url, timeout=20) as found:
        yield found


def submitted(web: httpx2.Client, **fields: Any) -> dict[str, Any]:
    answer = web.post("/v1/jobs", json=fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def told(web: httpx2.Client, id: str) -> list[tuple[str, Any]]:
    """The events of a job, to its end."""
    events: list[tuple[str, Any]] = []
    with web.stream("GET", f"/v1/jobs/{id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
    return events


def test_a_job_becomes_a_picture(web: httpx2.Client) -> None:
    job = submitted(web, prompt="a fox", steps=4, seed=7, width=64, height=48, batch_size=2)
    ended = web.get(f"/v1/jobs/{job['id']}", params={"wait": 20}).json()
    assert ended["state"] == "done" and [one["seed"] for one in ended["pictures"]] == [7, 8]
    for one in ended["pictures"]:
        answer = web.get(one["url"])
        assert answer.headers["content-type"] == "image/png" and len(answer.content) == one["bytes"]
        assert Image.open(io.BytesIO(answer.content)).size == (one["width"], one["height"])


@pytest.mark.parametrize("format", ["webp", "gif", "mp4"])
def test_a_clip_has_a_film(web: httpx2.Client, format: str) -> None:
    asked = {"model": "mm", "fps": 10, "format": format}
    job = submitted(web, prompt="a fox", steps=2, seed=7, batch_size=3, motion=asked)
    assert job["film"] is None and job["request"]["motion"] == {**asked, "strength": 1.0}
    ended = web.get(f"/v1/jobs/{job['id']}", params={"wait": 20}).json()
    answer = web.get(ended["film"])
    assert (answer.status_code, len(ended["pictures"])) == (200, 3)
    assert answer.headers["content-type"] == ("video/mp4" if format == "mp4" else f"image/{format}")
    if format != "mp4":
        assert getattr(Image.open(io.BytesIO(answer.content)), "n_frames", 1) == 3


def test_pictures_have_no_film(web: httpx2.Client) -> None:
    job = submitted(web, prompt="a fox", steps=2)
    ended = web.get(f"/v1/jobs/{job['id']}", params={"wait": 20}).json()
    answer = web.get(f"/v1/jobs/{job['id']}/film")
    assert ended["film"] is None and answer.status_code == 404
    assert "has no film" in answer.json()["error"]["message"]


def test_events_end_with_the_job(web: httpx2.Client) -> None:
    job = submitted(web, prompt="a fox", steps=6, preview_every=2)
    events = told(web, job["id"])
    assert events[0][0] in ("queued", "began") and events[-1][0] == "ended"
    assert events[-1][1] == web.get(f"/v1/jobs/{job['id']}").json()
    steps = [data["step"] for name, data in events if name == "progress"]
    assert steps == sorted(steps)
    assert told(web, job["id"]) == events[-1:]  # who comes late hears the end


def test_cancelled_and_retried(web: httpx2.Client) -> None:
    job = submitted(web, prompt="a fox", steps=1000)
    assert web.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert told(web, job["id"])[-1][1]["state"] == "cancelled"
    again = web.post(f"/v1/jobs/{job['id']}/retry").json()
    assert again["state"] == "queued" and again["request"]["seed"] == job["request"]["seed"]
    assert web.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"


def test_lists_go_page_by_page(web: httpx2.Client) -> None:
    ids = [submitted(web, prompt=f"a zebra {n}", steps=1)["id"] for n in range(3)]
    first = web.get("/v1/jobs", params={"search": "zebra", "limit": 2}).json()
    second = web.get("/v1/jobs", params={"search": "zebra", "limit": 2, "before": first["next"]}).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert second["next"] is None


def test_pictures_in_a_request_are_not_told_again(web: httpx2.Client) -> None:
    job = submitted(web, recipe="image_to_image", start={"image": "AAAA", "strength": 0.5}, steps=1)
    assert job["request"]["start"]["strength"] == 0.5
    assert "image" not in job["request"]["start"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", "/v1/jobs", '{"width": 70}', 422, "BadValue"),
        ("POST", "/v1/jobs", '{"promt": "a fox"}', 422, "UnknownName"),
        ("POST", "/v1/jobs", "{", 422, "BadValue"),
        ("POST", "/v1/jobs", "\udcff".encode("utf-8", "surrogateescape"), 422, "BadValue"),
        ("POST", "/v1/jobs?priority=1000", "{}", 422, "BadValue"),
        ("GET", "/v1/jobs?limit=0", "", 422, "BadValue"),
        ("GET", "/v1/jobs?state=gone", "", 422, "BadValue"),
        ("GET", "/v1/models?kind=shoe", "", 422, "UnknownName"),
        ("GET", "/v1/jobs/nobody", "", 404, "UnknownJob"),
        ("GET", "/v1/jobs/nobody/events", "", 404, "UnknownJob"),
        ("GET", "/v1/jobs/nobody?wait=1", "", 404, "UnknownJob"),
        ("GET", "/v1/nothing", "", 404, "NotFound"),
        ("PUT", "/v1/jobs", "", 405, "MethodNotAllowed"),
    ],
)
def test_errors_have_one_shape(
    web: httpx2.Client, method: str, path: str, body: str | bytes, status: int, kind: str
) -> None:
    answer = web.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)
    assert len(answer.json()["error"]["message"].splitlines()) == 1


def test_a_body_that_is_no_json_or_too_large(web: httpx2.Client) -> None:
    assert web.post("/v1/jobs", data={"prompt": "a fox"}).status_code == 415
    huge = web.post("/v1/jobs", content=b" " * (65 * 2**20), headers={"Content-Type": "application/json"})
    assert huge.status_code == 413 and "error" in huge.json()


def test_a_picture_that_is_gone(web: httpx2.Client, served: Served) -> None:
    job = submitted(web, prompt="a fox", steps=1)
    web.get(f"/v1/jobs/{job['id']}", params={"wait": 20})
    assert web.get(f"/v1/jobs/{job['id']}/pictures/1").status_code == 404
    kept = served.store.get(job["id"]).pictures[0]
    for file in Path(served.settings.outputs).parent.rglob(Path(kept.file).name):
        file.unlink()
    gone = web.get(f"/v1/jobs/{job['id']}/pictures/0")
    assert gone.status_code == 507 and "draw it again" in gone.json()["error"]["message"]


def test_names_to_choose(web: httpx2.Client) -> None:
    assert "Euler" in {one["name"] for one in web.get("/v1/samplers").json()}
    assert "Karras" in {one["name"] for one in web.get("/v1/schedules").json()}
    assert {"Lanczos", "starter-x4"} <= {one["name"] for one in web.get("/v1/upscalers").json()}
    canny = next(one for one in web.get("/v1/preprocessors").json() if one["name"] == "canny")
    assert canny["options"]["low"] == 100
    assert "starter" in {one["id"] for one in web.get("/v1/models").json()["data"]}
    assert web.get("/v1/styles").json() == []


def test_metrics_count(web: httpx2.Client) -> None:
    submitted(web, prompt="a fox", steps=1)
    web.get("/v1/jobs/nobody")
    lines = web.get("/v1/metrics").text.splitlines()
    assert any(line.startswith('easel_jobs{state="done"}') for line in lines)
    assert any('route="/v1/jobs/{id}",status="404"' in line for line in lines)
    assert any(line.startswith('easel_errors_total{kind="UnknownJob"}') for line in lines)
