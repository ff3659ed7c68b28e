"""Weights in few bits: cut, joined, unpacked and kept by layers, whichever library wrote them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from easel.core.errors import Mismatch, ModelError, Unrecognised
from easel.models.files.keeping import KEEPS, full_numbers
from easel.models.files.opening import listing_of
from easel.models.files.packed import Packed, joined
from easel.models.files.packed_layers import Keeping, PackedEmbedding, PackedLinear, unpacked_weight
from easel.models.files.weights import build, read_tensors
from tests.ldm import write_ldm
from tests.lowbit import gguf_codes, nf4, scaled_float8, write_gguf

WRITTEN = Path(__file__).with_name("bitsandbytes.safetensors")  # by its own functions, what they unpack beside it
EVERY = torch.arange(256, dtype=torch.uint8)
CHANCE = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(48, 256, generator=CHANCE) * 0.05


def through_file(file: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor | Packed]:
    return read_tensors((write_ldm(file, tensors),))


def gguf_file(file: Path, kind: str, weight: Tensor) -> Packed:
    codes = gguf_codes(kind, len(weight), weight[0].numel(), weight.flatten(1))
    found = read_tensors((write_gguf(file, {"w.weight": (codes, kind)}),))["w.weight"]
    assert isinstance(found, Packed)
    return found


MAKERS: dict[str, Callable[[Path, Tensor], Tensor | Packed]] = {
    "Q4_0": lambda folder, weight: gguf_file(folder / "a.gguf", "Q4_0", weight),
    "Q8_0": lambda folder, weight: gguf_file(folder / "a.gguf", "Q8_0", weight),
    "NF4": lambda folder, weight: through_file(folder / "a.safetensors", nf4("w.weight", weight))["w.weight"],
    "nested": lambda f, weight: through_file(f / "a.safetensors", nf4("w.weight", weight, nested=True))["w.weight"],
    "scaled": lambda folder, weight: through_file(folder / "a.safetensors", scaled_float8("w", weight))["w.weight"],
    "by row": lambda f, w: through_file(f / "a.safetensors", scaled_float8("w", w, by_row=True))["w.weight"],
}
ERRORS = {"Q4_0": 0.12, "Q8_0": 0.01, "NF4": 0.11, "nested": 0.11, "scaled": 0.04, "by row": 0.04}


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def packed(kind: str, tmp_path: Path) -> Packed:
    found = MAKERS[kind](tmp_path, WEIGHT)
    assert isinstance(found, Packed)
    return found


def test_it_is_the_weight_but_for_what_few_bits_lose(packed: Packed, kind: str) -> None:
    full = packed.unpacked(torch.float32)
    assert packed.shape == full.shape == WEIGHT.shape and packed.ndim == 2
    assert 0 < float((full - WEIGHT).norm() / WEIGHT.norm()) < ERRORS[kind]
    assert packed.nbytes < WEIGHT.nbytes / 3
    assert torch.equal(packed.unpacked(torch.bfloat16), full.bfloat16())


@given(start=st.integers(0, 48), count=st.integers(0, 48))
def test_rows_of_it_are_its_rows(start: int, count: int) -> None:
    stop = min(start + count, 48)
    codes = torch.from_numpy(gguf_codes("Q4_0", 48, 256, WEIGHT))
    packed = Packed("Q4_0", (48, 256), {"codes": codes})
    rows = packed.rows(start, stop)
    assert isinstance(rows, Packed) and rows.shape == (stop - start, 256)
    assert torch.equal(rows.unpacked(torch.float32), packed.unpacked(torch.float32)[start:stop])


def test_cut_and_joined_it_stays_packed(packed: Packed) -> None:
    full = packed.unpacked(torch.float32)
    turned = joined([packed.rows(16, 48), packed.rows(0, 16)])
    assert isinstance(turned, Packed) and turned.nbytes == packed.nbytes
    assert torch.equal(turned.unpacked(torch.float32), torch.cat([full[16:], full[:16]]))
    assert torch.equal(packed.reshaped(48, 16, 4, 4).unpacked(torch.float32), full.view(48, 16, 4, 4))
    mixed = joined([packed.rows(0, 2), WEIGHT])
    assert isinstance(mixed, Tensor) and torch.equal(mixed, torch.cat([full[:2], WEIGHT]))
    ids = torch.tensor([[3, 0], [3, 47]])
    assert torch.equal(packed.picked(ids, torch.float32), full[ids])


def test_what_makes_no_sense_is_refused(packed: Packed) -> None:
    with pytest.raises(ValueError, match="cannot be seen as"):
        packed.reshaped(24, 512)
    with pytest.raises(ValueError, match="rows 40 to 49 of 48"):
        packed.rows(40, 49)
    with pytest.raises(Unrecognised, match="'Q9' is not known"):
        Packed("Q9", packed.shape, packed.tensors).unpacked(torch.float32)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("to", [torch.float32, torch.bfloat16, torch.float16])
def test_every_float8_becomes_the_number_that_torch_makes_of_it(dtype: torch.dtype, to: torch.dtype) -> None:
    codes = EVERY.view(dtype)
    found = Packed({1: "F8_E4M3"}.get(int(dtype == torch.float8_e4m3fn), "F8_E5M2"), (256,), {"codes": codes[:, None]})
    torch.testing.assert_close(found.unpacked(to), codes.to(to), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", ["nf4", "nf4 nested", "fp4", "fp4 nested"])
def test_what_bitsandbytes_packed_is_unpacked_as_it_does(tmp_path: Path, name: str) -> None:
    tensors = {key.partition("/")[2]: one for key, one in load_file(WRITTEN).items() if key.startswith(f"{name}/")}
    full = tensors.pop("full")
    file = write_ldm(tmp_path / "a.safetensors", tensors)
    listed = listing_of(file).tensors
    assert set(listed) == {"w.weight"} and listed["w.weight"].shape == (8, 64)
    found = read_tensors((file,))["w.weight"]
    assert isinstance(found, Packed) and found.kind == listed["w.weight"].dtype == name.split()[0].upper()
    assert torch.equal(found.unpacked(torch.float32), full)


@pytest.mark.parametrize("shape", [(3, 96), (5, 7), (64,), (2, 3, 3, 3), (1, 1)])
@pytest.mark.parametrize("nested", [False, True])
def test_nf4_of_any_shape(tmp_path: Path, shape: tuple[int, ...], nested: bool) -> None:
    """Blocks that reach over the ends of rows, and a last one that is not full."""
    weight = torch.randn(shape, generator=CHANCE) + 0.01
    tensors = nf4("w", weight, nested=nested)
    found = through_file(tmp_path / "a.safetensors", tensors)["w"]
    full = found.unpacked(torch.float32) if isinstance(found, Packed) else found
    assert full.shape == shape and float((full - weight).norm() / weight.norm()) < 0.2


@pytest.mark.parametrize("word", ["scale_weight", "weight_scale"])
@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_scales_and_marks_are_folded(tmp_path: Path, word: str, by_row: bool, dtype: torch.dtype) -> None:
    tensors = scaled_float8("a.b", WEIGHT, by_row=by_row, word=word, dtype=dtype)
    expected = tensors["a.b.weight"].float() * tensors[f"a.b.{word}"]
    beside = {"a.b.scale_input": torch.ones(1), "a.b.bias": torch.ones(48), "a.scaled_fp8": torch.empty(0).to(dtype)}
    file = write_ldm(tmp_path / "a.safetensors", tensors | beside)
    listed = {name: (one.dtype, one.shape) for name, one in listing_of(file).tensors.items()}
    assert listed == {"a.b.weight": ("fp8 scaled", (48, 256)), "a.b.bias": ("F32", (48,))}
    found = read_tensors((file,))["a.b.weight"]
    assert isinstance(found, Packed) and torch.equal(found.unpacked(torch.float32), expected)


def test_a_scale_of_no_use_is_not_hidden(tmp_path: Path) -> None:
    file = write_ldm(tmp_path / "a.safetensors", {"a.weight": torch.ones(2, 2), "a.scale_weight": torch.ones(())})
    assert set(listing_of(file).tensors) == {"a.weight", "a.scale_weight"}


def damaged(change: Callable[[dict[str, Tensor]], Any], nested: bool = False) -> dict[str, Tensor]:
    tensors = nf4("w", WEIGHT, nested=nested)
    change(tensors)
    return tensors


STATE = "w.quant_state.bitsandbytes__nf4"
LIES: dict[str, tuple[dict[str, Tensor], str]] = {
    "codes": (damaged(lambda t: t.update({"w": t["w"][:-1]})), "'w' is not the packed weight"),
    "gone": (damaged(lambda t: t.pop("w")), "'w' is not the packed weight"),
    "absmax": (damaged(lambda t: t.update({"w.absmax": torch.ones(3)})), "'w' is not the packed weight"),
    "no absmax": (damaged(lambda t: t.pop("w.absmax")), "'w' is not the packed weight"),
    "map": (damaged(lambda t: t.update({"w.quant_map": torch.ones(15)})), "'w' is not the packed weight"),
    "nested": (damaged(lambda t: t.update({"w.nested_absmax": torch.ones(9)}), True), "'w' is not the packed weight"),
    "state": (damaged(lambda t: t.update({STATE: EVERY})), "no JSON"),
    "list": (damaged(lambda t: t.update({STATE: torch.tensor(list(b"[]"), dtype=torch.uint8)})), "no JSON object"),
    "long": (damaged(lambda t: t.update({STATE: torch.zeros(5000, dtype=torch.uint8)})), "no text of at most 4096"),
    "scale": (scaled_float8("w", WEIGHT) | {"w.scale_weight": torch.ones(2)}, "'w.scale_weight' is F32 \\(2,\\)"),
    "blocks": (scaled_float8("w", WEIGHT) | {"w.scale_weight": torch.ones(48, 8)}, "one number, or one for each of"),
    "whole": (scaled_float8("w", WEIGHT) | {"w.scale_weight": torch.ones((), dtype=torch.int32)}, "is I32"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_named(tmp_path: Path, lie: str) -> None:
    tensors, words = LIES[lie]
    file = write_ldm(tmp_path / "lie.safetensors", tensors)
    with pytest.raises(Mismatch, match=words) as caught:
        listing_of(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@given(places=st.lists(st.tuples(st.integers(0, 76), st.integers(0, 255)), min_size=1, max_size=3))
def test_damaged_words_of_bitsandbytes_are_told(tmp_path_factory: Any, places: list[tuple[int, int]]) -> None:
    tensors = nf4("w", WEIGHT[:2])
    for place, byte in places:
        tensors[STATE][place % len(tensors[STATE])] = byte
    file = write_ldm(tmp_path_factory.getbasetemp() / "damaged.safetensors", tensors)
    try:
        found = read_tensors((file,))["w"]
        assert found.shape == (2, 256)
    except ModelError as error:
        assert str(file) in str(error) and "\n" not in str(error)


class Net(nn.Module):
    """A layer of each kind that keeps, and a norm that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(32, 256)
        self.line = nn.Linear(256, 256)
        self.norm = nn.LayerNorm(256)
        self.conv = nn.Conv2d(256, 64, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """Return (n, 64, 1, count) for ids (n, count)."""
        return self.conv(self.norm(self.line(self.words(ids))).mT[:, :, None])


IDS = torch.tensor([[1, 2, 31], [0, 5, 5]])


def full_and_packed(name: str, folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor | Packed]]:
    """Return a net's tensors as a packing has them: in full numbers, and as a file gives them."""
    torch.manual_seed(0)
    given: dict[str, Tensor | Packed] = dict(Net().state_dict())
    for key in ("words.weight", "line.weight", "conv.weight"):
        plain = cast(Tensor, given[key])
        (place := folder / key).mkdir(exist_ok=True)  # a file of its own, since it stays mapped
        packed = MAKERS[name](place, plain.flatten(1))
        assert isinstance(packed, Packed)
        given[key] = packed.reshaped(*plain.shape)
    full = {key: one.unpacked(torch.float32) if isinstance(one, Packed) else one for key, one in given.items()}
    return full, given


def run(given: Any, **options: Any) -> tuple[Any, Tensor]:
    net = build(Net, given, Path("file"), **{"dtype": torch.float32, "device": "cpu", **options})
    with torch.inference_mode():
        return net, net(IDS)


def test_layers_keep_it_and_compute_as_if_it_were_full(kind: str, tmp_path: Path) -> None:
    full, given = full_and_packed(kind, tmp_path)
    net, found = run(given)
    plain, expected = run(full)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert isinstance(net.line, PackedLinear) and isinstance(net.words, PackedEmbedding)
    assert torch.equal(unpacked_weight(net.line), full["line.weight"])
    assert torch.equal(unpacked_weight(plain.line), full["line.weight"])
    held = sum(buffer.nbytes for buffer in net.buffers())
    assert held == sum(one.nbytes for one in given.values() if isinstance(one, Packed))
    assert {name for name, _ in net.named_parameters()} == {key for key in full if "norm" in key or "bias" in key}


def test_layers_move_and_keep_their_numbers(kind: str, tmp_path: Path) -> None:
    full, given = full_and_packed(kind, tmp_path)
    net, found = run(given)
    moved = net.to("meta").to_empty(device="cpu")
    moved.load_state_dict(run(given)[0].state_dict())
    with torch.inference_mode():
        assert torch.equal(moved.to(memory_format=torch.channels_last)(IDS), found)
    assert run(given, keep="cast")[0].line.weight.dtype == torch.float32
    assert not any(isinstance(layer, Keeping) for layer in run(given, keep="cast")[0].modules())
    assert torch.equal(run(given, keep="cast")[1], run(full)[1])


@pytest.mark.parametrize("keep", KEEPS)
def test_float8_is_kept_where_it_is_asked_for(keep: str) -> None:
    torch.manual_seed(0)
    state = Net().state_dict()
    stored = {key: one.to(torch.float8_e4m3fn) if "norm" not in key else one for key, one in state.items()}
    net, found = run(stored, keep=keep)
    assert isinstance(net.line, Keeping) == (keep != "cast")
    assert net.norm.weight.dtype == net.line.bias.dtype == torch.float32
    expected = run({key: one.float() for key, one in stored.items()})[1]
    assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_kept_as_stored_where_forwards_are_in_other_numbers(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    state = {key: one.to(dtype) for key, one in Net().state_dict().items()}
    net, found = run(state, keep="stored")
    assert net.line.packed_codes.data_ptr() == state["line.weight"].data_ptr() and isinstance(net.words, Keeping)
    assert torch.equal(found, run(state)[1])
    plain = build(Net, state, Path("f"), dtype=dtype, device="cpu", keep="stored")
    assert not any(isinstance(layer, Keeping) for layer in plain.modules())


@pytest.mark.parametrize(("keep", "dtype"), [("float8_e4m3", torch.float8_e4m3fn), ("float8_e5m2", torch.float8_e5m2)])
def test_full_weights_are_rounded_to_float8_on_request(keep: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    state = Net().state_dict()
    state["line.weight"][0, 0] = 1e6
    net, found = run(state, keep=keep)
    most = torch.finfo(dtype).max
    assert net.line.weight[0, 0] == most and found.isfinite().all()
    assert torch.equal(net.conv.weight, state["conv.weight"].to(dtype).float())
    assert sum(buffer.nbytes for buffer in net.buffers()) == sum(one.numel() for one in state.values() if one.ndim > 1)


def test_a_norm_or_a_strange_layer_takes_full_numbers() -> None:
    class Strange(nn.Linear):
        """A layer whose forward nobody here knows."""

    codes = torch.from_numpy(gguf_codes("Q8_0", 64, 64, WEIGHT[:16].reshape(64, 64)))
    packed = Packed("Q8_0", (64, 64), {"codes": codes})
    layer = build(lambda: Strange(64, 64, bias=False), {"weight": packed}, Path("f"), dtype=torch.float32, device="cpu")
    assert type(layer) is Strange and torch.equal(cast(Tensor, layer.weight), packed.unpacked(torch.float32))


def test_a_tensor_at_two_places_stays_one() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)

    shared = torch.ones(4, 4, dtype=torch.float16)
    given = {"one.weight": shared, "other.weight": shared}
    net: Any = build(Tied, given, Path("f"), dtype=torch.float32, device="cpu")
    assert net.one.weight.data_ptr() == net.other.weight.data_ptr()


def test_threads_that_cast_leave_torch_s_own_as_they_were() -> None:
    state = {key: one.half() for key, one in Net().state_dict().items()}
    expected, threads = run(state)[1], torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        net = run(state)[0]
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(threads)
    with torch.inference_mode():
        assert torch.equal(net(IDS), expected)


def test_convolutions_are_laid_out_as_asked() -> None:
    torch.manual_seed(0)
    state = {key: one.half() for key, one in nn.Conv2d(8, 8, 3).state_dict().items()}
    options: Any = {"dtype": torch.float32, "device": "cpu", "layout": torch.channels_last}
    net: Any = build(lambda: nn.Conv2d(8, 8, 3), state, Path("f"), **options)
    assert net.weight.is_contiguous(memory_format=torch.channels_last) and torch.equal(
        net.weight, state["weight"].float()
    )


@pytest.mark.parametrize("layout", [torch.preserve_format, torch.channels_last])
@pytest.mark.parametrize(("of", "to"), [(torch.float16, torch.bfloat16), (torch.bfloat16, torch.float16)])
def test_halves_are_cast_as_torch_does(of: torch.dtype, to: torch.dtype, layout: torch.memory_format) -> None:
    every = torch.arange(2**16).to(torch.int16).view(of)
    for source in (
        every,
        torch.randn(600, 50, 3, 3).to(of),
        torch.randn(50, 7000).to(of).T,
        torch.zeros(0, 3, dtype=of),
    ):
        found = full_numbers(source, to, "cpu", layout)
        assert found.dtype == to and (source.ndim != 4 or stays_laid_out(found, layout))
        torch.testing.assert_close(found, source.to(to), rtol=0, atol=0, equal_nan=True)


def stays_laid_out(tensor: Tensor, layout: torch.memory_format) -> bool:
    """Return whether a tensor is laid out so."""
    return tensor.is_contiguous(memory_format=torch.contiguous_format if layout == torch.preserve_format else layout)
