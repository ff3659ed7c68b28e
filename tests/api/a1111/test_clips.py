"""AnimateDiff's arguments as its clients send them, what they mean in a request, and the films that they bring."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from easel.api.a1111.clips import Clip, ClipArgs, clip_in
from easel.app import open_client
from easel.core.errors import RequestError
from easel.core.motion import Motion
from easel.core.settings import Settings
from easel.media.metadata import read_picture_file
from easel.models.library.names import STARTER
from tests.adapters.motion.making import tiny_net, write_published
from tests.api.a1111.bodies import image, text
from tests.api.dialects import Served, serving

MODEL = "mm_sd_v15_v2.ckpt"

# Every field, as AnimateDiff's documentation shows them.
WHOLE: dict[str, Any] = {
    "model": MODEL,
    "format": ["GIF"],
    "enable": True,
    "video_length": 16,
    "fps": 8,
    "loop_number": 0,
    "closed_loop": "R+P",
    "batch_size": 16,
    "stride": 1,
    "overlap": -1,
    "interp": "Off",
    "interp_x": 10,
    "video_source": None,
    "video_path": "",
    "latent_power": 1,
    "latent_scale": 32,
    "last_frame": None,
    "latent_power_last": 1,
    "latent_scale_last": 32,
    "request_id": "",
}


def scripts(**fields: Any) -> dict[str, Any]:
    """The scripts of a call with a clip."""
    return {"AnimateDiff": {"args": [{"model": MODEL, "enable": True, **fields}]}}


def test_the_documented_body_is_a_clip() -> None:
    found = text(alwayson_scripts={"AnimateDiff": {"args": [WHOLE]}}, batch_size=4)
    assert (found.motion, found.batch_size) == (Motion(model=MODEL, format="gif"), 16)


def test_a_picture_begins_a_clip_too() -> None:
    found = image(alwayson_scripts=scripts(video_length=5, fps=12.5, format=["MP4"], strength=0.5))
    assert (found.recipe, found.batch_size) == ("image_to_image", 5)
    assert found.motion == Motion(model=MODEL, fps=12.5, format="mp4", strength=0.5)


@pytest.mark.parametrize("arguments", [[], [{}], [{"model": MODEL}], [{"enable": False, "last_frame": "?"}]])
def test_what_is_off_asks_for_nothing(arguments: list[Any]) -> None:
    assert clip_in(arguments) is None
    found = text(alwayson_scripts={"AnimateDiff": {"args": arguments}}, batch_size=2)
    assert (found.motion, found.batch_size) == (None, 2)


def test_no_length_is_that_of_the_context() -> None:
    clip = clip_in([{"enable": True, "batch_size": 24}])
    assert clip is not None and clip.frames == 24


@pytest.mark.parametrize(
    ("format", "films", "shown", "saved"),
    [
        (["GIF"], ("gif",), False, False),
        (["mp4", "WEBP", "MP4"], ("mp4", "webp"), False, False),
        (["GIF", "PNG"], ("gif",), False, True),
        (["GIF", "Frame"], ("gif",), True, False),
        (["PNG"], (), True, True),
    ],
)
def test_formats_say_what_is_answered(format: list[str], films: tuple[str, ...], shown: bool, saved: bool) -> None:
    clip = clip_in([{"enable": True, "format": format}])
    assert isinstance(clip, Clip)
    assert (clip.films, clip.shown, clip.saved) == (films, shown, saved)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"fps": 0}, "AnimateDiff fps"),
        ({"video_length": 500}, "AnimateDiff video_length"),
        ({"format": []}, "AnimateDiff format"),
        ({"format": ["WEBM"]}, "GIF or WEBP or MP4 or PNG or Frame"),
        ({"closed_loop": "A"}, "'N'"),
        ({"closed_loop": "N", "stride": 2, "video_length": 32}, "stride"),
        ({"video_length": 32}, "closed_loop 'R-P'"),
        ({"interp": "FILM"}, "interp 'FILM'"),
        ({"loop_number": 3}, "loop_number 3"),
        ({"last_frame": "iVBOR" * 100}, "last_frame"),
        ({"video_path": "/etc"}, "video_path"),
        ({"freeinit_enable": True}, "freeinit_enable"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as refused:
        text(alwayson_scripts=scripts(**fields))
    assert said in refused.value.message and "\n" not in refused.value.message
    assert len(refused.value.message) < 400


def test_every_usual_value_is_taken() -> None:
    usual = {name: field.default for name, field in ClipArgs.model_fields.items() if name not in ("model", "enable")}
    assert text(alwayson_scripts=scripts(**usual)).batch_size == 16


@pytest.mark.parametrize("args", [[1], [WHOLE, WHOLE], ["enable"]])
def test_arguments_are_one_object(args: list[Any]) -> None:
    with pytest.raises(RequestError, match="one object"):
        text(alwayson_scripts={"AnimateDiff": {"args": args}})


def test_a_grid_of_clips_is_refused() -> None:
    with pytest.raises(RequestError, match="AnimateDiff with the script"):
        text(alwayson_scripts=scripts(), script_name="x/y/z plot", script_args=[1, "1,2"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A server over an engine with the embedded model and a motion module that fits it."""
    folder: Path = tmp_path_factory.mktemp("clips")
    unet = json.loads((STARTER / "unet" / "config.json").read_text())
    net = tiny_net(channels=tuple(unet["block_out_channels"]))
    write_published(folder / "models" / "motion" / "sway.safetensors", net)
    engine = open_client(Settings(precision="float32", models=folder / "models"))
    with serving(folder, engine, check=engine.check) as found:
        yield found


def drawn(served: Served, **fields: Any) -> dict[str, Any]:
    """The answer to a call."""
    size = {"width": 64, "height": 64, "steps": 2, "seed": 5, "cfg_scale": 4}
    with httpx2.Client(base_url=served.url, timeout=60) as web:
        answer = web.post("/sdapi/v1/txt2img", json={"prompt": "a fox", **size, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_call_is_answered_with_its_films_and_frames(served: Served) -> None:
    asked = {"model": "sway.ckpt", "enable": True, "video_length": 3, "fps": 10, "format": ["GIF", "WEBP", "Frame"]}
    answer = drawn(served, alwayson_scripts={"AnimateDiff": {"args": [asked]}}, n_iter=2)
    files = [base64.b64decode(one) for one in answer["images"]]
    found = [Image.open(io.BytesIO(file)) for file in files]
    assert [(one.format, getattr(one, "n_frames", 1)) for one in found] == [
        *(("GIF", 3), ("WEBP", 3), *[("PNG", 1)] * 3),
        *(("GIF", 3), ("WEBP", 3), *[("PNG", 1)] * 3),
    ]
    told = json.loads(answer["info"])
    assert told["all_seeds"] == [5, 5, 5, 6, 7, 8, 8, 8, 9, 10]
    assert "Motion: sway" in told["infotexts"][0] and read_picture_file(io.BytesIO(files[2])).infotext
    again = drawn(served, infotext=told["infotexts"][3], alwayson_scripts={})
    assert Image.open(io.BytesIO(base64.b64decode(again["images"][0]))).format == "GIF"


def test_films_are_saved_with_their_ending(served: Served) -> None:
    asked = {"model": "sway", "enable": True, "video_length": 2, "format": ["MP4", "PNG"]}
    answer = drawn(served, alwayson_scripts={"AnimateDiff": {"args": [asked]}}, save_images=True)
    assert len(answer["images"]) == 1
    saved = sorted(file.suffix for file in served.settings.outputs.rglob("*") if file.is_file())
    assert saved == [".mp4", ".png", ".png"]
