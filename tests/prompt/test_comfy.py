"""ComfyUI's graphs as requests: what is followed, what is named as not honoured, and that no JSON can crash it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue
from easel.core.request import Request
from easel.prompt.comfy import recall_graph
from easel.sampling import samplers, schedules

Graph = dict[str, dict[str, Any]]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def usual(**changes: dict[str, Any] | None) -> Graph:
    """The graph that ComfyUI opens with; a change replaces, adds or (None) removes the node of that number."""
    graph: Graph = {
        "3": node(
            "KSampler",
            seed=156680208700286,
            steps=20,
            cfg=8.0,
            sampler_name="dpmpp_2m",
            scheduler="karras",
            denoise=1.0,
            model=["4", 0],
            positive=["6", 0],
            negative=["7", 0],
            latent_image=["5", 0],
        ),
        "4": node("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
        "6": node("CLIPTextEncode", text="a glass bottle, [sic]", clip=["4", 1]),
        "7": node("CLIPTextEncode", text="text, watermark", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    }
    for name, change in changes.items():
        number = name.removeprefix("n")
        graph.pop(number, None)
        if change is not None:
            graph[number] = change
    return graph


def changed(graph: Graph, number: str, **inputs: Any) -> Graph:
    graph[number] = {**graph[number], "inputs": {**graph[number]["inputs"], **inputs}}
    return graph


def recall(graph: Any) -> Any:
    return recall_graph(json.dumps(graph))


def test_the_graph_that_comfyui_opens_with() -> None:
    found = recall(usual())
    assert found.request() == Request(
        prompt=r"a glass bottle, \[sic\]",
        negative_prompt="text, watermark",
        model="v1-5-pruned-emaonly",
        sampler="dpmpp_2m",
        schedule="karras",
        steps=20,
        guidance={"scale": 8.0},  # type: ignore[arg-type]
        seed=156680208700286,
        width=512,
        height=768,
        noise="CPU",
    )
    assert (found.source, found.ignored, found.needs) == ("comfyui", {}, ())


def test_its_names_are_known_here() -> None:
    for name in ("euler", "euler_ancestral", "heun", "dpm_2", "lms", "dpmpp_2m_sde", "uni_pc", "ddpm", "lcm"):
        assert name in samplers
    for name in ("normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform", "beta"):
        assert name in schedules


def test_what_cannot_be_honoured_is_named() -> None:
    graph = usual(n20=node("FreeU_V2", model=["4", 0], b1=1.3), n21=node("VAELoader", vae_name="other.safetensors"))
    changed(graph, "3", model=["20", 0])
    changed(graph, "8", vae=["21", 0])
    found = recall(changed(graph, "5", batch_size=4))
    assert found.ignored.pop("FreeU_V2 20") == "b1=1.3"
    assert found.ignored.pop("VAELoader 21") == "vae_name=other.safetensors"
    assert list(found.ignored) == ["batch"]
    assert (found.request().batch_size, found.request().model) == (4, "v1-5-pruned-emaonly")


def test_words_on_the_way() -> None:
    graph = usual(
        n10=node(
            "LoraLoader", model=["4", 0], clip=["4", 1], lora_name="in/fox.pt", strength_model=0.8, strength_clip=1
        ),
        n11=node("LoraLoaderModelOnly", model=["10", 0], lora_name="ink.safetensors", strength_model=0.5),
        n12=node("CLIPSetLastLayer", clip=["10", 1], stop_at_clip_layer=-2),
        n13=node("RescaleCFG", model=["11", 0], multiplier=0.7),
        n14=node("CLIPTextEncode", text=["15", 0], clip=["12", 0]),
        n15=node("PrimitiveString", value="at night"),
        n16=node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["17", 0]),
        n17=node("ConditioningConcat", conditioning_to=["14", 0], conditioning_from=["14", 0]),
    )
    changed(graph, "6", clip=["12", 0], text="a fox")
    found = recall(changed(graph, "3", model=["13", 0], positive=["16", 0]))
    request = found.request()
    assert request.prompt == "a fox :0.5 AND at night BREAK at night :0.5 <lora:fox:1:0.8> <lora:ink:0:0.5>"
    assert (request.words.clip_skip, request.guidance.rescale, found.ignored) == (2, 0.7, {})


def test_both_sides_of_a_controlnet_lead_to_their_texts() -> None:
    control = node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], strength=0.9)
    found = recall(changed(usual(n10=control), "3", positive=["10", 0], negative=["10", 1]))
    assert (found.request().prompt, found.request().negative_prompt) == (r"a glass bottle, \[sic\]", "text, watermark")
    assert found.ignored == {"ControlNetApplyAdvanced 10": "strength=0.9"}


@pytest.mark.parametrize(
    ("upscale", "fields"),
    [
        (node("LatentUpscaleBy", samples=["3", 0], upscale_method="bilinear", scale_by=1.5), {"scale": 1.5}),
        (
            node("LatentUpscale", samples=["3", 0], upscale_method="bicubic", width=1024, height=0, crop="disabled"),
            {"width": 1024, "upscaler": "Latent (bicubic)"},
        ),
    ],
)
def test_a_second_sampler_is_a_second_pass(upscale: dict[str, Any], fields: dict[str, Any]) -> None:
    second = {**usual()["3"]["inputs"], "denoise": 0.5, "sampler_name": "euler", "latent_image": ["10", 0], "steps": 14}
    graph = changed(usual(n10=upscale, n11=node("KSampler", **second)), "8", samples=["11", 0])
    found = recall(graph)
    hires = found.request().hires
    assert hires is not None and (hires.strength, hires.steps, hires.sampler, hires.schedule) == (
        0.5,
        14,
        "euler",
        None,
    )
    assert {name: getattr(hires, name) for name in fields} == fields
    assert (found.request().sampler, found.request().width, found.ignored) == ("dpmpp_2m", 512, {})
    changed(graph, "11", seed=5)
    assert recall(graph).ignored == {"KSampler 11 seed": "5"}


def test_pixels_enlarged_between_two_samplers() -> None:
    second = {**usual()["3"]["inputs"], "denoise": 0.4, "latent_image": ["13", 0]}
    graph = usual(
        n11=node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        n12=node("ImageScaleBy", image=["11", 0], upscale_method="lanczos", scale_by=2.0),
        n13=node("VAEEncode", pixels=["12", 0], vae=["4", 2]),
        n14=node("KSampler", **second),
    )
    hires = recall(changed(graph, "8", samples=["14", 0])).request().hires
    assert hires is not None and (hires.upscaler, hires.scale, hires.strength) == ("Lanczos", 2.0, 0.4)


def test_a_refiner() -> None:
    inputs = dict(usual()["3"]["inputs"])
    seed = inputs.pop("seed")
    del inputs["denoise"]
    first = node("KSamplerAdvanced", **inputs, noise_seed=seed, add_noise="enable", start_at_step=0, end_at_step=15)
    second = {**inputs, "model": ["30", 0], "latent_image": ["3", 0]}
    graph = usual(
        n3=first,
        n29=node("KSamplerAdvanced", **second, noise_seed=0, add_noise="disable", start_at_step=15, end_at_step=10000),
        n30=node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"),
    )
    request = recall(changed(graph, "8", samples=["29", 0])).request()
    assert request.refiner is not None and (request.refiner.model, request.refiner.switch_at) == ("refiner", 0.75)
    assert (request.model, request.seed, request.steps) == ("v1-5-pruned-emaonly", seed, 20)


def test_the_parts_of_a_sampler_in_nodes_of_their_own() -> None:
    graph = usual(
        n3=node(
            "SamplerCustomAdvanced",
            noise=["20", 0],
            guider=["21", 0],
            sampler=["22", 0],
            sigmas=["23", 0],
            latent_image=["5", 0],
        ),
        n20=node("RandomNoise", noise_seed=7),
        n21=node("CFGGuider", model=["4", 0], positive=["6", 0], negative=["7", 0], cfg=5),
        n22=node("KSamplerSelect", sampler_name="euler_ancestral"),
        n23=node("KarrasScheduler", steps=12, sigma_max=14.6, sigma_min=0.03, rho=7.0),
    )
    found = recall(graph)
    request = found.request()
    assert (request.seed, request.steps, request.guidance.scale, request.sampler) == (7, 12, 5.0, "euler_ancestral")
    assert request.schedule_options == {"sigma_max": 14.6, "sigma_min": 0.03, "rho": 7.0}
    assert (request.negative_prompt, found.ignored) == ("text, watermark", {})


@pytest.mark.parametrize(("masked", "needs"), [(False, ("start",)), (True, ("start", "mask"))])
def test_a_picture_to_start_from(masked: bool, needs: tuple[str, ...]) -> None:
    graph = usual(
        n10=node("LoadImage", image="fox.png"),
        n11=node("VAEEncode", pixels=["10", 0], vae=["4", 2]),
        n12=node("SetLatentNoiseMask", samples=["11", 0], mask=["10", 1]),
    )
    found = recall(changed(graph, "3", latent_image=["12" if masked else "11", 0], denoise=0.6))
    assert found.needs == needs
    assert found.fields["start"] == {"strength": 0.6, "all_steps": True}
    assert found.fields["recipe"] == ("inpaint" if masked else "image_to_image")


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ([], "the JSON of nodes"),
        ({"nodes": [], "links": []}, "the JSON of nodes"),
        (usual(n3=None), "a link of VAEDecode 8 to 3"),
        ({"9": node("SaveImage")}, "a graph with a sampler"),
        (changed(usual(), "3", latent_image=["3", 0]), None),
        (changed(usual(), "4", model=["4", 0]), None),
        (changed(usual(n4=node("Loop", model=["4", 0])), "6", clip=["6", 0]), "without circles"),
        (changed(usual(n6=node("Any", conditioning=["6", 0])), "3", positive=["6", 0]), "without circles"),
        (usual(n6=node("ConditioningConcat", conditioning_to=["6", 0], conditioning_from=["6", 0])), "fewer texts"),
        (usual(n6=node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["6", 0])), "without circles"),
        (usual(n6=node("CLIPTextEncode", text=["6", 0])), "without circles"),
        (changed(usual(), "3", seed=2**64 - 1), "ComfyUI KSampler 3, seed is 18446744073709551615, allowed is at most"),
        (changed(usual(), "3", steps="many"), "ComfyUI KSampler 3, steps is 'many', allowed is a whole number"),
        (changed(usual(), "5", width=500), "ComfyUI EmptyLatentImage 5, width is 500"),
    ],
)
def test_graphs_without_sense_are_refused_in_one_line(graph: Any, words: str | None) -> None:
    if words is None:
        recall(graph)
        return
    with pytest.raises(BadValue) as caught:
        recall(graph)
    assert words in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": ' * 50_000, "9" * 10_000, "x" * 4_000_001, "NaN"])
def test_texts_that_are_no_graph_are_refused(text: str) -> None:
    with pytest.raises(BadValue, match="ComfyUI graph"):
        recall_graph(text)


NUMBERS = [str(number) for number in range(3, 10)]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=3),
    st.tuples(st.sampled_from(NUMBERS), st.integers(0, 2)).map(list),
)
KINDS = ["KSampler", "KSamplerAdvanced", "SamplerCustomAdvanced", "SaveImage", "CLIPTextEncode", "LoraLoader"]
KINDS += ["ConditioningCombine", "ConditioningConcat", "EmptyLatentImage", "LatentUpscaleBy", "VAEEncode", "LoadImage"]
NAMES = ["model", "positive", "negative", "latent_image", "images", "samples", "conditioning_1", "conditioning_to"]
NAMES += ["text", "seed", "steps", "cfg", "sampler_name", "denoise", "lora_name", "strength_model", "strength_clip"]
NAMES += ["upscale_method", "scale_by", "width", "height", "batch_size", "pixels", "sigmas", "noise", "guider"]
NODES = st.builds(
    lambda kind, inputs: {"class_type": kind, "inputs": inputs},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8),
)
JSON = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=12), inner), max_leaves=8)


@given(st.dictionaries(st.sampled_from(NUMBERS), NODES), st.booleans())
def test_no_graph_crashes(changes: Graph, rooted: bool) -> None:
    graph = {**usual(), **changes} if rooted else changes
    try:
        assert recall(graph).source == "comfyui"
    except BadValue as error:
        assert "\n" not in error.message


@given(JSON)
def test_no_json_crashes(held: Any) -> None:
    with pytest.raises(BadValue):
        recall(held)
