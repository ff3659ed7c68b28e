"""Details: regions found, painted anew by their own words, and pasted; around them every bit stays."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from easel.core.client import Done
from easel.core.detail import Detail
from easel.core.errors import BadValue, Mismatch, UnknownName, Unsupported
from easel.core.finishing import Background, Enlarge, Faces
from easel.core.request import Request
from easel.core.settings import read_settings
from easel.core.work import Evaluate, Load, Wanted, Work
from easel.engine.engine import Engine
from easel.engine.local import models_of
from easel.engine.runner import Perform, perform
from easel.engine.shelf import Shelf
from easel.media.reading import png_bytes
from easel.models.family import Model, load
from easel.models.layouts.identify import identify
from easel.models.library.names import Library
from easel.post.finding import load_finder
from easel.post.yolo import load_detector
from easel.prompt import infotext
from easel.prompt.recall import recall
from easel.recipes.attending import size_seen
from easel.recipes.common import check, settle, tell
from easel.recipes.detailing import Task, grouped
from easel.recipes.done import done_fields
from easel.recipes.leads import wanted_by
from easel.recipes.regional import Said, said_of
from tests.post.onnxfiles import write_yunet
from tests.post.yolos import table, write
from tests.recipes.starting import box_mask, calls, changed, levels, scene, start
from tests.recipes.telling import ask, close_at_every_yield, told
from tests.tiny import write_tiny_sd
from tests.tiny_families import write_tiny_sdxl

BOX = (16, 24, 40, 48)
LEFT, RIGHT = (14.0, 32.0, 12.0, 16.0), (50.0, 32.0, 12.0, 16.0)  # centres and sides, in a picture of 64 x 64
QUICK: dict[str, Any] = {"by": "model", "find": "two", "padding": 0, "blur": 0.0, "grow": 0, "strength": 0.9}


def psnr(one: Image.Image, other: Image.Image) -> float:
    """How like two pictures are, in dB; infinite where they are equal."""
    error = float(((levels(one) - levels(other)) ** 2).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def masked(box: tuple[int, int, int, int] = BOX, **fields: Any) -> Detail:
    mask = png_bytes(box_mask(box))
    return Detail(by="mask", mask=mask, **{"padding": 8, "blur": 0.0, "grow": 0, "strength": 0.9, **fields})


def detailed(*details: Detail, image: Image.Image | None = None, **fields: Any) -> Request:
    return ask(recipe="detail", start=start(image), details=details, **fields)


def picture(request: Request, model: Model, perform: Perform = perform) -> Image.Image:
    check(request)
    return told(request, model, perform)[1][0].image


@pytest.fixture(scope="module")
def loading(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Perform]:
    """Return what answers Load: a detector of two things, and models by name."""
    folder = tmp_path_factory.mktemp("detectors")
    rows = [(*LEFT, 0.9, 0.0), (*RIGHT, 0.0, 0.8)]
    two = load_detector(write(folder / "two.onnx", [table(rows)], names={0: "face", 1: "hand"}))
    red = load_finder(write_yunet(folder / "red.onnx"))

    def with_models(**models: Model) -> Perform:
        loaded = {("detector", "two"): two, ("faces", ""): red} | {("model", name): one for name, one in models.items()}
        return partial(perform, load=lambda wanted: loaded[wanted.kind, wanted.name])

    return with_models


@pytest.mark.parametrize("only_masked", [False, True])
@pytest.mark.parametrize("blur", [0.0, 3.0])
def test_around_a_region_every_bit_stays(tiny: Model, only_masked: bool, blur: float) -> None:
    found = picture(detailed(masked(only_masked=only_masked, blur=blur)), tiny)
    reached = numpy.zeros((64, 64), bool)
    left, top, right, bottom = BOX
    wide = int(2.5 * blur + 0.5)
    reached[max(top - wide, 0) : bottom + wide, left - wide : right + wide] = True
    assert not changed(found, scene())[~reached].any()
    assert changed(found, scene())[top:bottom, left:right].mean() > 0.9


def test_an_odd_size_and_transparency_stay(tiny: Model) -> None:
    odd = scene(75, 51)
    odd.putalpha(box_mask((0, 0, 40, 51), (75, 51)))
    mask = png_bytes(box_mask((10, 10, 30, 30), (75, 51)))
    request = detailed(masked().changed(mask=mask, only_masked=False), image=odd)
    found = picture(request, tiny)
    assert found.mode == "RGBA" and found.size == odd.size
    assert found.getchannel("A").tobytes() == odd.getchannel("A").tobytes()
    assert not changed(found, odd)[:, 31:].any()
    assert changed(found, odd)[12:28, 12:28].mean() > 0.9


def test_nothing_found_is_the_picture_unchanged(tiny: Model, loading: Callable[..., Perform]) -> None:
    surer = Detail(**QUICK, confidence=0.95)
    works, (one,) = told(detailed(surer), tiny, loading())
    assert one.image.tobytes() == scene().tobytes()
    assert calls(works) == 0


def test_closed_at_every_yield_it_leaves_nothing(tiny: Model, loading: Callable[..., Perform]) -> None:
    request = detailed(Detail(find="fox", grow=0), Detail(**QUICK), steps=1)
    assert close_at_every_yield(request, tiny, loading()) > 10


def test_a_batch_is_its_pictures_alone(tiny: Model, loading: Callable[..., Perform]) -> None:
    batch = ask(details=(Detail(**QUICK),), batch_size=3)
    together = told(batch, tiny, loading())[1]
    for place, one in enumerate(together):
        (alone,) = told(batch.one(place), tiny, loading())[1]
        assert psnr(one.image, alone.image) >= 60, "of 256 levels; a pixel may round otherwise"
        assert infotext.read(one.infotext).fields["Seed"] == str(3 + place)


def test_regions_together_are_as_one_after_the_other(tiny: Model, loading: Callable[..., Perform]) -> None:
    """The second of two details of which each leaves out what the other works on finds what the first has left."""
    both = Detail(**QUICK, prompt="a cat")
    first, second = (both.changed(prompt=words) for words in ("a cat [SEP] [SKIP]", "[SKIP] [SEP] a cat"))
    works, (together,) = told(detailed(both), tiny, loading())
    assert calls(works) == 4, "one pass for both"
    parted, (after,) = told(detailed(first, second), tiny, loading())
    assert calls(parted) == 8
    assert psnr(together.image, after.image) >= 60
    seen = told(detailed(both.changed(padding=40)), tiny, loading())[0]
    assert calls(seen) == 8, "what sees the other waits for it"


def test_regions_have_seeds_of_their_own(tiny: Model, loading: Callable[..., Perform]) -> None:
    """Region k of a picture has its seed + k, as in ADetailer."""
    whole = picture(detailed(Detail(**QUICK, order="left to right")), tiny, loading())
    right = picture(detailed(Detail(**QUICK, classes=("hand",)), seed=4), tiny, loading())
    assert psnr(whole.crop((32, 0, 64, 64)), right.crop((32, 0, 64, 64))) >= 60
    other = picture(detailed(Detail(**QUICK, classes=("hand",)), seed=3), tiny, loading())
    assert psnr(whole.crop((32, 0, 64, 64)), other.crop((32, 0, 64, 64))) < 40


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a cat"},
        {"negative_prompt": "blue"},
        {"strength": 0.5},
        {"blur": 4.0},
        {"padding": 30},
        {"grow": 6},
        {"move_x": 6},
        {"only_masked": False},
        {"width": 96},
        {"steps": 7},
        {"cfg_scale": 1.5},
        {"sampler": "Euler a"},
        {"sampler": "DPM++ 2M Exponential"},
        {"schedule": "Exponential"},
        {"clip_skip": 2},
        {"noise_multiplier": 0.8},
        {"merge": "invert"},
        {"controls": ({"preprocessor": "reference_only"},)},
    ],
)
def test_every_setting_does_something(tiny: Model, change: dict[str, Any]) -> None:
    usual = picture(detailed(masked()), tiny)
    assert picture(detailed(masked(**change)), tiny).tobytes() != usual.tobytes()


def test_silence_is_the_picture_s_own(tiny: Model) -> None:
    usual = picture(detailed(masked(), sampler="Euler", steps=5), tiny)
    said = masked(sampler="Euler", steps=5, prompt="[PROMPT]", width=64, height=64, cfg_scale=tiny.defaults.scale)
    assert picture(detailed(said), tiny).tobytes() == usual.tobytes()


def test_a_model_of_its_own(tiny: Model, starter: Model, loading: Callable[..., Perform]) -> None:
    request = detailed(masked(model="starter", width=64, height=64))
    assert Wanted("model", "starter") in models_of(request)
    works, (one,) = told(request, tiny, loading(starter=starter))
    assert {work.model for work in works if isinstance(work, Evaluate)} == {starter}
    assert one.image.tobytes() != picture(detailed(masked()), tiny).tobytes()


def test_faces_are_found(tiny: Model, loading: Callable[..., Perform]) -> None:
    image = Image.new("RGB", (128, 128), "white")
    image.paste("red", (60, 60, 100, 100))
    found = picture(detailed(Detail(by="faces", grow=0, blur=0, strength=1.0), image=image), tiny, loading())
    where = Image.fromarray(changed(found, image)).getbbox()
    assert where is not None and where[0] >= 20 and where[2] > 80


def test_details_share_forwards_with_other_requests(tiny: Model, loading: Callable[..., Perform]) -> None:
    asked = [ask(details=(Detail(find="fox", grow=0), Detail(**QUICK)), sampler="Euler"), ask(seed=9, sampler="Heun")]
    endings: list[list[Any]] = [[], []]
    engine = Engine(perform=loading())
    for place, request in enumerate(asked):
        engine.add(str(place), tell(request, tiny), endings[place].append)
    while engine.step():
        pass
    alone = [told(request, tiny, loading()) for request in asked]
    for (*_, done), (_, (expected,)) in zip(endings, alone, strict=True):
        assert isinstance(done, Done)
        assert psnr(done.result.pictures[0].image, expected.image) >= 60
    assert engine.forwards["Evaluate"] < sum(calls(works) for works, _ in alone)


def test_progress_counts_all_regions(tiny: Model, loading: Callable[..., Perform]) -> None:
    works, _ = told(detailed(Detail(**QUICK).changed(padding=40), sampler="Euler"), tiny, loading())
    shown = [
        (work.progress.step, work.progress.steps) for work in works if isinstance(work, Evaluate) and work.progress
    ]
    assert shown == [(step, 8) for step in range(8)]


def test_prompts_of_regions() -> None:
    own = ask(prompt="a fox", negative_prompt="blue")

    def said(prompt: str, count: int = 3, negative: str = "") -> list[Any]:
        found = said_of(Detail(find="x", prompt=prompt, negative_prompt=negative), own, count)
        return [(one.prompt, one.negative_prompt) if one else None for one in found]

    assert said("") == [("a fox", "blue")] * 3
    assert said("a cat[SEP]a dog") == [("a cat", "blue"), ("a dog", "blue"), ("a dog", "blue")]
    assert said("a cat [SEP] [SKIP] [SEP]") == [("a cat", "blue"), None, ("a fox", "blue")]
    assert said("[PROMPT], big", 1) == [("a fox, big", "blue")]
    assert said("x", 2, "red [SEP] [PROMPT], red") == [("x", "red"), ("x", "blue, red")]
    assert said("x", 0) == []


def test_groups_keep_the_order_of_those_that_see_each_other() -> None:
    def task(picture: int, box: tuple[int, int, int, int], prompt: str = "a") -> Task:
        return Task(picture, 0, Any, Said(prompt, ""), box)  # type: ignore[arg-type]

    one, other, third = task(0, (0, 0, 9, 9)), task(0, (5, 5, 20, 20)), task(0, (30, 0, 40, 9))
    fourth, fifth = task(1, (0, 0, 9, 9)), task(1, (20, 0, 29, 9), "b")
    assert list(grouped([one, other, third, fourth, fifth], 16)) == [[one, third, fourth], [fifth], [other]]
    assert [len(group) for group in grouped([one, third, fourth], 2)] == [2, 1]


def test_what_it_loads_is_known_before(tiny: Model) -> None:
    details = (
        Detail(by="faces"),
        Detail(by="model", find="hands", prompt="<lora:ink:1>", faces={"restorer": "GFPGAN"}),  # type: ignore[arg-type]
    )
    wanted = wanted_by(ask(details=details))
    kinds = [(one.kind, one.name) for one in wanted if one.kind != "embeddings"]
    assert sorted(kinds) == [("detector", "hands"), ("faces", ""), ("network", "ink"), ("restorer", "GFPGAN")]


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"details": ()}, "details is 'none', allowed is at least one"),
        ({"details": (masked(),), "start": start(strength=0.5)}, "start.strength is 0.5, allowed is left out"),
        ({"details": (masked(sampler="Eulr"),)}, "sampler 'Eulr' is not known"),
        ({"details": (masked(schedule="Kaaras"),)}, "schedule 'Kaaras' is not known"),
        ({"details": (masked(classes=("face",)),)}, "details[0].classes"),
        ({"details": (Detail(find="x", mask=b"x"),)}, "details[0].mask is 'given', allowed is left out"),
        ({"details": (masked().changed(mask=b"x"),)}, "details[0].mask is 'not such a picture'"),
        ({"details": (masked((0, 0, 0, 0)),)}, "details[0].mask is 'black everywhere'"),
        ({"details": (masked(negative_prompt="<lora:ink:1>"),)}, "<lora:ink> stands in the negative prompt"),
    ],
)
def test_refused_without_a_model(fields: dict[str, Any], message: str) -> None:
    request = ask(**{"recipe": "detail", "start": start(), **fields})
    with pytest.raises((BadValue, UnknownName, Unsupported)) as caught:
        check(request)
    assert message in str(caught.value)


def test_a_mask_of_another_size_is_refused(tiny: Model) -> None:
    with pytest.raises(BadValue, match=r"details\[0\]\.mask is '64x64', allowed is the picture's size, 40x40"):
        told(detailed(masked(), image=scene(40, 40)), tiny)


def test_infotext_names_details_as_adetailer_does(tiny: Model, loading: Callable[..., Perform]) -> None:
    details = (Detail(find="fox", prompt="a cat, big", most=2), masked(width=64, steps=3, merge="merge"))
    fields = infotext.read(told(ask(details=details), tiny, loading())[1][0].infotext).fields
    expected = {
        "ADetailer model": "words: fox",
        "ADetailer prompt": "a cat, big",
        "ADetailer mask only top k": "2",
        "ADetailer confidence": "0.3",
        "ADetailer model 2nd": "mask",
        "ADetailer denoising strength 2nd": "0.9",
        "ADetailer mask merge invert 2nd": "Merge",
        "ADetailer inpaint width 2nd": "64",
        "ADetailer use separate steps 2nd": "True",
        "ADetailer steps 2nd": "3",
    }
    assert {name: fields.get(name) for name in expected} == expected
    assert fields["Size"] == "64x64"


def test_a_large_picture_is_looked_at_at_the_model_s_own_size(starter: Model) -> None:
    side = starter.defaults.width
    assert size_seen((side, side), starter) == (side, side)
    seen = size_seen((8 * side, 4 * side), starter)
    for found, wanted in zip(seen, (side * 2**0.5, side / 2**0.5), strict=True):
        assert found % 8 == 0 and abs(found - wanted) <= 4, "the same area, in whole cells"
    assert size_seen((50, 70), starter) == (48, 72)


def wide(works: list[Work]) -> list[int]:
    """How many rows each look for words had."""
    return [len(work.batch) for work in works if isinstance(work, Evaluate) and work.batch.keeps]


def test_looking_for_words_takes_three_levels(tiny: Model) -> None:
    """Within a prompt that says them one row a picture; else one alone and one without words."""
    held = told(ask(prompt="a fox and a cat", details=(Detail(find="fox"),), batch_size=2), tiny)[0]
    assert wide(held) == [2] * 3
    assert wide(told(ask(prompt="a cat", details=(Detail(find="fox"),)), tiny)[0]) == [1] * 6
    assert wide(told(ask(prompt="a cat", details=(Detail(find="fox, hand"),)), tiny)[0]) == [1] * 9
    assert not any(isinstance(work, Load) for work in held)


PAIRS = (("fox", "pumpkin"), ("frog", "rocket"), ("고양이", "자동차"))


@pytest.mark.parametrize("words", PAIRS)
def test_the_starter_knows_where_its_words_are(starter: Model, words: tuple[str, str]) -> None:
    """A picture of two things: each is found on its side, and only there is the picture painted anew."""
    korean = words[0] == "고양이"
    prompt = f"{words[0]}하고 {words[1]}" if korean else f"a {words[0]} and a {words[1]}"
    request = Request(prompt=prompt, seed=11, steps=6)
    plain = picture(request, starter)
    again = request.changed(recipe="detail", start=start(plain), steps=2)
    for word, side in zip(words, ("left", "right"), strict=True):
        part = Detail(find=word, prompt="파란 사과" if korean else "a black car", strength=0.9, blur=0, most=1, grow=0)
        new = changed(picture(again.changed(details=(part,)), starter), plain)
        across = numpy.nonzero(new.any(0))[0]
        assert (across.mean() < plain.width / 2) == (side == "left"), f"{word} is on the {side}"
        assert new.mean() < 0.5


@pytest.mark.parametrize("write_model", [write_tiny_sdxl, partial(write_tiny_sd, inpaint=True)])
def test_other_families_are_looked_into_too(write_model: Callable[[Path], Path], tmp_path: Path) -> None:
    model = load(identify(write_model(tmp_path / "model")), read_settings(precision="float32"))
    for prompt in ("a fox and a cat", "a cat"):
        request = detailed(Detail(find="fox", grow=0, blur=0, confidence=0.0, strength=1.0), prompt=prompt, steps=2)
        assert picture(request, model).tobytes() != scene().tobytes()


def test_words_need_a_u_net(starter: Model) -> None:
    from easel.recipes.attending import regions_by_words

    class Other:
        name, parts = "a transformer", {"transformer": None}

    story = regions_by_words("fox", [scene()], settle(ask(), starter), Other(), least=0.3)  # type: ignore[arg-type]
    with pytest.raises(Unsupported, match="words are looked for by a U-Net, which a transformer has not"):
        next(story)


def test_a_detector_s_file_is_found_by_name_and_pytorch_s_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "adetailer" / "face_yolov8n.onnx", [table([(*LEFT, 0.9)])], names={0: "face"})
    write(tmp_path / "ultralytics" / "bbox" / "hand_yolov8n.onnx", [table([(*LEFT, 0.9)])], names={0: "hand"})
    (tmp_path / "adetailer" / "person_yolov8n-seg.pt").write_bytes(b"PK\x03\x04")
    settings = read_settings(models=tmp_path)
    shelf = Shelf(Library(settings), settings)
    for name in ("face_yolov8n", "hand_yolov8n"):
        shelf.check(Wanted("detector", name))
        assert shelf.load(Wanted("detector", name)).names == (name.partition("_")[0],)
    with pytest.raises(UnknownName, match="detector 'face_yolov9c' is not known; nearest 'face_yolov8n'"):
        shelf.check(Wanted("detector", "face_yolov9c"))
    with pytest.raises(Mismatch, match=r"`yolo export model=person_yolov8n-seg\.pt format=onnx`"):
        shelf.check(Wanted("detector", "person_yolov8n-seg"))


@pytest.mark.parametrize(
    "parts",
    [
        {"details": (Detail(find="a fox, a cat", prompt="x [SEP] [SKIP]", most=2, order="left to right", grow=-3),)},
        {"details": (Detail(by="model", find="hands", classes=("0", "hand"), least=0.01, greatest=0.5, blur=1.5),)},
        {"details": (Detail(by="faces", only_masked=False, steps=7, cfg_scale=3.5, sampler="Euler", clip_skip=2),)},
        {"details": (Detail(find="x"), Detail(find="y", width=64, height=72, noise_multiplier=0.9, merge="invert"))},
        {"details": (Detail(find="x", model="other", schedule="Karras", order="area", move_x=3, move_y=-4),)},
        {"enlarge": Enlarge(upscaler="Nearest", scale=2.5), "faces": (Faces(restorer="CodeFormer", fidelity=0.2),)},
        {"enlarge": Enlarge(width=100, height=90, first=True, second="Lanczos", second_share=0.3)},
        {"background": Background(colour="#ff0000", tolerance=5, feather=2)},
    ],
)
def test_infotext_reads_back_as_it_was_asked(parts: dict[str, Any]) -> None:
    asked = ask(**parts)
    usual = "Steps: 4, Sampler: Euler, Seed: 3, Size: 64x64, Version: Easel 0.1.0"
    fields = dict(infotext.read(usual).fields) | done_fields(asked)
    found = recall(infotext.read(infotext.write("a fox", "", fields)))
    again = found.request()
    assert not found.ignored
    for name in ("details", "enlarge", "faces", "background"):
        assert getattr(again, name) == getattr(asked, name)
