"""A1111's routes over a queue: what clients ask is drawn and answered in the peer's shapes, to each their own."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from easel.api.users import new_key
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.request import Request
from easel.media.metadata import encode, infotext_of
from easel.prompt.styles import Style, write_styles
from tests.api.dialects import Served, serving
from tests.jobs.playing import Player

INFO = {
    "prompt", "all_prompts", "negative_prompt", "all_negative_prompts", "seed", "all_seeds", "subseed", "all_subseeds",
    "subseed_strength", "width", "height", "sampler_name", "cfg_scale", "steps", "batch_size", "restore_faces",
    "face_restoration_model", "sd_model_name", "sd_model_hash", "sd_vae_name", "sd_vae_hash", "seed_resize_from_w",
    "seed_resize_from_h", "denoising_strength", "extra_generation_params", "index_of_first_image", "infotexts",
    "styles", "job_timestamp", "clip_skip", "is_using_inpainting_conditioning", "version",
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A server that asks for no names."""
    folder = tmp_path_factory.mktemp("a1111")
    write_styles(folder / "styles.csv", [Style("ink", "ink drawing of {prompt}", "colour")])
    with serving(folder, Player(pace=0.01)) as found:
        yield found


@pytest.fixture
def client(served: Served) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=served.url, timeout=20) as found:
        yield found


def picture(colour: int = 90) -> str:
    return base64.b64encode(encode(Image.new("RGB", (64, 48), (colour, 0, 0)))).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def until(condition: Any, seconds: float = 10) -> Any:
    """Return the first true thing that a condition gives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_txt2img_answers_as_there(client: httpx2.Client) -> None:
    answer = client.post(
        "/sdapi/v1/txt2img",
        json={"prompt": "a fox", "seed": 5, "steps": 3, "batch_size": 2, "n_iter": 2, "styles": ["ink"], "unknown": 1},
    )
    assert answer.status_code == 200 and float(answer.headers["x-process-time"]) >= 0
    body = answer.json()
    assert set(body) == {"images", "parameters", "info"} and len(body["images"]) == 4
    assert body["parameters"]["prompt"] == "a fox" and body["parameters"]["n_iter"] == 2
    info = json.loads(body["info"])
    assert set(info) == INFO
    assert info["all_seeds"] == [5, 6, 7, 8] and info["prompt"] == "ink drawing of a fox"
    assert info["all_prompts"] == ["ink drawing of a fox"] * 4 and info["negative_prompt"] == "colour"
    assert info["infotexts"] == [f"Seed: {seed}" for seed in (5, 6, 7, 8)] and info["index_of_first_image"] == 0
    assert [infotext_of(opened(text)) for text in body["images"]] == info["infotexts"]


def test_img2img_answers_without_its_pictures_unless_asked(client: httpx2.Client) -> None:
    body = {"init_images": [picture()], "mask": picture(), "seed": 5, "steps": 2}
    without = client.post("/sdapi/v1/img2img", json=body).json()
    assert without["parameters"]["init_images"] is None and without["parameters"]["mask"] is None
    with_them = client.post("/sdapi/v1/img2img", json={**body, "include_init_images": True}).json()
    assert with_them["parameters"]["init_images"] == body["init_images"] and len(with_them["images"]) == 1


def test_pictures_may_stay_away_or_come_in_another_format(client: httpx2.Client) -> None:
    ask = {"prompt": "a fox", "seed": 1, "steps": 1}
    assert client.post("/sdapi/v1/txt2img", json={**ask, "send_images": False}).json()["images"] == []
    body = client.post("/sdapi/v1/txt2img", json={**ask, "override_settings": {"samples_format": "webp"}}).json()
    assert opened(body["images"][0]).format == "WEBP" and infotext_of(opened(body["images"][0])) == "Seed: 1"
    bare = client.post("/sdapi/v1/txt2img", json={**ask, "override_settings": {"enable_pnginfo": False}}).json()
    assert infotext_of(opened(bare["images"][0])) is None and json.loads(bare["info"])["infotexts"] == ["Seed: 1"]


def test_saved_pictures_stand_where_they_would_there(client: httpx2.Client, served: Served) -> None:
    ask = {"prompt": "a fox", "seed": 4242, "steps": 1, "batch_size": 2, "save_images": True}
    body = client.post("/sdapi/v1/txt2img", json=ask).json()
    assert len(body["images"]) == 3 and json.loads(body["info"])["index_of_first_image"] == 1
    outputs = served.settings.outputs
    assert len(list(outputs.glob("txt2img-images/*/*-424[23].png"))) == 2
    assert len(list(outputs.glob("txt2img-grids/*/*-4242.png"))) == 1


def test_a_plot_comes_back_as_a_sheet(client: httpx2.Client) -> None:
    args = [4, "1,2,3", [], 6, "2,3", [], 0, "", [], True, True]
    ask = {"prompt": "a fox", "seed": 1, "script_name": "x/y/z plot", "script_args": args}
    body = client.post("/sdapi/v1/txt2img", json=ask).json()
    sheet, *cells = (opened(text) for text in body["images"])
    assert len(cells) == 6 and sheet.width > 3 * cells[0].width and sheet.height > 2 * cells[0].height
    assert "X Type: Steps" in (infotext_of(sheet) or "") and json.loads(body["info"])["index_of_first_image"] == 1
    alone = client.post("/sdapi/v1/txt2img", json={**ask, "script_args": args[:9]}).json()
    assert len(alone["images"]) == 1


TOO_WIDE = {"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 20000}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("txt2img", {"sampler_name": "Eular"}, 422, "nearest 'Euler'"),
        ("txt2img", {"firstpass_image": "QUJD"}, 422, "firstpass_image"),
        ("txt2img", {"enable_hr": True, "hr_upscaler": "4x-Nothing"}, 422, "upscaler '4x-Nothing'"),
        ("txt2img", {"override_settings": {"sd_model_checkpoint": "no such model"}}, 422, "no such model"),
        ("txt2img", {"override_settings": {"sd_vae": "no such part"}}, 422, "no such part"),
        ("txt2img", {"script_name": "no such"}, 422, "script"),
        ("txt2img", {"steps": "many"}, 422, "steps"),
        ("img2img", {}, 422, "init_images"),
        ("img2img", {"init_images": ["http://127.0.0.1/x.png"]}, 422, "not fetched"),
        ("interrogate", {}, 422, "interrogate"),
        ("unload-checkpoint", {}, 422, "unload-checkpoint"),
        ("extra-single-image", {"image": picture(), "upscaler_1": "4x-Nothing"}, 422, "upscaler '4x-Nothing'"),
        ("extra-batch-images", {"imageList": []}, 422, "imageList"),
        ("extra-single-image", {"image": picture(), **TOO_WIDE}, 422, "upscaling_resize_w is 20000"),
        ("extra-single-image", {"image": "AAAA"}, 422, "image"),
        ("extra-single-image", {"image": picture(), "upscaler_1": "Latent"}, 422, "enlarges latents"),
        ("options", {"CLIP_stop_at_last_layers": "two"}, 422, "CLIP_stop_at_last_layers"),
        ("options", {"sd_model_checkpoint": "no such model"}, 422, "no such model"),
        ("no-such-route", {}, 404, ""),
    ],
)
def test_what_is_wrong_is_told_in_their_shape(
    client: httpx2.Client, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    answer = client.post(f"/sdapi/v1/{path}", json=body)
    assert answer.status_code == status
    told = answer.json()
    assert set(told) == {"error", "detail", "body", "errors"} and said in told["detail"] == told["errors"]


def test_a_drawing_that_fails_says_why(client: httpx2.Client) -> None:
    answer = client.post("/sdapi/v1/txt2img", json={"prompt": "fail", "steps": 1})
    assert answer.status_code == 503 and "smaller picture" in answer.json()["detail"]


LISTS = {
    "samplers": {"name", "aliases", "options"},
    "schedulers": {"name", "label", "aliases", "default_rho", "need_inner_model"},
    "upscalers": {"name", "model_name", "model_path", "model_url", "scale"},
    "latent-upscale-modes": {"name"},
    "sd-models": {"title", "model_name", "hash", "sha256", "filename", "config"},
    "sd-vae": {"model_name", "filename"},
    "sd-modules": {"model_name", "filename"},
    "loras": {"name", "alias", "path", "metadata"},
    "prompt-styles": {"name", "prompt", "negative_prompt"},
    "script-info": {"name", "is_alwayson", "is_img2img", "args"},
    "hypernetworks": set[str](),
    "face-restorers": set[str](),
    "realesrgan-models": set[str](),
    "extensions": set[str](),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_their_shape(client: httpx2.Client, name: str) -> None:
    found = client.get(f"/sdapi/v1/{name}").json()
    assert all(set(one) == LISTS[name] for one in found)
    if name in ("samplers", "schedulers", "upscalers", "latent-upscale-modes", "prompt-styles", "script-info"):
        assert found


def test_options_of_samplers_are_texts(client: httpx2.Client) -> None:
    options = [one["options"] for one in client.get("/sdapi/v1/samplers").json()]
    assert all(isinstance(value, str) for one in options for value in one.values())
    assert {"scheduler": "Karras"} in options


def test_models_are_listed_by_titles_that_settings_take(client: httpx2.Client, served: Served) -> None:
    places = served.settings.models / "anime"
    places.mkdir(parents=True, exist_ok=True)
    (places / "fine.safetensors").write_bytes(b"not read until it is used")
    assert client.post("/sdapi/v1/refresh-checkpoints").json() is None
    (one,) = (one for one in client.get("/sdapi/v1/sd-models").json() if "fine" in one["title"])
    assert one["model_name"] == "anime_fine" and one["title"] == "anime/fine.safetensors"
    for name in (one["title"], one["model_name"], "fine", f"{one['title']} [0123456789]"):
        ask = {"steps": 1, "override_settings": {"sd_model_checkpoint": name}, "send_images": False}
        assert json.loads(client.post("/sdapi/v1/txt2img", json=ask).json()["info"])["sd_model_name"] == "anime/fine"


def test_the_rest_answers_too(client: httpx2.Client) -> None:
    assert set(client.get("/sdapi/v1/embeddings").json()) == {"loaded", "skipped"}
    assert "sd upscale" in client.get("/sdapi/v1/scripts").json()["img2img"]
    memory = client.get("/sdapi/v1/memory").json()
    assert memory["ram"]["total"] == memory["ram"]["free"] + memory["ram"]["used"] and memory["cuda"]
    assert client.get("/sdapi/v1/cmd-flags").json()["api"] is True
    assert client.get("/internal/ping").json() == {} and client.get("/internal/sysinfo").json()["Version"]
    for name in ("refresh-vae", "refresh-loras", "refresh-embeddings"):
        assert client.post(f"/sdapi/v1/{name}").json() is None
    assert "sd_vae" in [one["name"] for one in client.get("/internal/quicksettings-hint").json()]


def last_request(served: Served) -> Request:
    """Return what the last job asks for."""
    return served.store.list()[0].request


def test_extras_wait_in_the_queue_like_all_others(client: httpx2.Client, served: Served) -> None:
    ask = {
        "image": picture(),
        "upscaler_1": "Lanczos",
        "upscaling_resize": 1.5,
        "upscaler_2": "Nearest",
        "extras_upscaler_2_visibility": 0.25,
        "upscale_first": True,
    }
    body = client.post("/sdapi/v1/extra-single-image", json=ask).json()
    assert opened(body["image"]).size == (16, 8) and body["html_info"] == ""
    request = last_request(served)
    assert request.recipe == "process" and request.start is not None
    assert request.start.image == base64.b64decode(ask["image"])
    assert request.enlarge == Enlarge(upscaler="Lanczos", second="Nearest", second_share=0.25, scale=1.5, first=True)
    several = {"upscaler_1": "Lanczos", "imageList": [{"data": picture(), "name": "a"}, {"data": picture(9)}]}
    assert len(client.post("/sdapi/v1/extra-batch-images", json=several).json()["images"]) == 2


def test_a_size_to_reach_is_covered_and_cut(client: httpx2.Client, served: Served) -> None:
    size = {"resize_mode": 1, "upscaling_resize_w": 100, "upscaling_resize_h": 90}
    ask = {"image": picture(), "upscaler_1": "Lanczos", **size}
    client.post("/sdapi/v1/extra-single-image", json=ask)
    assert last_request(served).enlarge == Enlarge(upscaler="Lanczos", width=100, height=90)
    client.post("/sdapi/v1/extra-single-image", json={**ask, "upscaling_crop": False})
    assert last_request(served).enlarge == Enlarge(upscaler="Lanczos", width=100, height=90, crop=False)


def test_extras_restore_faces(client: httpx2.Client, served: Served) -> None:
    shares = {"gfpgan_visibility": 0.5, "codeformer_visibility": 0.75, "codeformer_weight": 0.2}
    client.post("/sdapi/v1/extra-single-image", json={"image": picture(), **shares})
    request = last_request(served)
    assert request.enlarge is None and request.faces == (
        Faces(restorer="GFPGAN", visibility=0.5),
        Faces(restorer="CodeFormer", visibility=0.75, fidelity=0.2),
    )
    answer = client.post("/sdapi/v1/txt2img", json={"restore_faces": True, "steps": 1, "send_images": False})
    info = json.loads(answer.json()["info"])
    assert (info["restore_faces"], info["face_restoration_model"]) == (True, "CodeFormer")
    assert last_request(served).faces == (Faces(restorer="CodeFormer"),)


def test_restorers_of_faces_are_listed_by_a1111_s_names(client: httpx2.Client, served: Served) -> None:
    folder = served.settings.models / "gfpgan"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("GFPGANv1.4.pth", "codeformer-v0.1.0.pth", "other.pth"):
        (folder / name).write_bytes(b"not read until it is used")
    client.post("/sdapi/v1/refresh-checkpoints")
    found = client.get("/sdapi/v1/face-restorers").json()
    assert {one["name"]: one["cmd_dir"] for one in found} == dict.fromkeys(
        ("CodeFormer", "GFPGAN", "other"), str(folder)
    )


def test_nothing_asked_is_the_picture_itself(client: httpx2.Client, served: Served) -> None:
    before = len(served.store.list())
    ask = {"image": picture(), "upscaling_resize": 4}
    assert client.post("/sdapi/v1/extra-single-image", json=ask).json()["image"] == ask["image"]
    assert len(served.store.list()) == before


def test_a_picture_is_cut_out_of_its_background(client: httpx2.Client, served: Served) -> None:
    ask = {"input_image": picture(), "model": "flat", "return_mask": True}
    assert opened(client.post("/rembg", json=ask).json()["image"]).format == "PNG"
    assert last_request(served).background == Background(model="flat", mask_only=True)
    assert client.post("/rembg", json={**ask, "model": "None"}).json() is None
    for body, told in (({"model": "u2net"}, "u2net"), ({"alpha_matting": True}, "alpha_matting")):
        answer = client.post("/rembg", json={**ask, **body})
        assert answer.status_code == 422 and told in answer.json()["detail"]


def test_png_info_tells_the_infotext(client: httpx2.Client) -> None:
    text = "a fox\nNegative prompt: fog\nSteps: 4, Sampler: Euler, Seed: 3, Size: 64x48"
    file = base64.b64encode(encode(Image.new("RGB", (8, 8)), text)).decode()
    body = client.post("/sdapi/v1/png-info", json={"image": f"data:image/png;base64,{file}"}).json()
    assert body["info"] == text and body["items"]["parameters"] == text
    said = body["parameters"]
    assert (said["Prompt"], said["Negative prompt"], said["Size-1"], said["Clip skip"]) == ("a fox", "fog", "64", "1")
    empty = client.post("/sdapi/v1/png-info", json={"image": picture()}).json()
    assert empty == {"info": "", "items": {}, "parameters": {}}


STILL = {"prompt": "wait", "steps": 4}


def asking(client: httpx2.Client, body: dict[str, Any], pool: ThreadPoolExecutor) -> Future[httpx2.Response]:
    return pool.submit(client.post, "/sdapi/v1/txt2img", json=body)


def test_progress_is_told_by_name_and_for_the_current_call(client: httpx2.Client) -> None:
    nothing = client.get("/sdapi/v1/progress").json()
    assert nothing["progress"] == 0 and nothing["state"]["job_count"] == 0 and nothing["current_image"] is None
    with ThreadPoolExecutor() as pool:
        options = {"show_progress_every_n_steps": 1}
        call = asking(client, {**STILL, "force_task_id": "task(one)", "override_settings": options}, pool)
        told = until(
            lambda: (found := progress(client, "task(one)"))["active"] and found["id_live_preview"] > 0 and found
        )
        assert told["live_preview"].startswith("data:image/png;base64,") and not told["completed"]
        again = progress(client, "task(one)", id_live_preview=told["id_live_preview"])
        assert again["live_preview"] is None and again["id_live_preview"] == told["id_live_preview"]
        current = client.get("/sdapi/v1/progress").json()
        assert current["state"]["job"] == "task(one)" and current["state"]["sampling_steps"] == 4
        assert opened(current["current_image"]).size == (8, 8)
        assert client.get("/sdapi/v1/progress?skip_current_image=true").json()["current_image"] is None
        again_named = client.post("/sdapi/v1/txt2img", json={**STILL, "force_task_id": "task(one)"})
        assert again_named.status_code == 422 and "force_task_id" in again_named.json()["detail"]
        assert client.post("/sdapi/v1/interrupt").json() == {}
        assert call.result().json()["images"] == []
    assert progress(client, "task(one)")["completed"] and not progress(client, "no such")["completed"]
    assert client.get("/internal/pending-tasks").json() == {"size": 0, "tasks": []}


def progress(client: httpx2.Client, task: str, **more: Any) -> dict[str, Any]:
    return client.post("/internal/progress", json={"id_task": task, **more}).json()


def test_skip_stops_one_batch_and_interrupt_keeps_what_is_done(client: httpx2.Client) -> None:
    with ThreadPoolExecutor() as pool:
        lines = "wait for it\na fox\na cat"
        script = {"script_name": "prompts from file or textbox", "script_args": [False, False, "start", lines]}
        call = asking(client, {"steps": 1, "force_task_id": "task(two)", **script}, pool)
        until(lambda: client.get("/sdapi/v1/progress").json()["state"]["job_no"] == 2)
        assert client.post("/sdapi/v1/skip").json() is None
        assert len(call.result().json()["images"]) == 2
        call = asking(client, {"steps": 1, **script}, pool)
        until(lambda: client.get("/sdapi/v1/progress").json()["state"]["job_no"] == 2)
        client.post("/sdapi/v1/interrupt")
        info = json.loads(call.result().json()["info"])
        assert sorted(info["all_prompts"]) == ["a cat", "a fox"]


def test_to_interrupt_nothing_does_nothing(client: httpx2.Client) -> None:
    assert client.post("/sdapi/v1/interrupt").json() == {} and client.post("/sdapi/v1/skip").json() is None


def test_callers_see_and_stop_and_set_their_own_alone(tmp_path: Path) -> None:
    keys = {name: new_key(name) for name in ("ann", "ben")}
    with serving(tmp_path, Player(pace=0.01), [secret for _, secret in keys.values()]) as served:
        ann, ben = (httpx2.Client(base_url=served.url, auth=(name, key), timeout=20) for name, (key, _) in keys.items())
        stranger = httpx2.get(f"{served.url}/sdapi/v1/options")
        assert stranger.status_code == 401 and stranger.json()["error"] == "Unauthorised"
        assert ann.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 2, "of an extension": 1}).json() is None
        assert ann.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 2
        assert ben.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 1
        whole = ann.get("/sdapi/v1/options").json()
        assert ann.post("/sdapi/v1/options", json=whole).status_code == 200
        assert ann.get("/sdapi/v1/options").json() == whole
        with ThreadPoolExecutor() as pool:
            call = asking(ann, {**STILL, "force_task_id": "mine"}, pool)
            until(lambda: progress(ann, "mine")["active"])
            assert not progress(ben, "mine")["active"]
            assert ben.get("/sdapi/v1/progress").json()["state"]["job"] == ""
            ben.post("/sdapi/v1/interrupt")
            ben.post("/sdapi/v1/skip")
            assert progress(ann, "mine")["active"]
            ann.post("/sdapi/v1/interrupt")
            info = json.loads(call.result().json()["info"])
            assert info["clip_skip"] == 2
        for one in (ann, ben):
            one.close()
