"""Merging: laws of the formulas, ratios by block, and files that come out as they should or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from easel.core.errors import BadValue, EaselError, Incomplete, Mismatch, UnknownName
from easel.core.settings import read_settings
from easel.core.work import Rows, Text
from easel.models.family import load
from easel.models.layouts.identify import identify
from easel.models.rewriting import stock as converting_stock
from easel.models.rewriting.blocks import PRESETS, Blocks, block_ratios, blocks_of
from easel.models.rewriting.merging import plan_merge, write_merge
from easel.models.rewriting.methods import METHODS, merged
from easel.models.rewriting.published import stock_of
from easel.models.rewriting.record import KEY, Wish
from easel.models.rewriting.stock import Stock, batches
from tests.ldm import SMALL_1, SMALL_2, Build, random_tensors, write_ldm

Tensors = dict[str, Tensor]
TINY = replace(SMALL_1, base=32, vae_base=32, text_layers=1)
UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."
FIRST = f"{UNET}input_blocks.0.0.weight"


def short(build: Build, seed: int) -> Tensors:
    """A checkpoint whose text encoder knows few words, since merging does not read any."""
    tensors = random_tensors(build, seed)
    return {key: value[:64].clone() if "token_embedding" in key else value for key, value in tensors.items()}


A, B, C = (short(TINY, seed) for seed in range(3))


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Stock]:
    """Write a checkpoint and return it as a stock."""

    def write(name: str, tensors: Tensors, metadata: dict[str, str] | None = None) -> Stock:
        return stock_of(identify(write_ldm(tmp_path / f"{name}.safetensors", tensors, metadata)))

    return write


@pytest.fixture
def merge(tmp_path: Path, put: Callable[..., Stock]) -> Callable[..., Tensors]:
    """Merge checkpoints that are given as tensors, and return what the file holds."""

    def run(*models: Tensors, donor: Tensors | None = None, **wish: Any) -> Tensors:
        stocks = [put(name, tensors) for name, tensors in zip("abc", models, strict=False)]
        out = tmp_path / "out.safetensors"
        planned = plan_merge(stocks, Wish(**wish), put("donor", donor) if donor is not None else None)
        assert sum(write_merge(planned, out, force=True)) == sum(row.planned.size for row in planned.rows.values())
        assert identify(out).family == "sd"
        return load_file(out)

    return run


def assert_same(found: Tensors, wanted: Tensors) -> None:
    """Hold two checkpoints against each other, bit for bit."""
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape, name
        assert torch.equal(found[name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8)), name


def weights(tensors: Tensors) -> Tensors:
    """The tensors that parts of the model read, without the noise schedule."""
    return {name: tensor for name, tensor in tensors.items() if name.startswith((UNET, VAE, TEXT))}


# Laws of the formulas

numbers = st.floats(-60000, 60000, width=32)
triples = st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=8)
dtypes = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64])


def columns(values: list[tuple[float, ...]], dtype: torch.dtype) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(column, dtype=dtype) for column in zip(*values, strict=True))


def bits(tensor: Tensor) -> list[int]:
    return tensor.view(torch.uint8).tolist()


@given(triples, dtypes, st.sampled_from(sorted(METHODS)))
def test_nothing_of_b_is_a(values: list[tuple[float, ...]], dtype: torch.dtype, name: str) -> None:
    method, tensors = METHODS[name], columns(values, dtype)
    assert bits(merged(method, tensors[: method.models], 0)) == bits(tensors[0])


@given(triples, dtypes)
def test_all_of_b_is_b(values: list[tuple[float, ...]], dtype: torch.dtype) -> None:
    a, b, _ = columns(values, dtype)
    assert bits(merged(METHODS["weighted"], (a, b), 1)) == bits(b)


@given(triples, st.floats(-2, 2), st.sampled_from(["difference", "train-difference"]))
def test_no_difference_adds_nothing(values: list[tuple[float, ...]], ratio: float, name: str) -> None:
    a, b, _ = columns(values, torch.float32)
    ratio = max(ratio, METHODS[name].least)
    assert bits(merged(METHODS[name], (a, b, b.clone()), ratio)) == bits(a)


@given(triples, st.floats(0, 1))
def test_a_weighted_sum_lies_between(values: list[tuple[float, ...]], ratio: float) -> None:
    a, b, _ = columns(values, torch.float32)
    found = merged(METHODS["weighted"], (a, b), ratio)
    slack = 1e-6 * torch.maximum(a.abs(), b.abs())
    assert bool(((found >= torch.minimum(a, b) - slack) & (found <= torch.maximum(a, b) + slack)).all())
    turned = merged(METHODS["weighted"], (b, a), 1 - ratio)
    torch.testing.assert_close(found, turned, rtol=1e-5, atol=float(slack.max()) + 1e-30)
    assert torch.equal(merged(METHODS["weighted"], (a, a), ratio), a)


@given(triples, st.floats(-2, 2))
def test_a_difference_is_the_published_sum(values: list[tuple[float, ...]], ratio: float) -> None:
    a, b, c = columns(values, torch.float32)
    found = merged(METHODS["difference"], (a, b, c), ratio)
    torch.testing.assert_close(found.double(), a.double() + ratio * (b.double() - c.double()), rtol=1e-5, atol=0.1)


def test_what_a_has_is_not_trained_again() -> None:
    """Of a change that A already has nothing is added; of one that it has nothing of, 0.9 of it at most."""
    a, b, c = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0])
    assert merged(METHODS["train-difference"], (a, b, c), 1).tolist() == pytest.approx([1.0, 0.9])


# Blocks

FULL = Blocks(12, 12)


def test_blocks_are_counted_as_people_count_them() -> None:
    assert FULL.names[0] == "IN00" and FULL.names[12] == "M00" and FULL.names[24] == "OUT11"
    places = {
        "time_embed.0.weight": 0,
        "input_blocks.0.0.weight": 0,
        "input_blocks.11.0.in_layers.0.bias": 11,
        "middle_block.1.norm.weight": 12,
        "output_blocks.0.0.in_layers.0.bias": 13,
        "output_blocks.11.1.norm.weight": 24,
        "out.2.weight": 24,
    }
    assert {name: FULL.place(UNET + name) for name in places} == places
    assert FULL.place("first_stage_model.encoder.conv_in.weight") is None
    assert blocks_of(A) == Blocks(4, 4)


def published(said: str) -> list[float]:
    return [float(word) for word in said.split(",")]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("GRAD_V", [1 - place / 12 for place in range(13)] + [place / 12 for place in range(1, 13)]),
        ("grad_a", [place / 12 for place in range(13)] + [1 - place / 12 for place in range(1, 13)]),
        ("WRAP08", [1.0] * 8 + [0.0] * 9 + [1.0] * 8),
        ("WRAP12", [1.0] * 12 + [0.0] + [1.0] * 12),
        ("OUT07", [0.0] * 18 + [1.0] * 7),
        ("OUT12", [0.0] * 13 + [1.0] * 12),
        ("OUT12_5", [0.0] * 12 + [0.5] + [1.0] * 12),
        ("FLAT_25", [0.25] * 25),
    ],
)
def test_presets_are_the_published_numbers(name: str, numbers: list[float]) -> None:
    base, found = block_ratios(name, FULL)
    assert base is None and list(found) == pytest.approx(numbers, abs=1e-9)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("blocks", [FULL, Blocks(9, 9), Blocks(4, 4)])
def test_presets_fit_every_u_net(name: str, blocks: Blocks) -> None:
    _, found = block_ratios(name, blocks)
    assert len(found) == blocks.count and all(0 <= ratio <= 1 for ratio in found)
    rising, falling = block_ratios("smoothstep", blocks)[1], block_ratios("reverse-smoothstep", blocks)[1]
    assert list(rising) == pytest.approx(list(reversed(falling)))


def test_numbers_are_read_with_a_base_or_without() -> None:
    assert block_ratios(",".join(["0.5"] * 25), FULL) == (None, (0.5,) * 25)
    assert block_ratios("1 " + ", ".join(["0"] * 19), Blocks(9, 9)) == (1.0, (0.0,) * 19)
    for said in ("0.5,0.5", ",".join(["0.5"] * 27), "0.5 " * 24 + "x", "0.5", ""):
        with pytest.raises(BadValue, match=r"25 numbers \(IN00 to OUT11\), or one more"):
            block_ratios(said, FULL)
    with pytest.raises(UnknownName, match="nearest 'GRAD_V'"):
        block_ratios("GRADV", FULL)


# Files


def test_the_ends_are_a_and_b(merge: Callable[..., Tensors]) -> None:
    assert_same(merge(A, B, ratio=0), A)
    assert_same(weights(merge(A, B, ratio=1)), weights(B) | {key: A[key] for key in A if "position_ids" in key})
    assert_same(merge(A, B, B, method="difference", ratio=0.7), A)


def test_a_weighted_sum_is_one(merge: Callable[..., Tensors]) -> None:
    found = merge(A, B)
    for name in weights(A):
        if A[name].is_floating_point():
            torch.testing.assert_close(found[name], 0.7 * A[name] + 0.3 * B[name], rtol=1e-5, atol=1e-6)
    assert torch.equal(found["betas"], A["betas"])


def test_a_difference_is_one(merge: Callable[..., Tensors]) -> None:
    found = merge(A, B, C, method="difference", ratio=0.5)
    for name in weights(A):
        if A[name].is_floating_point():
            torch.testing.assert_close(found[name], A[name] + 0.5 * (B[name] - C[name]), rtol=1e-5, atol=1e-6)


def test_equal_blocks_are_the_plain_merge(merge: Callable[..., Tensors]) -> None:
    assert_same(merge(A, B, blocks=",".join(["0.4"] * 10)), merge(A, B, ratio=0.4))


def test_each_part_and_block_has_its_ratio(merge: Callable[..., Tensors]) -> None:
    found = merge(A, B, blocks="0,0,0,1,1,0,0,0,0", text_ratio=1, ratio=0)
    for name, tensor in weights(A).items():
        of_b = ".input_blocks.3." in name or ".middle_block." in name or name.startswith(TEXT)
        assert torch.equal(found[name], B[name] if of_b else tensor), name
    found = merge(A, B, ratio=0, vae_ratio=1)
    assert all(torch.equal(found[name], (B if name.startswith(VAE) else A)[name]) for name in weights(A))


@pytest.mark.parametrize(("vae", "wanted"), [("A", A), ("B", B), ("donor.safetensors", C)])
def test_an_autoencoder_comes_whole(merge: Callable[..., Tensors], vae: str, wanted: Tensors) -> None:
    found = merge(A, B, ratio=0.5, vae=vae, donor=wanted if vae not in "AB" else None)
    assert all(torch.equal(found[name], wanted[name]) for name in A if name.startswith(VAE))
    torch.testing.assert_close(found[FIRST], (A[FIRST] + B[FIRST]) / 2)


def test_an_inpainting_model_keeps_what_it_reads_beside_the_latent(merge: Callable[..., Tensors]) -> None:
    painter = short(replace(TINY, inpaints=True), 4)
    found = merge(painter, B, C, method="difference", ratio=1)
    torch.testing.assert_close(found[FIRST][:, :4], painter[FIRST][:, :4] + B[FIRST] - C[FIRST])
    assert torch.equal(found[FIRST][:, 4:], painter[FIRST][:, 4:])
    found = merge(painter, B, ratio=1)
    assert torch.equal(found[FIRST], torch.cat([B[FIRST], painter[FIRST][:, 4:]], 1))
    assert_same(merge(painter, B, ratio=0), painter)


def test_the_layer_that_2_x_does_not_read_is_merged_too(merge: Callable[..., Tensors]) -> None:
    first, second = (short(replace(SMALL_2, base=32, widths=(2, 2)), seed) for seed in (5, 6))
    found = merge(first, second, ratio=1)
    last = [name for name in first if f"resblocks.{SMALL_2.text_layers - 1}." in name or "text_projection" in name]
    assert len(last) == 13 and all(torch.equal(found[name], second[name]) for name in last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_formats_may_differ_and_a_s_stays(merge: Callable[..., Tensors], dtype: torch.dtype) -> None:
    """Also with B's text encoder under its other published name, and a running average that stays away."""
    other = {name.replace("transformer.text_model.", "transformer."): value.to(dtype) for name, value in B.items()}
    other |= {"model_ema.diffusion_modelout2bias": torch.zeros(4), "model_ema.decay": torch.tensor(0.5)}
    found = merge(A, other, ratio=0.5)
    name = f"{TEXT}transformer.text_model.final_layer_norm.weight"
    torch.testing.assert_close(found[name], (A[name] + B[name].to(dtype).float()) / 2)
    assert found.keys() == A.keys() and {found[name].dtype for name in A if name.endswith("weight")} == {torch.float32}


def test_the_new_file_s_format_can_be_chosen(merge: Callable[..., Tensors]) -> None:
    large = {**A, f"{UNET}out.2.bias": torch.full((4,), 1e6)}
    found = merge(large, large, dtype="float16")
    assert found[FIRST].dtype == torch.float16 and found["betas"].dtype == torch.float32
    assert found[f"{UNET}out.2.bias"].tolist() == [65504.0] * 4
    found = merge(A, B, dtype="float8_e4m3fn")
    assert (found[FIRST].dtype, found[f"{UNET}out.0.weight"].dtype) == (torch.float8_e4m3fn, torch.float16)


def test_pickles_merge_as_safetensors_do(tmp_path: Path, put: Callable[..., Stock]) -> None:
    torch.save({"state_dict": B, "optimizer_states": [1]}, tmp_path / "b.ckpt")
    outs = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for other, out in zip((put("b", B), stock_of(identify(tmp_path / "b.ckpt"))), outs, strict=True):
        list(write_merge(plan_merge([put("a", A), other], Wish()), out))
    assert_same(load_file(outs[0]), load_file(outs[1]))


def test_the_file_tells_of_its_merge(tmp_path: Path, put: Callable[..., Stock]) -> None:
    a, b = put("a", A), put("b", B)
    out = tmp_path / "both.safetensors"
    list(write_merge(plan_merge([a, b], Wish(ratio=0.25, blocks="GRAD_A")), out))
    with safe_open(out, framework="pt") as opened:
        metadata: dict[str, str] = opened.metadata()
    assert {key: metadata[key] for key in metadata if key.startswith("modelspec.")} == {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.implementation": "https://github.com/CompVis/stable-diffusion",
        "modelspec.title": "both",
        "modelspec.resolution": "512x512",
        "modelspec.prediction_type": "epsilon",
        "modelspec.merged_from": "a, b",
    }
    recipe = json.loads(metadata[KEY])
    assert [(model["as"], model["name"], len(model["hash"])) for model in recipe["models"]] == [
        ("A", "a", 10),
        ("B", "b", 10),
    ]
    assert (recipe["method"], recipe["ratio"], recipe["each"]["M00"]) == ("weighted", 0.25, 1.0)


def test_a_merged_model_draws(tmp_path: Path) -> None:
    files = [write_ldm(tmp_path / f"{name}.safetensors", random_tensors(TINY, name)) for name in range(2)]
    out = tmp_path / "merged.safetensors"
    list(write_merge(plan_merge([stock_of(identify(file)) for file in files], Wish(dtype="float16")), out))
    model: Any = load(identify(out), read_settings(precision="float32"))
    (words,) = model.encode([Text("a fox")])
    rows = Rows(x=torch.randn(1, 4, 8, 8), sigma=torch.tensor([9.0]).double(), context=words.context[None])
    assert model.decode(model.predict(rows)).isfinite().all()


# Refusals


def without(tensors: Tensors, *names: str) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(names)}


@pytest.mark.parametrize(
    ("models", "wish", "error", "words"),
    [
        ((A, B), {"method": "add"}, UnknownName, "merge method 'add' is not known"),
        (
            (A, B),
            {"method": "difference"},
            BadValue,
            "models is 'A, B', allowed is A, B, C for",
        ),
        ((A, B, C), {}, BadValue, "allowed is A, B for the method 'weighted'"),
        ((A, B), {"ratio": 1.5}, BadValue, "ratio is 1.5, allowed is 0 to 1 for 'weighted'"),
        ((A, B), {"text_ratio": -0.1}, BadValue, "text_ratio is -0.1"),
        ((A, B), {"blocks": "0,0,0,0,2,0,0,0,0"}, BadValue, "ratio of M00 is 2.0"),
        ((A, B), {"blocks": "0,0,0,0,0,0,0,0,0,0", "ratio": 0.5}, BadValue, "ratio is 0.5, allowed is nothing beside"),
        ((A, B), {"vae": "A", "vae_ratio": 0.5}, BadValue, "vae_ratio is 0.5, allowed is nothing beside"),
        ((A, B), {"vae": "C"}, BadValue, "vae is 'C', allowed is 'A', 'B'"),
        ((A, B), {"dtype": "int8"}, UnknownName, "number format 'int8'"),
        (
            (A, without(B, VAE)),
            {},
            Incomplete,
            r"b\.safetensors: has no 'first_.*', which .*a\.safetensors",
        ),
        (
            (without(A, VAE), B),
            {},
            Incomplete,
            r"a\.safetensors: has no 'first_.*', which .*b\.safetensors",
        ),
        ((A, without(B, VAE)), {"vae": "B"}, Incomplete, r"b\.safetensors: has no autoencoder"),
        (
            (A, short(replace(TINY, text=128), 1)),
            {},
            Mismatch,
            r"b\.safetensors: '.*' is \(.*128.*\), in .*a\.safetensors it is",
        ),
        (
            (A, short(replace(TINY, second=True), 1)),
            {},
            Mismatch,
            r"b\.safetensors: is sd 2\.x, .*a\.safetensors is",
        ),
        ((A, short(replace(TINY, inpaints=True), 1)), {}, Mismatch, r"b\.safetensors: is an inpainting model"),
        (
            (A, B | {"v_pred": torch.zeros(0)}),
            {},
            Mismatch,
            r"b\.safetensors: predicts v_prediction \(marked",
        ),
    ],
)
def test_what_cannot_be_merged_is_told_before_anything_is_written(
    tmp_path: Path,
    put: Callable[..., Stock],
    models: tuple[Tensors, ...],
    wish: dict[str, Any],
    error: type[EaselError],
    words: str,
) -> None:
    stocks = [put(name, tensors) for name, tensors in zip("abc", models, strict=False)]
    with pytest.raises(error, match=words) as caught:
        plan_merge(stocks, Wish(**wish))
    assert "\n" not in str(caught.value)


def test_nothing_is_written_over(tmp_path: Path, put: Callable[..., Stock]) -> None:
    planned = plan_merge([put("a", A), put("b", B)], Wish())
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"mine")
    with pytest.raises(BadValue, match="a place where nothing stands yet; --force replaces what is there"):
        next(write_merge(planned, out))
    with pytest.raises(BadValue, match=r"ends in \.safetensors"):
        next(write_merge(planned, tmp_path / "out.ckpt"))
    work = write_merge(planned, out, force=True)
    next(work)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")]
    work.close()
    assert out.read_bytes() == b"mine"
    list(write_merge(planned, out, force=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors", "out.safetensors"]
    assert identify(out).variant == "1.x"


def test_a_model_may_be_replaced_by_its_merge(tmp_path: Path, put: Callable[..., Stock]) -> None:
    a = put("a", A)
    list(write_merge(plan_merge([a, put("b", B)], Wish(ratio=1)), a.where, force=True))
    assert_same(weights(load_file(a.where)), weights(B))


# Memory

PROGRAM = """
import re, sys
from pathlib import Path
from easel.models.rewriting.published import stock_of
from easel.models.layouts.identify import identify
from easel.models.rewriting.merging import plan_merge, write_merge
from easel.models.rewriting.record import Wish

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

*models, out = map(Path, sys.argv[1:])
planned = plan_merge([stock_of(identify(model)) for model in models], Wish(method="difference"))
before = anonymous()
print(max(anonymous() - before for _ in write_merge(planned, out)), out.stat().st_size)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux' account of memory")
def test_at_no_time_more_than_a_few_tensors_are_held(tmp_path: Path) -> None:
    """Memory that is not a file's own grows by a few tensors, not by a model; in a process that has freed none yet."""
    files = [write_ldm(tmp_path / f"{n}.safetensors", short(replace(TINY, base=96), n)) for n in range(3)]
    command = [sys.executable, "-c", PROGRAM, *map(str, files), str(tmp_path / "out.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, total = map(int, done.stdout.split())
    assert total > 30e6 and grown < total / 2, (total, grown)


def test_batches_hold_what_fits_and_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converting_stock, "AT_ONCE", 10)
    assert list(batches("abcde", {"a": 4, "b": 6, "c": 1, "d": 30, "e": 2})) == [["a", "b"], ["c"], ["d"], ["e"]]
