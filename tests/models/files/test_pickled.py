"""Torch pickles: told from their structure, loaded without running anything, refused by the name of what they ask."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import Incomplete, Mismatch, ModelError, Unrecognised, Unsafe
from easel.core.settings import read_settings
from easel.core.work import Rows, Text
from easel.models.family import load
from easel.models.files.opening import listing_of
from easel.models.files.weights import read_tensors
from easel.models.layouts.identify import identify
from tests.ldm import SMALL_1, SMALL_2, random_tensors, write_ldm


@pytest.fixture(scope="module", params=[".ckpt", ".safetensors", ".pt"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of three small tensors, mostly structure."""
    tensors = {name: torch.ones(2) for name in ("model.diffusion_model.input_blocks.0.0.weight", "b", "c")}
    file = tmp_path_factory.mktemp("whole") / f"whole{request.param}"
    if request.param == ".pt":
        return save_former(file, {"state_dict": tensors})
    return write_ldm(file, tensors) if request.param == ".safetensors" else save(file, {"state_dict": tensors})


def save(file: Path, value: Any) -> Path:
    torch.save(value, file)
    return file


@pytest.mark.parametrize(("suffix", "nested"), [(".ckpt", True), (".pt", False), (".safetensors", True)])
@torch.inference_mode()
def test_a_pickle_is_the_same_model(tmp_path: Path, suffix: str, nested: bool) -> None:
    tensors = random_tensors(SMALL_1)
    settings = read_settings(precision="float32")
    file = save(tmp_path / f"model{suffix}", {"state_dict": OrderedDict(tensors), "epoch": 3} if nested else tensors)
    plain = identify(write_ldm(tmp_path / "plain.safetensors", tensors))
    identity = identify(file)
    assert (identity.kind, set(identity.unused), identity.dtype) == (plain.kind, set(plain.unused), plain.dtype)
    ours, theirs = load(identity, settings), load(plain, settings)
    rows = Rows(x=torch.randn(1, 4, 8, 8), sigma=torch.tensor([3.0]).double(), context=torch.randn(1, 77, 64))
    torch.testing.assert_close(ours.predict(rows), theirs.predict(rows))
    torch.testing.assert_close(ours.encode([Text("fox")])[0].context, theirs.encode([Text("fox")])[0].context)
    torch.testing.assert_close(ours.decode(torch.ones(1, 4, 2, 2)), theirs.decode(torch.ones(1, 4, 2, 2)))


def test_one_bias_is_read_where_the_pickle_has_it(tmp_path: Path) -> None:
    bias = "model.diffusion_model.output_blocks.3.1.transformer_blocks.0.norm1.bias"
    tensors = random_tensors(SMALL_2) | {bias: (torch.arange(64) % 2 * 2 - 1).half() * 0.25}
    identity = identify(save(tmp_path / "model.ckpt", {"state_dict": tensors}))
    assert (identity.prediction, identity.known_by) == ("v_prediction", "by the spread of one bias, 0.250")


def test_formats_views_and_parameters_are_listed(tmp_path: Path) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    value = {
        "whole": whole,
        "view": whole[1:3],
        "turned": whole.T,
        "parameter": torch.nn.Parameter(torch.ones(2).half()),
        "bf": torch.ones(3).bfloat16(),
        "none": torch.zeros(0),
        "number": torch.tensor(5),
        "words": "not a tensor",
    }
    file = save(tmp_path / "many.pt", value)
    found = {name: (one.dtype, one.shape) for name, one in listing_of(file).tensors.items()}
    assert found == {
        "whole": ("F32", (4, 6)),
        "view": ("F32", (2, 6)),
        "turned": ("F32", (6, 4)),
        "parameter": ("F16", (2,)),
        "bf": ("BF16", (3,)),
        "none": ("F32", (0,)),
        "number": ("I64", ()),
    }
    loaded = read_tensors((file,))
    assert all(torch.equal(cast(Any, loaded[name]), cast(Any, value[name])) for name in found)
    place = listing_of(file).tensors["view"]
    assert file.read_bytes()[place.offset :][: place.size] == whole[1:3].numpy().tobytes()


def test_what_lightning_leaves_is_let_be(tmp_path: Path) -> None:
    """As sd-v1-4.ckpt has it: a callback's class for a key, and a number of numpy's."""
    file = save(tmp_path / "plain.ckpt", {"state_dict": {"a": torch.ones(2)}})
    extra = b"X\x09\x00\x00\x00callbacks}cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n}"
    extra += b"X\x04\x00\x00\x00best(cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\x00\x00\x00f8K\x00K\x01tR"
    extra += b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    extra += b"c_codecs\nencode\n(X\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00X\x06\x00\x00\x00latin1tRtR"
    text = extra.replace(b"best(cnumpy", b"bestcnumpy") + b"sss"
    changed = rewritten(file, lambda data: data[:-1] + text + b".")
    assert list(listing_of(changed).tensors) == ["a"]
    assert torch.equal(cast(Any, read_tensors((changed,))["a"]), torch.ones(2))


def rewritten(
    file: Path, change: Callable[[bytes], bytes], compression: int = zipfile.ZIP_STORED, part: str = "data.pkl"
) -> Path:
    """Write a torch zip anew with one entry changed, and return it."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, change(data) if name.endswith(f"/{part}") else data)
    return file


class Bomb:
    """What a hostile file brings along."""

    def __init__(self, called: Any, *arguments: Any) -> None:
        self.reduced = called, arguments

    def __reduce__(self) -> Any:
        return self.reduced


def hostile() -> dict[str, tuple[Any, str]]:
    return {
        "system": (Bomb(os.system, "touch RAN"), "posix.system"),
        "eval": (Bomb(eval, "open('RAN', 'w')"), "builtins.eval"),
        "nested": ({"state_dict": {"a": [1, (Bomb(exec, "open('RAN', 'w')"),)]}}, "builtins.exec"),
        "getattr": (Bomb(getattr, "x", "upper"), "builtins.getattr"),
        "open": (Bomb(open, "RAN", "w"), "io.open"),
        "torch": (Bomb(torch.load, "x"), "torch.serialization.load"),
        "hub": (Bomb(torch.hub.load, "x", "y"), "torch.hub.load"),
        "class": (Path("x"), "pathlib"),
    }


@pytest.mark.parametrize("name", hostile())
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, zipped: bool) -> None:
    monkeypatch.chdir(tmp_path)
    value, asked = hostile()[name]
    file = tmp_path / "hostile.ckpt"
    if zipped:
        clean = save(file, {"a": torch.ones(1)})
        rewritten(clean, lambda _: pickle.dumps(value, 2))
    else:
        file.write_bytes(pickle.dumps(value, 4))
    for read in (identify, listing_of, lambda path: read_tensors((path,))):
        with pytest.raises(Unsafe, match=asked) as caught:
            read(file)
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "RAN").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (b"\x80\x02(S'touch RAN'\nios\nsystem\n.", "the opcode INST"),
        (b"\x80\x02(cos\nsystem\nS'x'\no.", "os.system"),
        (b"\x80\x02}(K\x01t\x81.", "something that is no global"),
        (b"\x80\x02\x82\x01.", "the opcode EXT1"),
        (b"\x80\x02X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.", "os.system"),
        (b"\x80\x02c__builtin__\neval\n.", "builtins.eval"),
        (b"\x80\x02Pid\n.", "the opcode PERSID"),
    ],
)
def test_opcodes_are_refused_by_name(tmp_path: Path, code: bytes, words: str) -> None:
    file = rewritten(save(tmp_path / "code.ckpt", {"a": torch.ones(1)}), lambda _: code)
    with pytest.raises(Unsafe, match=words):
        listing_of(file)


@pytest.mark.parametrize(
    "code", [b"", b".", b"\x80\x02", b"t.", b"h\x01.", b"\x86.", b"K\x01R.", b"Q.", b"}s.", b"\xff"]
)
def test_senseless_pickles_are_damaged(tmp_path: Path, code: bytes) -> None:
    file = rewritten(save(tmp_path / "code.ckpt", {"a": torch.ones(1)}), lambda _: code)
    with pytest.raises(Incomplete, match="truncated or damaged"):
        listing_of(file)


def test_a_dict_in_itself_ends(tmp_path: Path) -> None:
    code = b"\x80\x02}q\x01X\x0a\x00\x00\x00state_dicth\x01s."
    file = rewritten(save(tmp_path / "loop.ckpt", {"a": torch.ones(1)}), lambda _: code)
    assert not listing_of(file).tensors
    with pytest.raises(Unrecognised):
        identify(file)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_cut_files_are_told(tmp_path: Path, share: float) -> None:
    file = save(tmp_path / "cut.ckpt", {"a": torch.ones(1000)})
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="truncated or damaged"):
        listing_of(file)


@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_always_told(whole: Path, places: list[tuple[float, int]]) -> None:
    """Any bytes changed in the structure of a file leave a file that reads, or one line that names it."""
    data = bytearray(whole.read_bytes())
    for share, byte in places:
        data[int(share * len(data))] = byte
    file = whole.with_name(f"damaged{whole.suffix}")
    file.write_bytes(data)
    try:
        read_tensors((file,))
        identify(file)
    except ModelError as error:
        assert str(file) in str(error) and "\n" not in str(error)


def test_compressed_zips_are_refused(tmp_path: Path) -> None:
    """A zip bomb is small on disk and huge when inflated; torch never compresses."""
    file = save(tmp_path / "bomb.ckpt", {"a": torch.ones(1)})
    rewritten(file, lambda data: data + bytes(2**24), zipfile.ZIP_DEFLATED)
    with pytest.raises(Incomplete, match="is compressed or encrypted"):
        listing_of(file)


def test_huge_pickles_are_refused(tmp_path: Path) -> None:
    file = rewritten(save(tmp_path / "huge.ckpt", {"a": torch.ones(1)}), lambda data: data + bytes(2**23))
    with pytest.raises(Incomplete, match="a pickle of"):
        listing_of(file)


def central(data: bytes, entry: str) -> int:
    """Return where the central directory tells of an entry."""
    place = data.rindex(entry.encode())
    assert data[place - 46 :][:4] == b"PK\x01\x02"
    return place - 46


def overlap(data: bytes) -> bytes:
    """Let one storage's entry point at another's bytes."""
    first, second = central(data, "lie/data/0"), central(data, "lie/data/1")
    return data[: second + 42] + data[first + 42 : first + 46] + data[second + 46 :]


def enlarge(data: bytes) -> bytes:
    place = central(data, "lie/data/1")
    return data[: place + 20] + struct.pack("<II", 2**30, 2**30) + data[place + 28 :]


@pytest.mark.parametrize(("change", "words"), [(overlap, "another name in its own header"), (enlarge, "overlaps")])
def test_lying_zips_are_told(tmp_path: Path, change: Callable[[bytes], bytes], words: str) -> None:
    file = save(tmp_path / "lie.ckpt", {"a": torch.ones(1), "b": torch.ones(1)})
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(Incomplete, match=words):
        listing_of(file)


def test_names_that_stand_twice_are_told(tmp_path: Path) -> None:
    file = save(tmp_path / "twice.ckpt", {"a": torch.ones(1)})
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("twice/data/0", bytes(4))
    with pytest.raises(Incomplete, match="stands there twice"):
        listing_of(file)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"K\x02K\x03\x86", b"K\x09K\x03\x86", r"'a' is \(9, 3\) and reaches beyond the 6 numbers"),
        (b"K\x03K\x01\x86", b"K\x00K\x00\x86", None),
        (b"K\x02K\x03\x86", b"K\xffK\xff\x86", "reaches beyond"),
        (b"K\x02K\x03\x86", b"K\x02N\x86", "no natural number"),
        (b"K\x06t", b"K\x07t", "says its storage holds 7 numbers, there are 24 bytes"),
        (b"FloatStorage", b"ByteStorage", "says its storage holds 6 numbers"),
        (b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x009", "is kept in the storage '9', which is not there"),
    ],
)
def test_lying_shapes_name_the_tensor(tmp_path: Path, old: bytes, new: bytes, words: str | None) -> None:
    def lie(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    file = rewritten(save(tmp_path / "shape.pt", {"a": torch.arange(6.0).reshape(2, 3)}), lie)
    if words is None:  # repeats one number, as views may
        assert listing_of(file).tensors["a"].shape == (2, 3)
        return
    with pytest.raises(Mismatch, match=words) as caught:
        listing_of(file)
    assert "'a'" in str(caught.value)


def save_former(file: Path, value: Any) -> Path:
    """Write as torch did before 1.6, without a zip."""
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file


@pytest.mark.parametrize("nested", [True, False])
def test_torch_s_former_format_is_read(tmp_path: Path, nested: bool) -> None:
    whole = torch.arange(24.0).reshape(4, 6)
    value = {
        "whole": whole,
        "view": whole[1:3],
        "half": torch.ones(3, dtype=torch.float16),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "none": torch.zeros(0),
        "number": torch.tensor(5),
    }
    other = {"moments": [torch.ones(7)], "epoch": 3}
    file = save_former(tmp_path / "former.ckpt", {"state_dict": OrderedDict(value)} | other if nested else value)
    listed = listing_of(file).tensors
    assert {name: one.shape for name, one in listed.items()} == {name: tuple(one.shape) for name, one in value.items()}
    place = listed["view"]
    assert file.read_bytes()[place.offset :][: place.size] == whole[1:3].numpy().tobytes()
    loaded = read_tensors((file,))
    assert all(torch.equal(cast(Any, loaded[name]), one) for name, one in value.items())


@pytest.mark.parametrize(("former", "module"), [(True, False), (False, True), (False, False)])
def test_textual_inversions_are_read(tmp_path: Path, former: bool, module: bool) -> None:
    """As its authors wrote it, with a module of parameters, and as A1111 does, with a dict."""
    vectors = torch.randn(2, 768)
    parameters: Any = torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)}) if module else {"*": vectors}
    value = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": parameters, "name": "fox", "step": 3}
    file = (save_former if former else save)(tmp_path / "fox.pt", value)
    assert listing_of(file).tensors["string_to_param.*"].shape == (2, 768)
    loaded = read_tensors((file,), {"string_to_param.*"})
    assert torch.equal(cast(Any, loaded["string_to_param.*"]), vectors)


def test_a_module_of_the_former_format_is_refused(tmp_path: Path) -> None:
    """It brings its class along by name and source, which torch's weights-only unpickler takes in no case."""
    file = save_former(tmp_path / "fox.pt", {"string_to_param": torch.nn.ParameterDict({"*": torch.ones(2)})})
    with pytest.raises(Unsafe, match="'module' by a persistent id"):
        listing_of(file)


def test_upscalers_of_one_dict_are_read(tmp_path: Path) -> None:
    file = save(tmp_path / "up.pth", {"params_ema": {"body.weight": torch.ones(2)}})
    assert list(read_tensors((file,))) == list(listing_of(file).tensors) == ["params_ema.body.weight"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"\xfc\x9c\x46", b"\xfc\x9c\x47", "a pickle that torch did not write"),
        (b"little_endianq\x02\x88", b"little_endianq\x02\x89", "another byte order"),
        (b"FloatStorage", b"ByteStorage", "bytes, its storages end at"),
        (b"\x06\x00\x00\x00\x00\x00\x00\x00", b"\x07\x00\x00\x00\x00\x00\x00\x00", "does not hold the 6 numbers"),
        (b"K\x06N", b"K\x06K", None),
        (b"K\x02K\x03\x86", b"K\x09K\x03\x86", r"'a' is \(9, 3\) and reaches beyond the 6 numbers"),
    ],
)
def test_lies_of_the_former_format_are_named(tmp_path: Path, old: bytes, new: bytes, words: str | None) -> None:
    file = save_former(tmp_path / "lie.pt", {"a": torch.arange(6.0).reshape(2, 3)})
    data = file.read_bytes()
    assert old in data
    place = data.rindex(old)
    file.write_bytes(data[:place] + new + data[place + len(old) :])
    with pytest.raises(ModelError, match=words) as caught:
        read_tensors((file,))
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_cut_files_of_the_former_format_are_told(tmp_path: Path, share: float) -> None:
    data = save_former(tmp_path / "cut.pt", {"a": torch.ones(1000)}).read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(Incomplete, match="truncated or damaged"):
        listing_of(tmp_path / "cut.pt")


def test_other_zips_are_told(tmp_path: Path) -> None:
    file = tmp_path / "other.ckpt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(Incomplete, match=r"without torch's data\.pkl"):
        identify(file)
    file.write_bytes(b"PK\x03\x04")
    with pytest.raises(Incomplete, match="truncated or damaged"):
        identify(file)
