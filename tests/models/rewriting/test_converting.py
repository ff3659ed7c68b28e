"""Converting: round trips bit for bit, folders that diffusers loads, files that its converters read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from easel.core.errors import BadValue, EaselError, Incomplete, Mismatch, StorageError, UnknownName
from easel.core.settings import read_settings
from easel.core.work import Rows, Text
from easel.models.family import load
from easel.models.files.writing import total_size
from easel.models.layouts.identify import identify
from easel.models.rewriting.converting import Change, plan_conversion, write_file
from easel.models.rewriting.folder import write_folder
from easel.models.rewriting.published import stock_of, vae_of
from easel.models.words.tokens import load_reader
from tests.ldm import SMALL_1, SMALL_2, Build, random_tensors, write_ldm
from tests.models.layouts import peers

Tensors = dict[str, Tensor]
FIRST = replace(SMALL_1, base=32, text_layers=2)
SECOND = replace(SMALL_2, base=64, widths=(1, 1), text_layers=2)
UNET, VAE = "model.diffusion_model.", "first_stage_model."
BUILDS = {"1.x": FIRST, "1.x inpainting": replace(FIRST, inpaints=True), "2.x": SECOND}


@pytest.fixture(scope="module", params=BUILDS)
def build(request: pytest.FixtureRequest) -> Build:
    return BUILDS[request.param]


@pytest.fixture(scope="module")
def original(build: Build) -> Tensors:
    return random_tensors(build)


@pytest.fixture(scope="module")
def file(original: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published checkpoint."""
    return write_ldm(tmp_path_factory.mktemp("file") / "model.safetensors", original)


@pytest.fixture(scope="module")
def folder(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a diffusers folder."""
    return converted(file, tmp_path_factory.mktemp("folder") / "model")


def converted(model: Path, out: Path, vae: Path | None = None, *, force: bool = False, **change: Any) -> Path:
    identity = identify(model)
    donor = vae_of(identify(vae), identity.family, identity.variant) if vae else None
    conversion = plan_conversion(stock_of(identity), Change(**change), donor)
    write = write_file if out.suffix else write_folder
    done = sum(write(conversion, out, force=force))
    if out.suffix:
        assert done == total_size(conversion.planned)
    assert identify(out).kind == "checkpoint"
    return out


def assert_same(found: Tensors, wanted: Tensors) -> None:
    """Hold tensors against each other, bit for bit."""
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape, name
        assert torch.equal(found[name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8)), name


def layers_in(folder: Path) -> int:
    """How many layers the text encoder in a folder has; of Stable Diffusion 2 it may be one less than the file's."""
    return int(json.loads((folder / "text_encoder" / "config.json").read_text())["num_hidden_layers"])


def read_by_modules(tensors: Tensors, layers: int) -> Tensors:
    """What of a published file the modules read, so what a folder can hold."""
    clip = "cond_stage_model.model."
    unread = (f"{clip}transformer.resblocks.{layers}.", f"{clip}text_projection", f"{clip}logit_scale")
    outside = (*unread, "betas", "alphas_cumprod", "sqrt_")
    return {key: value for key, value in tensors.items() if not key.startswith(outside) and "position_ids" not in key}


def test_file_to_folder_and_back_is_bit_for_bit(original: Tensors, folder: Path, tmp_path: Path) -> None:
    back = converted(folder, tmp_path / "back.safetensors")
    assert_same(load_file(back), read_by_modules(original, layers_in(folder)))
    again = converted(back, tmp_path / "again")
    for weights in folder.rglob("*.safetensors"):
        assert_same(load_file(again / weights.relative_to(folder)), load_file(weights))
    assert_same_json(folder, again)


def assert_same_json(one: Path, two: Path) -> None:
    for file in one.rglob("*.json"):
        assert json.loads(file.read_text()) == json.loads((two / file.relative_to(one)).read_text()), file.name


def test_a_file_keeps_every_tensor_and_its_metadata(original: Tensors, tmp_path: Path) -> None:
    file = write_ldm(tmp_path / "model.safetensors", original, {"modelspec.author": "someone", "mine": "1"})
    copy = converted(file, tmp_path / "copy.safetensors")
    assert_same(load_file(copy), original)
    with safe_open(copy, framework="pt") as opened:
        metadata: dict[str, str] = opened.metadata()
    assert (metadata["modelspec.author"], metadata["mine"], metadata["format"]) == ("someone", "1", "pt")
    assert metadata["modelspec.sai_model_spec"] == "1.0.0"


@pytest.fixture
def silent() -> Any:
    """Let diffusers and transformers warn of what they will change one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def peer_of(part: str, build: Build, tensors: Tensors, layers: int) -> Tensors:
    """What diffusers' own conversion makes of a single file, but for positions."""
    made: dict[str, Callable[..., Any]] = {"unet": peers.unet, "vae": peers.vae, "text_encoder": peers.text}
    size = replace(build, text_layers=layers + build.second)
    found = made[part](size, read_by_modules(tensors, layers)).state_dict()
    return {key: value for key, value in found.items() if "position_ids" not in key}


@torch.inference_mode()
def test_diffusers_loads_the_folder(build: Build, original: Tensors, folder: Path, silent: None) -> None:
    from diffusers import DiffusionPipeline

    pipeline: Any = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    name = "StableDiffusionInpaintPipeline" if build.inpaints else "StableDiffusionPipeline"
    assert type(pipeline).__name__ == name
    for part in ("unet", "vae", "text_encoder"):
        ours, theirs = getattr(pipeline, part).state_dict(), peer_of(part, build, original, layers_in(folder))
        assert theirs.keys() <= ours.keys() and all(torch.equal(ours[key], value) for key, value in theirs.items()), (
            part
        )
    published = peers.unet_config(build)
    assert {key: json_value(pipeline.unet.config[key]) for key in published} == published
    assert pipeline.scheduler.config.prediction_type == identify(folder).prediction
    assert pipeline.text_encoder.config.hidden_act == ("gelu" if build.second else "quick_gelu")


def json_value(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_the_folder_s_words_are_clip_s(build: Build, folder: Path, file: Path, silent: None) -> None:
    from transformers import CLIPTokenizer

    text = "a red fox, 빨간 여우 in the style of someone's café"
    ours = load_reader(file).tokenizer
    theirs: Any = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    assert theirs(text).input_ids == ours(text).input_ids
    assert theirs.model_max_length == 77 and len(theirs) == 49408
    assert theirs.pad_token == ("!" if build.second else "<|endoftext|>")


def test_diffusers_converters_read_the_file(build: Build, original: Tensors, folder: Path, tmp_path: Path) -> None:
    """diffusers' own conversion puts what was written from a folder where it puts the published file."""
    back, layers = load_file(converted(folder, tmp_path / "back.safetensors")), layers_in(folder)
    if build.second:  # diffusers' conversion asks for it, and a folder has none
        back["cond_stage_model.model.text_projection"] = original["cond_stage_model.model.text_projection"]
    for part in ("unet", "vae", "text_encoder"):
        assert_same(peer_of(part, build, back, layers), peer_of(part, build, original, layers))


@torch.inference_mode()
def test_easel_draws_the_same_with_all_three(build: Build, file: Path, folder: Path, tmp_path: Path) -> None:
    back = converted(folder, tmp_path / "back.safetensors")
    drawn = [drawn_by(path, build) for path in (file, folder, back)]
    for found in drawn[1:]:  # the same weights elsewhere in memory are multiplied in another order
        torch.testing.assert_close(found, drawn[0], rtol=1e-4, atol=1e-4)


def drawn_by(path: Path, build: Build) -> list[Tensor]:
    """What a model makes of the same words and noise."""
    model: Any = load(identify(path), read_settings(precision="float32"))
    chance = torch.Generator().manual_seed(1)
    (words,) = model.encode([Text("a red fox, 빨간 여우")])
    extra = {"inpaint": torch.randn(1, 5, 8, 8, generator=chance)} if build.inpaints else {}
    x = torch.randn(1, 4, 8, 8, generator=chance)
    denoised = model.predict(Rows(x=x, sigma=torch.tensor([9.0]).double(), context=words.context[None], extra=extra))
    return [words.context, denoised, model.decode(denoised)]


# What can be changed on the way


def short(seed: int) -> Tensors:
    """A checkpoint whose text encoder knows few words."""
    found = random_tensors(FIRST, seed)
    return {name: value[:64].clone() if "token_embedding" in name else value for name, value in found.items()}


A, B = short(0), short(7)
AVERAGE = {
    "model_ema." + name.removeprefix("model.").replace(".", ""): value + 1
    for name, value in A.items()
    if name.startswith(UNET)
}
TRAINED = A | AVERAGE | {"model_ema.decay": torch.tensor(0.9), "first_stage_model.loss.logvar": torch.zeros(1)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with what training left behind, as a pickle."""
    file = tmp_path_factory.mktemp("trained") / "trained.ckpt"
    torch.save({"state_dict": TRAINED, "optimizer_states": [{"state": {0: 1}}], "global_step": 3}, file)
    return file


def test_nothing_is_pruned_unasked(trained: Path, tmp_path: Path) -> None:
    assert_same(load_file(converted(trained, tmp_path / "all.safetensors")), TRAINED)


def test_pruning_leaves_what_is_drawn_with(trained: Path, tmp_path: Path) -> None:
    assert_same(load_file(converted(trained, tmp_path / "pruned.safetensors", prune=True)), A)
    kept = converted(trained, tmp_path / "kept.safetensors", prune=True, keep_ema=True)
    assert_same(load_file(kept), {name: value for name, value in TRAINED.items() if ".loss." not in name})


def test_the_average_takes_the_weights_place(trained: Path, tmp_path: Path) -> None:
    found = load_file(converted(trained, tmp_path / "used.safetensors", use_ema=True, prune=True))
    wanted = A | {name: value + 1 for name, value in A.items() if name.startswith(UNET)}
    assert_same(found, wanted)
    straight = load_file(converted(trained, tmp_path / "a", use_ema=True) / "unet" / DIFFUSERS)
    assert_same(straight, load_file(converted(tmp_path / "used.safetensors", tmp_path / "b") / "unet" / DIFFUSERS))


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_numbers_are_rounded_as_torch_rounds_them(trained: Path, tmp_path: Path, name: str) -> None:
    wanted = getattr(torch, name)
    found = load_file(converted(trained, tmp_path / "file.safetensors", dtype=name, prune=True))
    for key, tensor in A.items():
        if "position_ids" in key or not key.startswith((UNET, VAE, "cond_")):
            assert found[key].dtype == tensor.dtype and torch.equal(found[key], tensor), key
        else:
            dtype = torch.float16 if wanted.itemsize == 1 and tensor.ndim < 2 else wanted
            assert torch.equal(found[key].float(), tensor.to(dtype).float()) and found[key].dtype == dtype, key
    folder = converted(tmp_path / "file.safetensors", tmp_path / "folder")
    back = load_file(converted(folder, tmp_path / "back.safetensors"))
    assert_same(back, {key: value for key, value in found.items() if key in back})


def test_a_folder_s_numbers_can_change_and_its_rest_stays(folder: Path, tmp_path: Path) -> None:
    (folder / "easel.json").write_text('{"steps": 30}')
    half = converted(folder, tmp_path / "half", dtype="float16")
    (folder / "easel.json").unlink()
    assert identify(half).dtype == "float16" and (half / "easel.json").read_text() == '{"steps": 30}'
    assert (half / "tokenizer" / "merges.txt").read_bytes() == (folder / "tokenizer" / "merges.txt").read_bytes()
    for name in ("unet", "vae"):
        ours, theirs = (load_file(path / name / DIFFUSERS) for path in (half, folder))
        assert_same(ours, {key: value.half() for key, value in theirs.items()})


DIFFUSERS = "diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize(
    ("kind", "out"),
    [("alone", "out"), *((kind, "out.safetensors") for kind in ("checkpoint", "alone", "diffusers", "folder"))],
)
def test_an_autoencoder_can_come_from_elsewhere(trained: Path, tmp_path: Path, kind: str, out: str) -> None:
    given = tmp_path / "vae.safetensors"
    bare = {name.removeprefix(VAE): value for name, value in B.items() if name.startswith(VAE)}
    write_ldm(given, B if kind in ("checkpoint", "folder") else bare)
    if kind == "folder":
        given = converted(given, tmp_path / "given")
    if kind == "diffusers":
        write_ldm(given, peers.vae(FIRST, B).state_dict())
    made = converted(trained, tmp_path / out, given, prune=True)
    found = load_file(made if made.is_file() else converted(made, tmp_path / "file.safetensors"))
    assert_same({name.removeprefix(VAE): value for name, value in found.items() if name.startswith(VAE)}, bare)
    assert torch.equal(found[f"{UNET}out.2.bias"], A[f"{UNET}out.2.bias"])


# Refusals, and nothing half-written


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"dtype": "fp16"}, UnknownName, "number format 'fp16' is not known; nearest 'float16'"),
        ({"keep_ema": True}, BadValue, "keep_ema is True, allowed is for prune"),
        ({"keep_ema": True, "use_ema": True, "prune": True}, BadValue, "allowed is nothing beside use_ema"),
        ({"use_ema": True}, Incomplete, r"has no running average \(model_ema\.\*\)"),
    ],
)
def test_wishes_that_make_no_sense(file: Path, change: dict[str, Any], error: type[EaselError], words: str) -> None:
    with pytest.raises(error, match=words):
        plan_conversion(stock_of(identify(file)), Change(**change))


def test_a_folder_keeps_no_average(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="keep-ema is True, allowed is for a single file"):
        list(
            write_folder(
                plan_conversion(stock_of(identify(trained)), Change(prune=True, keep_ema=True)), tmp_path / "x"
            )
        )
    assert not list(tmp_path.iterdir())


def test_an_average_must_be_whole(tmp_path: Path) -> None:
    lost = "model_ema.diffusion_modelout2bias"
    for change, error, words in (
        ({lost: None}, Incomplete, f"has no {lost!r}, the running average of 'model.diffusion_model.out.2.bias'"),
        ({lost: torch.zeros(3)}, Mismatch, rf"{lost!r} is \(3,\)"),
    ):
        tensors = {name: value for name, value in (TRAINED | change).items() if value is not None}
        with pytest.raises(error, match=words):
            plan_conversion(stock_of(identify(write_ldm(tmp_path / "m.safetensors", tensors))), Change(use_ema=True))


def test_a_folder_needs_every_part(tmp_path: Path) -> None:
    file = write_ldm(tmp_path / "m.safetensors", {k: v for k, v in A.items() if not k.startswith(VAE)})
    with pytest.raises(Incomplete, match=r"m\.safetensors: has no autoencoder .* --vae gives an autoencoder"):
        converted(file, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors"]
    assert identify(write_and_name(file, tmp_path / "copy.safetensors")).missing
    donor = write_ldm(tmp_path / "vae.safetensors", {k: v for k, v in A.items() if k.startswith(VAE)})
    assert not identify(converted(file, tmp_path / "whole", donor)).missing


def write_and_name(file: Path, out: Path) -> Path:
    list(write_file(plan_conversion(stock_of(identify(file)), Change()), out))
    return out


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    bare = {name.removeprefix(VAE): value for name, value in A.items() if name.startswith(VAE)}
    vae = identify(write_ldm(tmp_path / "vae.safetensors", bare))
    with pytest.raises(Mismatch, match=r"is a vae, 4 channels; needed is a checkpoint"):
        stock_of(vae)
    with pytest.raises(Mismatch, match=r"needed is an autoencoder \(VAE\) for flux"):
        vae_of(vae, "flux", "dev")


def test_only_a_model_s_place_is_taken(file: Path, tmp_path: Path) -> None:
    out = converted(file, tmp_path / "out")
    with pytest.raises(BadValue, match="--force replaces what is there"):
        converted(file, out)
    (out / "mine.txt").write_text("old")
    assert not (converted(file, out, force=True) / "mine.txt").exists()
    (out / "model_index.json").unlink()
    with pytest.raises(BadValue, match="this is another folder"):
        converted(file, out, force=True)
    assert (out / "unet").is_dir() and [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("out", ["out.safetensors", "out"])
def test_what_is_stopped_leaves_nothing(file: Path, tmp_path: Path, out: str) -> None:
    write = write_file if "." in out else write_folder
    work = write(plan_conversion(stock_of(identify(file)), Change()), tmp_path / out)
    for _ in range(3):
        next(work)
    assert [path.name.startswith(f".{out}.") for path in tmp_path.iterdir()] == [True]
    with pytest.raises(KeyboardInterrupt):
        work.throw(KeyboardInterrupt())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out", ["out.safetensors", "out"])
def test_a_disk_that_takes_no_more_leaves_nothing(file: Path, tmp_path: Path, out: str) -> None:
    resource = pytest.importorskip("resource")
    write = write_file if "." in out else write_folder
    work = write(plan_conversion(stock_of(identify(file)), Change()), tmp_path / out)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(StorageError, match=r"/out\S* cannot be written \(File too large\)"):
            list(work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
