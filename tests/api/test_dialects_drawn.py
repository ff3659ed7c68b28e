"""Dialects over a real engine with the embedded model: what a client asks is what the library draws, bit for bit."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from PIL import Image, ImageChops

from easel.app import open_client
from easel.core.client import Done, EngineClient
from easel.core.request import Request
from easel.core.settings import Settings
from easel.engine.local import LocalClient
from easel.prompt.infotext import read
from tests.api.dialects import Served, serving

SETTINGS = Settings(precision="float32")


@pytest.fixture(scope="module")
def engine() -> LocalClient:
    """An engine with the embedded model, which the server closes."""
    return open_client(SETTINGS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, engine: LocalClient) -> Generator[Served]:
    """A server over that engine."""
    with serving(tmp_path_factory.mktemp("drawn"), engine, check=engine.check) as found:
        yield found


def drawn(engine: EngineClient, request: Request) -> Image.Image:
    """Return the first picture of a request as the engine draws it without a server."""
    *_, last = engine.events(engine.submit(request))
    assert isinstance(last, Done)
    return last.result.pictures[0].image


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def equal(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


def test_a1111_draws_what_its_words_mean(served: Served, engine: LocalClient) -> None:
    body = {
        "prompt": "a red fox",
        "negative_prompt": "blue",
        "seed": 11,
        "steps": 3,
        "cfg_scale": 4,
        "width": 64,
        "height": 72,
        "sampler_name": "DPM++ 2M Karras",
        "enable_hr": True,
        "hr_scale": 1.5,
        "hr_second_pass_steps": 2,
        "denoising_strength": 0.6,
        "override_settings": {"randn_source": "CPU", "CLIP_stop_at_last_layers": 2},
    }
    answer = httpx2.post(f"{served.url}/sdapi/v1/txt2img", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    info = json.loads(answer.json()["info"])
    assert info["sampler_name"] == "DPM++ 2M" and info["sd_model_name"] == "starter"
    said = read(info["infotexts"][0]).fields
    assert (said["Schedule type"], said["Clip skip"], said["Hires steps"]) == ("Karras", "2", "2")
    request = Request(
        prompt="a red fox",
        negative_prompt="blue",
        seed=11,
        steps=3,
        guidance={"scale": 4},
        width=64,
        height=72,
        sampler="DPM++ 2M",
        schedule="Karras",
        hires={"scale": 1.5, "steps": 2, "strength": 0.6},
        words={"clip_skip": 2},
    )
    assert equal(opened(answer.json()["images"][0]), drawn(engine, request))
    again = {"infotext": info["infotexts"][0]}
    repeated = httpx2.post(f"{served.url}/sdapi/v1/txt2img", json=again, timeout=60).json()
    assert equal(opened(repeated["images"][0]), opened(answer.json()["images"][0]))


NATIVE = [
    {"model": "No such"},
    {"sampler": "No such"},
    {"schedule": "No such"},
    {"recipe": "No such"},
    {"hires": {"scale": 2, "upscaler": "No such"}},
    {"refiner": {"model": "No such"}},
    {"components": {"vae": "No such"}},
    {"prompt": "a fox <lora:No such:1>"},
]
A1111 = [
    {"override_settings": {"sd_model_checkpoint": "No such"}},
    {"override_settings": {"sd_vae": "No such"}},
    {"sampler_name": "No such"},
    {"scheduler": "No such"},
    {"enable_hr": True, "hr_upscaler": "No such"},
    {"refiner_checkpoint": "No such", "refiner_switch_at": 0.5},
    {"prompt": "a fox <lora:No such:1>"},
    {"script_name": "No such"},
]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        *(("/v1/jobs", body, 422) for body in NATIVE),
        *(("/sdapi/v1/txt2img", {"steps": 1, **body}, 422) for body in A1111),
        ("/v1/images/generations", {"prompt": "a fox", "model": "No such"}, 404),  # as their own API answers
        ("/v1/images/generations", {"prompt": "a fox", "easel": {"refiner": {"model": "No such"}}}, 404),
        *(("/v1/images/generations", {"prompt": "a fox", "easel": body}, 400) for body in NATIVE[1:5]),
        ("/v1/images/generations", {"prompt": "a fox", "easel": {"components": {"vae": "No such"}}}, 400),
        ("/v1/images/generations", NATIVE[-1], 400),
    ],
    ids=str,
)
def test_what_cannot_run_is_refused_before_it_is_queued(
    served: Served, path: str, body: dict[str, Any], status: int
) -> None:
    before = [job.id for job in served.store.list()]
    answer = httpx2.post(f"{served.url}{path}", json=body)
    assert answer.status_code == status and "No such" in answer.text, answer.text
    assert [job.id for job in served.store.list()] == before


def test_openai_draws_what_its_words_mean(served: Served, engine: LocalClient) -> None:
    own = {"seed": 11, "steps": 3}
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        found = client.images.generate(prompt="a red fox", size="64x72", extra_body={"easel": own})
    assert found.data is not None
    request = Request(prompt="a red fox", width=64, height=72, **own)
    assert equal(opened(found.data[0].b64_json or ""), drawn(engine, request))
