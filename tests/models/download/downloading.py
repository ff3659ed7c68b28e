"""Both sites on this machine, and plans made and carried out there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from easel.core.errors import EaselError
from easel.models.download.bring import Brought, bring
from easel.models.download.plans import Plan, Wish, plan
from easel.models.download.sites import site, with_token
from easel.models.download.web import Patience, Web
from tests.sites import Server, served

BODY = bytes(range(256)) * 20
NAME = "owner/tiny-model"
WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Both sites on this machine, and a hub's library that may ask."""
    with served() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.base)
        monkeypatch.setenv("EASEL_CIVITAI", found.base)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nonexistent")
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "CIVITAI_TOKEN", "CIVITAI_API_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield found


@pytest.fixture
def web(server: Server) -> Iterator[Web]:
    patience = Patience(tries=3, first=0.001, longest=0.01)
    with Web([with_token(site("hf")), with_token(site("civitai"))], patience=patience) as found:
        yield found


def planned(what: str, web: Web, **wish: str) -> Plan:
    return plan(what, Wish(**wish), web)


def brought(made: Plan, folder: Path, web: Web, **facts: Any) -> Brought:
    coming = bring(made, folder, web, **facts)
    while True:
        try:
            next(coming)
        except StopIteration as end:
            return end.value


def refused(what: str, web: Web, **wish: str) -> str:
    with pytest.raises(EaselError) as refusal:
        planned(what, web, **wish)
    assert "\n" not in refusal.value.message and "hf_secret" not in refusal.value.message
    return refusal.value.message


def pipeline(**more: bytes) -> dict[str, bytes]:
    """The files of a diffusers repository: each part in several formats, and much that no pipeline needs."""
    index = {"_class_name": "StableDiffusionPipeline", "safety_checker": ["x", "Y"], "feature_extractor": [None, None]}
    index |= {part: ["diffusers", "X"] for part in (*WEIGHTS, "scheduler", "tokenizer")}
    files = {
        "model_index.json": json.dumps(index).encode(),
        "README.md": b"#",
        "v1.safetensors": BODY,
        "scheduler/scheduler_config.json": b"{}",
        "tokenizer/vocab.json": b"{}",
        "tokenizer/merges.txt": b"a b",
        "safety_checker/model.safetensors": BODY,
    }
    for part, stem in WEIGHTS.items():
        files[f"{part}/config.json"] = b'{"a": 1}'
        for variant in ("", ".fp16", ".non_ema"):
            files[f"{part}/{stem}{variant}.safetensors"] = BODY + f"{part}{variant}".encode()
            files[f"{part}/{stem}{variant}.bin"] = BODY + b"pickle"
        files[f"{part}/flax_model.msgpack"] = BODY
    return files | more
