"""What callers set by POST /options: each their own, all or nothing, and there again when the server is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from easel.api.a1111.options import REALM
from easel.api.users import new_key
from tests.api.dialects import serving
from tests.jobs.playing import Player

AT = "/sdapi/v1/options"


def web(url: str, key: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, timeout=20, headers={"Authorization": f"Bearer {key}"})


def test_settings_outlive_the_server_and_are_each_ones_own(tmp_path: Path) -> None:
    made = [new_key(name) for name in ("anna", "bert")]
    (anna_key, _), (bert_key, _) = made
    with serving(tmp_path, Player(), [secret for _, secret in made]) as served, web(served.url, anna_key) as anna:
        assert anna.post(AT, json={"CLIP_stop_at_last_layers": 2, "samples_format": "JPEG"}).status_code == 200
        assert anna.post(AT, json={"jpeg_quality": 90}).status_code == 200
        refused = anna.post(AT, json={"CLIP_stop_at_last_layers": 3, "jpeg_quality": "much"})
        assert refused.status_code == 422 and "jpeg_quality" in refused.json()["detail"]
        served.store.set_options("anna", REALM, {"of an earlier Easel": 1})
    with (
        serving(tmp_path, Player(), [secret for _, secret in made]) as served,
        web(served.url, anna_key) as anna,
        web(served.url, bert_key) as bert,
    ):
        found = anna.get(AT).json()
        assert (found["CLIP_stop_at_last_layers"], found["jpeg_quality"], found["samples_format"]) == (2, 90, "jpg")
        assert bert.get(AT).json()["CLIP_stop_at_last_layers"] == 1
        info = json.loads(anna.post("/sdapi/v1/txt2img", json={"steps": 1}).json()["info"])
        assert info["clip_skip"] == 2
        assert "of an earlier Easel" not in found


def test_settings_made_at_once_are_all_kept(tmp_path: Path) -> None:
    key, secret = new_key("anna")
    given = {
        "eta_ancestral": 0.5,
        "s_noise": 1.01,
        "tiling": True,
        "jpeg_quality": 70,
        "s_churn": 1.0,
        "eta_ddim": 0.25,
    }
    with serving(tmp_path, Player(), [secret]) as served, web(served.url, key) as anna, ThreadPoolExecutor() as pool:
        answers = pool.map(lambda one: anna.post(AT, json=dict([one])).status_code, given.items())
        assert set(answers) == {200}
        found = anna.get(AT).json()
    assert {name: found[name] for name in given} == given


def test_forges_modules_are_a_vae_and_text_encoders(tmp_path: Path) -> None:
    for file in ("vae/soft.safetensors", "text_encoder/t5.safetensors", "text_encoder/clip_l.safetensors"):
        (tmp_path / "models" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / file).write_bytes(b"not read until it is used")
    with serving(tmp_path, Player()) as served, httpx2.Client(base_url=served.url, timeout=20) as anna:
        told = {one["model_name"]: one["filename"] for one in anna.get("/sdapi/v1/sd-modules").json()}
        assert told.pop("starter-tiny.safetensors"), "it comes along"
        assert set(told) == {"soft.safetensors", "t5.safetensors", "clip_l.safetensors"}

        def parts(given: list[str], **more: object) -> tuple[str | None, tuple[str, ...]]:
            ask = {"steps": 1, "override_settings": {"forge_additional_modules": given, **more}}
            assert anna.post("/sdapi/v1/txt2img", json=ask).status_code == 200
            found = served.store.list()[0].request.components
            return found.vae, found.text_encoders

        assert parts(list(told.values())) == ("soft", ("clip_l", "t5"))
        assert parts(["t5", "soft.safetensors"], sd_vae="soft") == ("soft", ("t5",))
        assert parts([], sd_vae="soft") == ("soft", ())
        assert anna.post(AT, json={"forge_additional_modules": ["t5.safetensors"]}).status_code == 200
        assert anna.get(AT).json()["forge_additional_modules"] == ["t5"]
        for bad in (["gone.safetensors"], "t5", [1], ["/etc/passwd"]):
            answer = anna.post(AT, json={"forge_additional_modules": bad})
            assert 400 <= answer.status_code < 500 and answer.json()["detail"]
        ask = {"steps": 1, "enable_hr": True, "hr_additional_modules": ["t5"]}
        assert "hr_additional_modules" in anna.post("/sdapi/v1/txt2img", json=ask).json()["detail"]
