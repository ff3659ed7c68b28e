"""The routes of ControlNet and ADetailer over a queue: what there is, hints drawn, and units on their way to a job."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Generator
from typing import Any

import httpx2
import pytest
from PIL import Image, ImageDraw

from easel.core.request import Request
from easel.media.hints import hint_of
from easel.media.metadata import encode
from easel.models.readers import all_preprocessors, preprocessor_named
from tests.api.dialects import Served, serving
from tests.jobs.playing import Player

EDGES = bytes(range(256)) * 5000  # as large as a file whose short hash says something
HASH = hashlib.sha256(EDGES[0x100000:0x110000]).hexdigest()[:8]
FILES = {
    "ControlNet/control_v11p_sd15_canny.safetensors": EDGES,
    "ControlNet/union/controlnet-union-promax.safetensors": b"small",
    "t2i_adapter/t2iadapter_color.pth": b"small",
    "ip_adapter/ip-adapter_sd15.safetensors": b"small",
    "adetailer/face_yolov8n.onnx": b"small",
    "ESRGAN/4x-UltraSharp.pth": b"small",
    "RealESRGAN/RealESRGAN_x4plus.pth": b"small",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("preprocessing")
    for name, data in FILES.items():
        file = folder / "models" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    with serving(folder, Player(pace=0.0)) as found:
        yield found


@pytest.fixture
def client(served: Served) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=served.url, timeout=20) as found:
        yield found


def ball(size: tuple[int, int] = (48, 32)) -> Image.Image:
    """Return a red ball on white."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((8, 4, 30, 26), fill="red")
    return image


def sent(image: Image.Image) -> str:
    return base64.b64encode(encode(image)).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def detect(client: httpx2.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/controlnet/detect", json={"controlnet_input_images": [sent(ball())], **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def last_request(served: Served) -> Request:
    return served.store.list()[0].request


def test_models_are_listed_by_the_names_that_units_send(client: httpx2.Client) -> None:
    names = client.get("/controlnet/model_list").json()["model_list"]
    assert f"control_v11p_sd15_canny [{HASH}]" in names
    empty = hashlib.sha256(b"").hexdigest()[:8]  # of what stands one MiB within a small file
    assert f"t2iadapter_color [{empty}]" in names and f"ip-adapter_sd15 [{empty}]" in names
    assert f"union_controlnet-union-promax [{empty}]" in names


def test_a_new_model_is_there_at_once(client: httpx2.Client, served: Served) -> None:
    (served.settings.models / "ControlNet" / "new.pth").write_bytes(b"small")
    assert any(name.startswith("new ") for name in client.get("/controlnet/model_list").json()["model_list"])


def test_preprocessors_have_the_extension_s_names_and_sliders(client: httpx2.Client) -> None:
    found = client.get("/controlnet/module_list").json()
    names, details = found["module_list"], found["module_detail"]
    assert names[0] == "none" and set(names) == set(details)
    for name in ("canny", "tile_resample", "scribble_xdog", "inpaint_only", "depth_midas", "openpose_full", "mlsd"):
        assert name in names
    assert {"reference_only", "ip-adapter-auto"} <= set(names)
    assert [slider["name"] for slider in details["canny"]["sliders"]] == [
        "Preprocessor Resolution", "Canny Low Threshold", "Canny High Threshold",
    ]  # fmt: skip
    assert set(details["canny"]["sliders"][1]) == {"name", "value", "min", "max", "step"}
    assert details["none"] == {"model_free": False, "sliders": []}
    assert details["reference_only"]["model_free"] is True


def test_every_preprocessor_of_ours_can_be_named(client: httpx2.Client) -> None:
    names = client.get("/controlnet/module_list").json()["module_list"]
    known = [name for name in names if not name.startswith(("reference", "ip-adapter"))]
    assert {preprocessor_named(name).name for name in known} == {entry.name for entry in all_preprocessors()}
    labels = client.get("/controlnet/module_list?alias_names=true").json()["module_list"]
    assert {entry.facts["label"] for entry in all_preprocessors()} <= set(labels)


def test_sliders_stay_within_what_the_preprocessor_takes(client: httpx2.Client) -> None:
    from easel.prompt.dials import DIALS

    for name, dials in DIALS.items():
        if name.startswith("reference"):
            continue
        entry = preprocessor_named(name)
        for dial in dials:
            least, greatest = entry.facts["limits"][dial.option]
            assert least <= dial.usual * dial.factor <= greatest, name
    for name in client.get("/controlnet/module_list").json()["module_list"]:
        if not name.startswith(("reference", "ip-adapter")):
            options = preprocessor_named(name).options
            assert all(dial.option in options for dial in DIALS.get(name, ()))


def test_kinds_of_control_bring_what_goes_together(client: httpx2.Client) -> None:
    kinds = client.get("/controlnet/control_types").json()["control_types"]
    assert next(iter(kinds)) == "All"
    assert all(set(one) == {"module_list", "model_list", "default_option", "default_model"} for one in kinds.values())
    canny = kinds["Canny"]
    assert canny["default_option"] == "canny" and canny["default_model"] == f"control_v11p_sd15_canny [{HASH}]"
    assert any("union" in name for name in canny["model_list"]) and canny["model_list"][0] == "None"
    assert not any("adapter" in name for name in canny["model_list"])
    assert kinds["IP-Adapter"]["default_model"].startswith("ip-adapter_sd15")
    assert kinds["T2I-Adapter"]["default_model"].startswith("t2iadapter_color")
    assert kinds["Reference"] == {
        "module_list": ["none", "reference_only"],
        "model_list": ["None"],
        "default_option": "reference_only",
        "default_model": "None",
    }
    every = client.get("/controlnet/module_list").json()["module_list"]
    assert all(set(one["module_list"]) <= set(every) for one in kinds.values())


@pytest.mark.parametrize(
    ("body", "name", "settings"),
    [
        ({}, "none", {}),
        ({"controlnet_module": "canny"}, "canny", {}),
        (
            {"controlnet_module": "canny", "controlnet_threshold_a": 20, "controlnet_threshold_b": 50},
            "canny",
            {"options": {"low": 20, "high": 50}},
        ),
        ({"controlnet_module": "canny", "controlnet_processor_res": 64}, "canny", {"resolution": 64}),
        ({"controlnet_module": "tile_resample", "controlnet_threshold_a": 2}, "tile", {"options": {"rate": 2.0}}),
        ({"controlnet_module": "Scribble, XDoG"}, "scribble", {}),
    ],
)
def test_a_hint_is_what_the_preprocessor_draws(
    client: httpx2.Client, body: dict[str, Any], name: str, settings: dict[str, Any]
) -> None:
    found = detect(client, **body)
    assert found["info"] == "Success" and set(found) == {"info", "images"}
    assert opened(found["images"][0]).tobytes() == hint_of(ball(), name, **settings).tobytes()


def test_several_pictures_and_masks(client: httpx2.Client) -> None:
    images = [sent(ball()), sent(ball((64, 64)))]
    found = detect(client, controlnet_module="canny", controlnet_input_images=images)
    assert [opened(text).size for text in found["images"]] == [(48, 32), (64, 64)]
    mask = sent(Image.new("L", (48, 32), 255))
    (hole,) = detect(client, controlnet_module="inpaint_only", controlnet_masks=[mask])["images"]
    assert opened(hole).getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"controlnet_input_images": []}, "controlnet_input_images"),
        ({"controlnet_input_images": ["x"] * 17}, "1 to 16"),
        ({"controlnet_input_images": ["AAAA"]}, "controlnet_input_images 0"),
        ({"controlnet_module": "cany"}, "nearest 'canny'"),
        ({"controlnet_module": "softedge_pidinet"}, "softedge_pidinet"),
        ({"controlnet_module": "canny", "controlnet_threshold_a": 300, "controlnet_threshold_b": 200}, "low"),
        ({"controlnet_module": "depth_midas"}, "easel models download"),
        ({"controlnet_masks": ["QUJD", "QUJD"]}, "controlnet_masks"),
    ],
)
def test_what_cannot_be_drawn_is_told(client: httpx2.Client, body: dict[str, Any], told: str) -> None:
    answer = client.post("/controlnet/detect", json={"controlnet_input_images": [sent(ball())], **body})
    assert answer.status_code == 422 and set(answer.json()) == {"error", "detail", "body", "errors"}
    assert told in answer.json()["detail"]


def test_poses_are_drawn_from_json(client: httpx2.Client) -> None:
    points = [value for place in range(18) for value in (4 + 3 * place, 40 - place, 1)]
    pose = {"people": [{"pose_keypoints_2d": points}], "canvas_width": 64, "canvas_height": 48}
    found = client.post("/controlnet/render_openpose_json", json=[pose, pose]).json()
    assert len(found["images"]) == 2 and opened(found["images"][0]).size == (64, 48)
    assert opened(found["images"][0]).getextrema() != ((0, 0),) * 3
    for body, told in (([], "poses"), ([{**pose, "canvas_width": "wide"}], "poses 0")):
        answer = client.post("/controlnet/render_openpose_json", json=body)
        assert answer.status_code == 422 and told in answer.json()["detail"]


def test_what_finds_regions(client: httpx2.Client) -> None:
    names = client.get("/adetailer/v1/ad_model").json()["ad_model"]
    assert names[0] == "face_yolov8n.onnx" and {"mediapipe_face_full", "words: face"} <= set(names)
    assert "ad_denoising_strength" in client.get("/adetailer/v1/schema").json()["properties"]


def drawn(client: httpx2.Client, *units: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the answer to a call with these units."""
    scripts = {"ControlNet": {"args": list(units)}}
    body = {"prompt": "a fox", "seed": 1, "steps": 1, "width": 64, "height": 64, "alwayson_scripts": scripts, **fields}
    answer = client.post("/sdapi/v1/txt2img", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


CANNY = {"module": "canny", "model": f"control_v11p_sd15_canny [{HASH}]"}


def test_units_go_to_the_queue_by_the_library_s_names_and_their_hints_come_back(
    client: httpx2.Client, served: Served
) -> None:
    canny = {**CANNY, "image": sent(ball()), "pixel_perfect": True}
    adapter = {"module": "ip-adapter-auto", "model": "ip-adapter_sd15", "image": sent(ball())}
    colour = {
        "module": "t2ia_color_grid",
        "model": "t2iadapter_color",
        "image": sent(ball()),
        "save_detected_map": False,
    }
    union = {"module": "blur_gaussian", "model": "union_controlnet-union-promax", "image": sent(ball((16, 16)))}
    body = drawn(client, canny, adapter, colour, union, batch_size=2)
    request = last_request(served)
    assert [control.model for control in request.controls] == [
        "control_v11p_sd15_canny", "t2iadapter_color", "union/controlnet-union-promax",
    ]  # fmt: skip
    assert [prompt.model for prompt in request.image_prompts] == ["ip-adapter_sd15"]
    assert [opened(text).size for text in body["images"]] == [(16, 8), (16, 8), (64, 64), (64, 64)]
    assert len(json.loads(body["info"])["infotexts"]) == 2
    edges = opened(body["images"][2])
    assert edges.getcolors() is not None and {colour for _, colour in edges.getcolors() or []} <= {(0,) * 3, (255,) * 3}


def test_hints_stay_away_where_they_are_not_wanted(client: httpx2.Client) -> None:
    unit = {**CANNY, "image": sent(ball())}
    assert len(drawn(client, {**unit, "save_detected_map": False})["images"]) == 1
    assert drawn(client, unit, send_images=False)["images"] == []
    assert len(drawn(client, {**unit, "module": "reference_only", "model": "None"})["images"]) == 1


def test_a_unit_s_picture_is_the_start_s_where_it_has_none(client: httpx2.Client, served: Served) -> None:
    body = {"init_images": [sent(ball())], "steps": 1, "alwayson_scripts": {"ControlNet": {"args": [CANNY]}}}
    answer = client.post("/sdapi/v1/img2img", json={**body, "width": 96, "height": 64}).json()
    assert last_request(served).controls[0].image is None
    assert opened(answer["images"][1]).size == (96, 64)


def test_a_hole_is_where_a_mask_is(client: httpx2.Client, served: Served) -> None:
    mask = Image.new("L", (48, 32))
    mask.paste(255, (0, 0, 24, 32))
    unit = {**CANNY, "module": "inpaint_only"}
    body = {"init_images": [sent(ball())], "mask": sent(mask), "steps": 1, "width": 48, "height": 32}
    answer = client.post("/sdapi/v1/img2img", json={**body, "alwayson_scripts": {"ControlNet": {"args": [unit]}}})
    hint = opened(answer.json()["images"][1])
    assert hint.getpixel((4, 4)) == (0, 0, 0) and hint.getpixel((40, 4)) == (255, 255, 255)
    assert last_request(served).controls[0].mask is None


def test_the_extensions_are_among_the_scripts(client: httpx2.Client) -> None:
    names = client.get("/sdapi/v1/scripts").json()
    assert all({"controlnet", "adetailer"} <= set(names[where]) for where in ("txt2img", "img2img"))


@pytest.mark.parametrize(
    ("scripts", "told"),
    [
        ({"ControlNet": {"args": [{**CANNY, "model": "control_v11p_sd15_cany"}]}}, "nearest"),
        ({"ControlNet": {"args": [{"module": "ip-adapter-auto", "model": "nothing"}]}}, "GET /controlnet/model_list"),
        ({"ADetailer": {"args": [{"ad_model": "hand_yolov8n.pt"}]}}, "face_yolov8n"),
    ],
)
def test_names_that_are_not_here_are_told_before_anything_is_queued(
    client: httpx2.Client, served: Served, scripts: dict[str, Any], told: str
) -> None:
    before = len(served.store.list())
    body = {"init_images": [sent(ball())], "steps": 1, "alwayson_scripts": scripts}
    answer = client.post("/sdapi/v1/img2img", json=body)
    assert answer.status_code == 422 and told in answer.json()["detail"]
    assert len(served.store.list()) == before


def test_details_go_to_the_queue(client: httpx2.Client, served: Served) -> None:
    args = [True, False, {"ad_model": "face_yolov8n.pt"}, {"ad_model": "words: face"}]
    body = {"prompt": "a fox", "steps": 1, "alwayson_scripts": {"ADetailer": {"args": args}}}
    assert client.post("/sdapi/v1/txt2img", json=body).status_code == 200
    assert [(one.by, one.find) for one in last_request(served).details] == [
        ("model", "face_yolov8n"), ("words", "face"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file"), [("R-ESRGAN 4x+", "RealESRGAN_x4plus"), ("4x-UltraSharp", "4x-UltraSharp"), ("Latent", "Latent")]
)
def test_learned_upscalers_go_by_a1111_s_names_too(client: httpx2.Client, served: Served, name: str, file: str) -> None:
    body = {"prompt": "a fox", "steps": 1, "enable_hr": True, "hr_upscaler": name}
    assert client.post("/sdapi/v1/txt2img", json=body).status_code == 200
    hires = last_request(served).hires
    assert hires is not None and hires.upscaler == file
    names = [one["name"] for one in client.get("/sdapi/v1/upscalers").json()]
    assert {"Lanczos", "4x-UltraSharp", "RealESRGAN_x4plus"} <= set(names)
    assert [one["name"] for one in client.get("/sdapi/v1/realesrgan-models").json()] == ["RealESRGAN_x4plus"]
