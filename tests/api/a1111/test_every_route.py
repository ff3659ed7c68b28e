"""Every route that A1111 has is here: answered in its shape, or refused in its shape with what to do instead."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from easel.media.metadata import encode
from tests.api.dialects import Served, serving
from tests.jobs.playing import Player

GREY = encode(Image.new("RGB", (64, 48), (90, 90, 90)))
PICTURE = base64.b64encode(GREY).decode()
NETWORK = {
    "ss_output_name": "ink wash",
    "ssmd_cover_images": json.dumps([PICTURE, "no picture", 7]),
    "ss_tag_frequency": json.dumps({"10_ink": {"ink": 3}}),
}
ERROR = {"error", "detail", "body", "errors"}
DRAWN = {"images", "parameters", "info"}
STATE = {
    "skipped", "interrupted", "stopping_generation", "job", "job_count", "job_timestamp", "job_no", "sampling_step",
    "sampling_steps",
}  # fmt: skip

# Method, path, body or query, and the keys of the answer: of an object, of a list's first row, or None for null.
SDAPI: list[tuple[str, str, dict[str, Any] | None, set[str] | None]] = [
    ("POST", "txt2img", {"prompt": "a fox", "seed": 1, "steps": 1}, DRAWN),
    ("POST", "img2img", {"init_images": [PICTURE], "seed": 1, "steps": 1}, DRAWN),
    ("POST", "extra-single-image", {"image": PICTURE, "upscaler_1": "Lanczos"}, {"image", "html_info"}),
    (
        "POST",
        "extra-batch-images",
        {"imageList": [{"data": PICTURE, "name": "a"}], "upscaler_1": "Lanczos"},
        {"images", "html_info"},
    ),
    ("POST", "png-info", {"image": PICTURE}, {"info", "items", "parameters"}),
    ("GET", "progress", None, {"progress", "eta_relative", "state", "current_image", "textinfo"}),
    ("POST", "interrogate", {"image": PICTURE, "model": "clip"}, ERROR),
    ("POST", "interrupt", None, set()),
    ("POST", "skip", None, None),
    ("GET", "options", None, {"sd_model_checkpoint", "samples_format", "CLIP_stop_at_last_layers"}),
    ("POST", "options", {"CLIP_stop_at_last_layers": 1}, None),
    ("GET", "cmd-flags", None, {"api", "ckpt_dir"}),
    ("GET", "samplers", None, {"name", "aliases", "options"}),
    ("GET", "schedulers", None, {"name", "label", "aliases", "default_rho", "need_inner_model"}),
    ("GET", "upscalers", None, {"name", "model_name", "model_path", "model_url", "scale"}),
    ("GET", "latent-upscale-modes", None, {"name"}),
    ("GET", "sd-models", None, {"title", "model_name", "hash", "sha256", "filename", "config"}),
    ("GET", "sd-vae", None, {"model_name", "filename"}),
    ("GET", "sd-modules", None, {"model_name", "filename"}),
    ("GET", "hypernetworks", None, {"name", "path"}),
    ("GET", "face-restorers", None, {"name", "cmd_dir"}),
    ("GET", "realesrgan-models", None, {"name", "path", "scale"}),
    ("GET", "prompt-styles", None, {"name", "prompt", "negative_prompt"}),
    ("GET", "embeddings", None, {"loaded", "skipped"}),
    ("POST", "refresh-embeddings", None, None),
    ("POST", "refresh-checkpoints", None, None),
    ("POST", "refresh-vae", None, None),
    ("POST", "create/embedding", {"name": "a"}, ERROR),
    ("POST", "create/hypernetwork", {"name": "a"}, ERROR),
    ("POST", "train/embedding", {"name": "a"}, ERROR),
    ("POST", "train/hypernetwork", {"name": "a"}, ERROR),
    ("GET", "memory", None, {"ram", "cuda"}),
    ("POST", "unload-checkpoint", None, ERROR),
    ("POST", "reload-checkpoint", None, ERROR),
    ("GET", "scripts", None, {"txt2img", "img2img"}),
    ("GET", "script-info", None, {"name", "is_alwayson", "is_img2img", "args"}),
    ("GET", "extensions", None, {"name", "remote", "branch", "commit_hash", "version", "commit_date", "enabled"}),
    ("POST", "server-kill", None, ERROR),
    ("POST", "server-restart", None, ERROR),
    ("POST", "server-stop", None, ERROR),
    ("GET", "loras", None, {"name", "alias", "path", "metadata"}),
    ("POST", "refresh-loras", None, None),
]
PAGE: list[tuple[str, str, dict[str, Any] | None, set[str] | None]] = [
    (
        "POST",
        "internal/progress",
        {"id_task": "task(x)"},
        {"active", "queued", "completed", "progress", "eta", "live_preview", "id_live_preview", "textinfo"},
    ),
    ("GET", "internal/pending-tasks", None, {"size", "tasks"}),
    ("GET", "internal/ping", None, set()),
    ("GET", "internal/sysinfo", None, {"Platform", "Python", "Version"}),
    ("GET", "internal/sysinfo-download", None, {"Platform", "Python", "Version"}),
    ("GET", "internal/profile-startup", None, {"total", "records"}),
    ("GET", "internal/quicksettings-hint", None, {"name", "label"}),
    ("GET", "sd_extra_networks/metadata?page=lora&item=ink", None, {"metadata"}),
    ("GET", "sd_extra_networks/get-single-card?page=lora&tabname=txt2img&name=ink", None, {"html"}),
]
EXTENSIONS: list[tuple[str, str, dict[str, Any] | list[Any] | None, set[str] | None]] = [
    ("GET", "controlnet/version", None, {"version"}),
    ("GET", "controlnet/model_list?update=true", None, {"model_list"}),
    ("GET", "controlnet/module_list?alias_names=true", None, {"module_list", "module_detail"}),
    ("GET", "controlnet/control_types", None, {"control_types"}),
    ("GET", "controlnet/settings", None, {"control_net_unit_count"}),
    (
        "POST",
        "controlnet/detect",
        {"controlnet_module": "canny", "controlnet_input_images": [PICTURE]},
        {"images", "info"},
    ),
    (
        "POST",
        "controlnet/render_openpose_json",
        [{"people": [{"pose_keypoints_2d": [8, 8, 1] * 18}], "canvas_width": 64, "canvas_height": 48}],
        {"images", "info"},
    ),
    ("GET", "adetailer/v1/version", None, {"version"}),
    ("GET", "adetailer/v1/schema", None, {"properties", "title", "type"}),
    ("GET", "adetailer/v1/ad_model", None, {"ad_model"}),
    ("POST", "rembg", {"input_image": PICTURE, "model": "flat"}, {"image"}),
]
ROUTES = [(method, f"sdapi/v1/{path}", body, keys) for method, path, body, keys in SDAPI] + PAGE + EXTENSIONS
EMPTY = ("hypernetworks", "face-restorers", "realesrgan-models", "prompt-styles", "extensions", "sd-vae", "sd-modules")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("every")
    loras, embeddings = folder / "models" / "loras", folder / "models" / "embeddings"
    (loras / "style").mkdir(parents=True)
    embeddings.mkdir()
    network(loras / "style" / "ink.safetensors")
    (loras / "style" / "ink.preview.png").write_bytes(GREY)
    network(loras / "bare.safetensors", {})
    (embeddings / "worn.png").write_bytes(GREY)
    (folder / "models" / "secret.png").write_bytes(GREY)
    with serving(folder, Player(pace=0.0)) as found:
        yield found


@pytest.fixture
def client(served: Served) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=served.url, timeout=20) as found:
        yield found


def network(path: Path, metadata: dict[str, str] = NETWORK) -> None:
    """Write a safetensors file with one small tensor and these metadata."""
    header: dict[str, Any] = {"lora_down.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    said = json.dumps({"__metadata__": metadata, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(said)) + said + b"\0\0\0\0")


@pytest.mark.parametrize(("method", "path", "body", "keys"), ROUTES, ids=[row[1].partition("?")[0] for row in ROUTES])
def test_every_route_answers_in_its_shape(
    client: httpx2.Client, method: str, path: str, body: dict[str, Any] | list[Any] | None, keys: set[str] | None
) -> None:
    answer = client.request(method, f"/{path}", json=body)
    if keys == ERROR:
        told = answer.json()
        assert 400 <= answer.status_code < 500 and set(told) == ERROR and told["detail"]
        return
    assert answer.status_code == 200 and float(answer.headers["x-process-time"]) >= 0
    told = answer.json()
    if keys is None:
        assert told is None
    elif isinstance(told, list):
        assert told or path.rpartition("/")[2] in EMPTY
        assert not told or keys <= set(told[0])
    else:
        assert keys <= set(told)


def test_how_to_end_the_server_is_told(client: httpx2.Client) -> None:
    for name in ("server-kill", "server-stop", "server-restart"):
        assert "easel serve" in client.post(f"/sdapi/v1/{name}").json()["detail"]
    assert client.get("/internal/ping").status_code == 200


def test_sysinfo_comes_as_a_file_and_the_start_took_some_time(client: httpx2.Client) -> None:
    answer = client.get("/internal/sysinfo-download")
    assert answer.headers["content-disposition"].startswith('attachment; filename="sysinfo-')
    assert answer.json() == client.get("/internal/sysinfo").json()
    told = client.get("/internal/profile-startup").json()
    assert told["total"] > 0 and sum(told["records"].values()) == pytest.approx(told["total"])
    assert client.get("/internal/profile-startup").json() == told


@pytest.mark.parametrize("name", ["ink", "style/ink", "style/ink.safetensors", "style_ink"])
def test_a_picture_beside_a_model_is_given_by_its_name(client: httpx2.Client, name: str) -> None:
    answer = client.get("/sd_extra_networks/thumb", params={"filename": name})
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png" and answer.content == GREY


def test_an_embedding_that_is_a_picture_shows_itself(client: httpx2.Client) -> None:
    assert client.get("/sd_extra_networks/thumb", params={"filename": "worn"}).content == GREY


def test_paths_reach_nothing(client: httpx2.Client, served: Served) -> None:
    models = served.settings.models
    beside, secret = models / "loras" / "style" / "ink.preview.png", models / "secret.png"
    for name in ("", "bare", "../secret", str(secret), str(beside), "/etc/passwd", "ink.preview.png", "\0"):
        answer = client.get("/sd_extra_networks/thumb", params={"filename": name})
        assert answer.status_code == 404 and set(answer.json()) == ERROR, name
        for page in ("lora", "checkpoints", "hypernetworks", "", "../"):
            assert client.get("/sd_extra_networks/metadata", params={"page": page, "item": name}).json() == {}


def test_metadata_and_covers_are_what_the_file_holds(client: httpx2.Client) -> None:
    told = client.get("/sd_extra_networks/metadata", params={"page": "lora", "item": "ink"}).json()["metadata"]
    assert json.loads(told) == {"ss_output_name": "ink wash", "ss_tag_frequency": {"10_ink": {"ink": 3}}}
    ask = {"page": "lora", "item": "ink"}
    answer = client.get("/sd_extra_networks/cover-images", params={**ask, "index": 0})
    assert answer.headers["content-type"] == "image/png" and Image.open(io.BytesIO(answer.content)).size == (64, 48)
    for index in (1, 2, 3, -1):
        answer = client.get("/sd_extra_networks/cover-images", params={**ask, "index": index})
        assert answer.status_code == 404 and set(answer.json()) == ERROR
    assert client.get("/sd_extra_networks/cover-images", params={"page": "lora", "item": "bare"}).status_code == 404


def test_a_card_shows_its_picture_and_puts_its_words(client: httpx2.Client) -> None:
    ask = {"page": "Lora", "tabname": '"><script>', "name": "ink"}
    html = client.get("/sd_extra_networks/get-single-card", params=ask).json()["html"]
    assert "&lt;lora:ink:1&gt;" in html and "<script>" not in html
    address = html.partition('src="')[2].partition('"')[0]
    assert client.get(address.removeprefix(".")).content == GREY
    assert client.get("/sd_extra_networks/get-single-card", params={"page": "lora", "name": "none"}).json() == {}
    bare = client.get("/sd_extra_networks/get-single-card", params={"page": "lora", "name": "bare"}).json()["html"]
    assert "<img" not in bare
