"""Infotexts as requests: texts from the wild, old versions, nonsense, and the way there and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from easel.core.errors import BadValue, RequestError
from easel.core.passes import Components, Guidance, Hires, Refiner, Shortcuts, Variation, Words
from easel.core.request import Request
from easel.models.family import Model
from easel.prompt.fields import NAMES, named, option_named, option_value
from easel.prompt.infotext import Infotext, read, write
from easel.prompt.recall import JOINT, Recalled, recall
from easel.recipes.common import settle
from easel.recipes.finishing import fields
from easel.recipes.hires import hires_fields, second_pass
from easel.recipes.refiner import refiner_fields
from easel.sampling import samplers, schedules, split_joint_name
from tests.prompt.test_infotext import stripped
from tests.tiny import tiny as tiny
from tests.tiny import tiny_folder as tiny_folder

WILD = (
    "(best quality), (1boy:1.3), (full body shot:1.5)\n"
    "Negative prompt: ((bad anatomy)), (ugly)\n"
    "Steps: 20, Sampler: DPM++ SDE Karras, CFG scale: 7, Seed: 3120790884, Size: 512x512, "
    "Model hash: 7f96a1a9ca, Model: AnythingV5V3_v5PrtRE"
)


def of(line: str, prompt: str = "a fox") -> Recalled:
    return recall(read(f"{prompt}\n{line}, Lora hashes: x, TI hashes: y, User: z"))


def test_a_text_from_the_wild() -> None:
    found = recall(read(WILD))
    assert found.request() == Request(
        prompt="(best quality), (1boy:1.3), (full body shot:1.5)",
        negative_prompt="((bad anatomy)), (ugly)",
        sampler="DPM++ SDE",
        schedule="Karras",
        steps=20,
        guidance=Guidance(scale=7.0),
        seed=3120790884,
        width=512,
        height=512,
        model="AnythingV5V3_v5PrtRE",
        noise="NV",
    )
    assert (found.source, found.ignored, found.needs) == ("a1111", {}, ())
    assert found.facts == {"Model hash": "7f96a1a9ca"}


def test_a_whole_line_of_a1111_s() -> None:
    found = of(
        "Steps: 30, Sampler: Euler a, Schedule type: SGM Uniform, CFG scale: 6.5, Seed: 4, Size: 640x448, "
        "VAE: none.safetensors, Variation seed: 9, Variation seed strength: 0.25, Seed resize from: 512x512, "
        "Denoising strength: 0.4, Clip skip: 2, ENSD: 31337, RNG: CPU, Tiling: True, Hires resize: 1280x0, "
        'Hires steps: 12, Hires upscaler: 4x-UltraSharp, Hires sampler: DDIM, Hires prompt: "a, b", '
        "Refiner: xl_refiner [7440042bbd], Refiner switch at: 0.7, Emphasis: No norm, Eta: 0.5, "
        "Sigma noise: 1.01, Schedule min sigma: 0.1, Schedule rho: 5, NGMS: 0.2, Version: v1.10.1"
    )
    assert found.request() == Request(
        prompt="a fox",
        words=Words(emphasis="No norm", clip_skip=2),
        sampler="Euler a",
        sampler_options={"eta": 0.5, "s_noise": 1.01},
        schedule="SGM Uniform",
        schedule_options={"sigma_min": 0.1, "rho": 5},
        steps=30,
        guidance=Guidance(scale=6.5),
        seed=4,
        variation=Variation(seed=9, strength=0.25, resize_from=(512, 512)),
        ensd=31337,
        width=640,
        height=448,
        hires=Hires(width=1280, steps=12, strength=0.4, upscaler="4x-UltraSharp", sampler="DDIM", prompt="a, b"),
        refiner=Refiner(model="xl_refiner", switch_at=0.7),
        seamless="xy",
        components=Components(vae="none"),
        shortcuts=Shortcuts(ngms=0.2),
    )
    assert not found.ignored


def test_what_a1111_leaves_out() -> None:
    request = of("Steps: 20, Sampler: Euler, Seed: 1").request()
    assert (request.schedule, request.noise, request.words.clip_skip) == ("Automatic", "NV", 1)
    assert of("Steps: 20, RNG: GPU").request().noise == "NV"
    assert of("Steps: 20, Version: Easel 0.1.0").request().noise == "CPU"
    assert of("Steps: 20, Version: Easel 0.1.0").source == "easel"


TOLD = (
    "enable: True, model: mm_sd15_v3.safetensors, video_length: 8, fps: 12, closed_loop: R-P, batch_size: 16",
    "{'enable': True, 'model': 'mm_sd15_v3.safetensors', 'video_length': 8, 'fps': 12, 'closed_loop': 'R-P'}",
)


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("place", ["", ", Batch size: 8, Batch pos: 3"])
def test_a_clip_of_a1111_s(told: str, place: str) -> None:
    """A film tells of its first frame, each frame of its own seed."""
    found = of(f'Steps: 20, Sampler: Euler a, Seed: 5, Size: 512x512, AnimateDiff: "{told}"{place}')
    request = found.request()
    assert request.motion is not None
    assert (request.motion.model, request.motion.fps, request.batch_size) == ("mm_sd15_v3", 12, 8)
    assert (request.seed, found.frame) == ((2, 3) if place else (5, 0))


def test_a_clip_of_a1111_s_that_was_off() -> None:
    found = of('Steps: 20, Seed: 5, AnimateDiff: "enable: False, model: mm.ckpt, video_length: 0"')
    assert found.request().motion is None


@pytest.mark.parametrize(
    ("version", "old"),
    [("v1.5.2", True), ("1.5.9-RC", True), ("v1.6.0", False), ("v1.10.1", False), ("f2.0.1v1.5.1", False), ("", False)],
)
def test_old_versions_edited_prompts_otherwise(version: str, old: bool) -> None:
    line = "Steps: 20, Sampler: Euler" + (f", Version: {version}" if version else "")
    assert of(line, "a [fox:dog:0.5]").request().words.old_editing is old
    assert of(line, "a fox").request().words.old_editing is False


def test_old_refiners_counted_steps() -> None:
    assert of("Steps: 9, Refiner: x, Version: v1.7.0").ignored == {"Refiner switch by sampling steps": "True"}
    assert of("Steps: 9, Refiner switch at: 0.5, Seed: 1").ignored == {"Refiner switch at": "0.5"}


def test_joint_names_are_split_as_the_registry_does() -> None:
    for sampler in samplers:
        for name in (sampler.name, *sampler.aliases):
            assert not any(name.casefold().endswith(ending) for ending in JOINT), name
            for ending in JOINT:
                request = of(f"Sampler: {name}{ending}, Schedule type: Automatic, Seed: 1").request()
                assert request.sampler is not None
                expected = split_joint_name(name + ending)
                assert (samplers[request.sampler].name, request.schedule) == expected


def test_pictures_that_were_made_from_pictures() -> None:
    plain = of("Steps: 20, Denoising strength: 0.5, Noise multiplier: 1.1, Extra noise: 0.1")
    assert (plain.needs, plain.fields["recipe"]) == (("start",), "image_to_image")
    with pytest.raises(BadValue, match="start picture is None"):
        plain.request()
    start = plain.request(start=b"file").start
    assert start is not None and (start.image, start.strength, start.noise_multiplier) == (b"file", 0.5, 1.1)
    with pytest.raises(BadValue, match="mask picture is '4 bytes', allowed is none"):
        plain.request(start=b"file", mask=b"mask")
    with pytest.raises(BadValue, match="start picture"):
        of("Steps: 20, Seed: 1").request(start=b"file")


def test_inpainting() -> None:
    found = of(
        "Denoising strength: 0.75, Conditional mask weight: 0.5, Mask mode: Inpaint not masked, Mask blur: 8, "
        "Masked content: latent noise, Inpaint area: Only masked, Masked area padding: 40, "
        "Resize mode: Resize and fill, Soft inpainting enabled: True, Soft inpainting preservation strength: 0.7"
    )
    assert (found.needs, found.fields["recipe"], found.ignored) == (("start", "mask"), "inpaint", {})
    mask = found.request(start=b"s", mask=b"m").mask
    assert mask is not None and mask.soft is not None
    assert mask.model_dump(exclude={"soft"}) == {
        "image": b"m",
        "channel": "light",
        "invert": True,
        "blur": 8.0,
        "fill": "latent noise",
        "only_masked": True,
        "padding": 40,
        "weight": 0.5,
    }
    assert mask.soft.preservation == 0.7
    bare = of("Denoising strength: 0.75, Recipe: inpaint, Version: Easel 0.1.0").request(start=b"s")
    assert bare.mask is not None and (bare.mask.blur, bare.mask.image) == (0, None)


@pytest.mark.parametrize(("size", "width"), [("192x128", 128), ("200x128", 136), ("131x128", None), ("8x8", None)])
def test_a_grown_picture_was_smaller_before(size: str, width: int | None) -> None:
    found = of(f"Size: {size}, Denoising strength: 1, Outpaint left: 24, Outpaint right: 40, Outpaint feather: 8")
    assert (found.fields["recipe"], found.needs) == ("outpaint", ("start",))
    assert found.fields.get("width") == width
    assert found.fields["outpaint"] == {"left": 24, "right": 40, "feather": 8}


def test_a_conditional_mask_weight_without_a_mask_says_nothing() -> None:
    assert of("Steps: 20, Conditional mask weight: 0.5").ignored == {"Conditional mask weight": "0.5"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Steps: twenty", "infotext \"Steps\" is 'twenty', allowed is a whole number."),
        ("Steps: 5000", "infotext \"Steps\" is '5000', allowed is at most 1000."),
        ("Size: 0x-4", "infotext \"Size\" is '0x-4', allowed is WIDTHxHEIGHT in pixels."),
        ("Size: 0x0", "infotext \"Size\" is '0x0', allowed is a size of at least 8x8."),
        ("Size: 500x512", 'infotext "Size" is 500, allowed is a multiple of 8; nearest are 496 and 504.'),
        ("Seed: 1e400", "infotext \"Seed\" is '1e400', allowed is a whole number."),
        ("Seed: -1", "infotext \"Seed\" is '-1', allowed is at least 0."),
        ("CFG scale: nan", "infotext \"CFG scale\" is 'nan', allowed is a finite number."),
        ("CFG scale: 1e400", "infotext \"CFG scale\" is '1e400', allowed is a finite number."),
        ("CFG interval: 0.5", "infotext \"CFG interval\" is '0.5', allowed is START-END, shares of the steps."),
        ("Seed resize from: 5x8", 'infotext "Seed resize from" is 5, allowed is a multiple of 8; nearest is 8.'),
        ("Hires upscale: 99", "infotext \"Hires upscale\" is '99', allowed is at most 8."),
        ("RNG: dice", "infotext \"RNG\" is 'dice', allowed is cpu or nv or gpu."),
        ("Emphasis: loud", "infotext \"Emphasis\" is 'loud'"),
        ("Denoising strength: 2", "infotext \"Denoising strength\" is '2', allowed is at most 1."),
        ("Mask blur: much", "infotext \"Mask blur\" is 'much', allowed is a number."),
        (f"Model: {'x' * 2000}", 'infotext "Model" is '),
        (f"Seed: {'9' * 5000}", 'infotext "Seed" is '),
    ],
)
def test_nonsense_is_named(line: str, message: str) -> None:
    with pytest.raises(BadValue) as caught:
        of(line)
    assert caught.value.message.startswith(message) and "\n" not in caught.value.message


def test_a_prompt_too_long_is_named() -> None:
    with pytest.raises(BadValue, match=r'infotext "negative prompt" is .* at most 20000 characters'):
        recall(Infotext("a", "x" * 20_001))


KNOWN = st.sampled_from([line.split(":")[0] for line in WILD.split(", ") if ":" in line] + ["Hires steps", "Mask blur"])
NAME = KNOWN | st.sampled_from(
    ["Sampler x", "Schedule y", "Hires Eta", "Denoising strength", "Refiner", "CFG interval"]
)


@given(st.text(max_size=80), st.dictionaries(NAME | st.text(max_size=10), st.text(max_size=12), max_size=12))
def test_any_infotext_makes_a_request_or_one_line(prompt: str, said: dict[str, str]) -> None:
    try:
        assert recall(Infotext(prompt, "", said)).fields["prompt"] == prompt
    except RequestError as error:
        assert "\n" not in error.message


def test_options_keep_their_names_and_kinds() -> None:
    for owner, registry in (("Sampler", samplers), ("Schedule", schedules)):
        for entry in registry:
            for name, option in entry.options.items():
                ((field, value),) = named({name: option.default}, owner).items()
                assert option_named(field) == (f"{owner.lower()}_options", name)
                assert option_named(f"Hires {field}") == (f"hires.{owner.lower()}_options", name)
                assert option_value(str(value)) == option.default
    assert option_named("Beta scheduler alpha") == ("schedule_options", "alpha")
    assert [option_named(name) for name in ("Sampler", "Schedule type", "Hires sampler", "Hires schedule type")] == [
        None
    ] * 4
    assert len({name for names in NAMES.values() for name in names.values()}) == sum(map(len, NAMES.values()))


SHARE = st.floats(0, 1)
SEED = st.integers(0, 2**63 - 2**21)
SIDE = st.integers(1, 60).map(lambda cells: 8 * cells)
PROMPT = st.text(st.characters(codec="utf-8"), max_size=60).map(stripped)
SAMPLER = st.sampled_from(samplers.names)
SCHEDULE = st.sampled_from(["Automatic", "Karras", "Exponential", "Simple", "Normal", "Beta", "Uniform"])
OPTIONS = st.fixed_dictionaries({}, optional={"s_noise": st.floats(0, 10)})


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any request for a picture from words that the tiny model can settle."""
    start, end = sorted((draw(SHARE), draw(SHARE)))
    chosen: dict[str, Any] = {
        "prompt": draw(PROMPT),
        "negative_prompt": draw(PROMPT),
        "words": Words(
            emphasis=draw(st.sampled_from(["Original", "No norm", "Ignore", "None"])),
            clip_skip=draw(st.integers(1, 12)),
            comma_backtrack=draw(st.integers(0, 75)),
            old_editing=draw(st.booleans()),
        ),
        "model": "tiny",
        "schedule": draw(SCHEDULE),
        "schedule_options": draw(st.fixed_dictionaries({}, optional={"sigma_max": st.floats(5, 14)})),
        "steps": draw(st.integers(4, 40)),
        "guidance": Guidance(scale=draw(st.floats(0, 100)), rescale=draw(SHARE), start=start, end=end),
        "seed": draw(SEED),
        "width": draw(SIDE),
        "height": draw(SIDE),
        "seamless": draw(st.sampled_from(["", "x", "y", "xy"])),
        "noise": draw(st.sampled_from(["CPU", "NV"])),
        "tiled_decode": draw(st.sampled_from([0, 64, 512])),
    }
    chosen["sampler"] = draw(SAMPLER)
    if "s_noise" in samplers[chosen["sampler"]].options:
        chosen["sampler_options"] = draw(OPTIONS)
    if samplers[chosen["sampler"]].facts["ensd"]:
        chosen["ensd"] = draw(st.integers(-(2**31), 2**31))
    strength = draw(SHARE)
    chosen["variation"] = Variation(
        seed=draw(SEED) if strength else None,
        strength=strength,
        resize_from=draw(st.none() | st.tuples(SIDE, SIDE)),
    )
    if draw(st.booleans()):
        chosen["hires"] = Hires(
            scale=draw(st.floats(1, 2)),
            steps=draw(st.none() | st.integers(1, 40)),
            strength=draw(st.floats(0.1, 1)),
            upscaler=draw(st.sampled_from(["Latent", "Lanczos"])),
            prompt=draw(PROMPT),
            negative_prompt=draw(PROMPT),
        )
    if draw(st.booleans()):
        chosen["refiner"] = Refiner(model="tiny", switch_at=draw(SHARE))
    return Request(**chosen)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(requests())
def test_a_request_comes_back_from_its_infotext(tiny: Model, request: Request) -> None:
    settled = settle(request, tiny)
    said = fields(settled, tiny, 0) | hires_fields(settled, second_pass(settled, tiny)) | refiner_fields(request, tiny)
    found = recall(read(write(request.prompt, request.negative_prompt, said)))
    expected = request
    if request.hires:  # words that are the first pass's are not said again
        same = {
            name: "" if getattr(request.hires, name) == getattr(request, name) else getattr(request.hires, name)
            for name in ("prompt", "negative_prompt")
        }
        expected = request.model_copy(update={"hires": request.hires.model_copy(update=same)})
    assert found.request() == expected
    assert (found.source, found.ignored, found.needs) == ("easel", {}, ())
    assert set(found.facts) == {"Model hash", "Machine", "Version"}


def test_silence_is_filled_with_the_model_s_habits(tiny: Model) -> None:
    settled = settle(Request(prompt="a fox", seed=1, model="tiny", sampler="DPM++ 2M SDE Karras"), tiny)
    again = recall(read(write("a fox", "", fields(settled, tiny, 0)))).request()
    assert settle(again, tiny).sigmas == settled.sigmas
    assert (again.sampler, again.schedule, again.steps) == ("DPM++ 2M SDE", "Karras", tiny.defaults.steps)
    assert (again.width, again.guidance.scale) == (tiny.defaults.width, tiny.defaults.scale)
