"""What the WHAT of a download means, and names made safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easel.core.errors import BadValue, EaselError, Unsafe
from easel.models.download.asked import Address, Asked, CivitaiModel, Repository, asked
from easel.models.download.names import DEVICES, FOLDERS, given_name, safe_name
from easel.models.library.kinds import KIND_OF_FOLDER

HUB, CIVITAI = "https://huggingface.co", "http://127.0.0.1:8000"
REPOSITORY = "stabilityai/sd-vae-ft-mse"
MEANT: dict[str, Asked] = {
    f"https://huggingface.co/{REPOSITORY}": Repository(REPOSITORY),
    f"https://huggingface.co/{REPOSITORY}/": Repository(REPOSITORY),
    f"huggingface.co/{REPOSITORY}": Repository(REPOSITORY),
    f"https://hf.co/{REPOSITORY}/tree/main": Repository(REPOSITORY, "main"),
    f"https://huggingface.co/{REPOSITORY}/tree/fp16/unet": Repository(REPOSITORY, "fp16", "unet"),
    f"https://huggingface.co/{REPOSITORY}/blob/main/a%20b/x.safetensors": Repository(
        REPOSITORY, "main", "a b/x.safetensors"
    ),
    f"https://huggingface.co/{REPOSITORY}/resolve/refs%2Fpr%2F1/x.ckpt?download=true": Repository(
        REPOSITORY, "refs/pr/1", "x.ckpt"
    ),
    REPOSITORY: Repository(REPOSITORY),
    f" {REPOSITORY} ": Repository(REPOSITORY),
    f"hf:{REPOSITORY}": Repository(REPOSITORY),
    f"hf://{REPOSITORY}@v2/sub/x.safetensors": Repository(REPOSITORY, "v2", "sub/x.safetensors"),
    f"{REPOSITORY}/x.safetensors": Repository(REPOSITORY, "", "x.safetensors"),
    "https://civitai.com/models/123": CivitaiModel(123),
    "https://civitai.com/models/123/dream-shaper?modelVersionId=456": CivitaiModel(123, 456),
    "civitai.com/models/123": CivitaiModel(123),
    "https://civitai.red/models/123": CivitaiModel(123),
    "https://civitai.com/api/download/models/456": CivitaiModel(None, 456),
    "https://civitai.com/api/download/models/456?type=Model&format=SafeTensor&token=secret": CivitaiModel(
        None, 456, choices={"type": "Model", "format": "SafeTensor"}
    ),
    f"{CIVITAI}/models/9?modelVersionId=8": CivitaiModel(9, 8),
    "123": CivitaiModel(123),
    "123@456": CivitaiModel(123, 456),
    "@456": CivitaiModel(None, 456),
    "civitai:123": CivitaiModel(123),
    "civitai:@456": CivitaiModel(None, 456),
    "urn:air:sd1:checkpoint:civitai:123@456": CivitaiModel(123, 456),
    "hash:6ce0161689": CivitaiModel(digest="6CE0161689"),
    "https://example.org/x.safetensors?sig=1": Address("https://example.org/x.safetensors?sig=1"),
}
REFUSED = (
    "",
    "x.safetensors",
    "a/../b",
    "a b/c",
    "civitai:",
    "@",
    "hash:xyz",
    "https://",
    "https://huggingface.co/",
    "https://huggingface.co/datasets/a/b",
    "https://huggingface.co/a/b/resolve/main/../../x",
    "https://civitai.com/images/12",
    "https://me:secret@example.org/x.safetensors",
    "ftp://example.org/x.safetensors",
)


@pytest.mark.parametrize("what", MEANT)
def test_what_is_meant(what: str) -> None:
    assert asked(what, HUB, CIVITAI) == MEANT[what]


@pytest.mark.parametrize("what", REFUSED)
def test_what_means_nothing_is_refused(what: str) -> None:
    with pytest.raises(BadValue) as refusal:
        asked(what, HUB, CIVITAI)
    assert "secret" not in refusal.value.message


@given(st.text(max_size=60))
def test_any_text_is_meant_or_refused(what: str) -> None:
    try:
        asked(what, HUB, CIVITAI)
    except EaselError as error:
        assert "\n" not in error.message


NAMES = {
    "x.safetensors": "x.safetensors",
    "../../etc/x.ckpt": "x.ckpt",
    "C:\\models\\x.ckpt": "x.ckpt",
    ".hidden.safetensors": "hidden.safetensors",
    "con.safetensors": "_con.safetensors",
    "LPT1": "_LPT1",
    "a<b>:c?.pt": "a_b__c_.pt",
    "x.pt. . ": "x.pt",
    "a\x00b\x1b[31m.pt": "ab[31m.pt",
    "fo\u202ex.pt": "fox.pt",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_servers_are_made_safe(name: str) -> None:
    assert safe_name(name) == NAMES[name]


@given(st.text(max_size=300))
def test_any_name_is_safe_or_refused(name: str) -> None:
    try:
        safe = safe_name(name)
    except Unsafe:
        return
    assert safe and not set(safe) & set('<>:"/\\|?*\0') and safe[0] not in ". " and safe[-1] not in ". "
    assert safe.isprintable() or any(ord(char) > 127 for char in safe)
    assert not DEVICES.fullmatch(safe) and len(safe.encode()) <= 202
    assert safe_name(safe) == safe


def test_a_given_name_gets_the_ending_and_no_folder() -> None:
    assert given_name("fox", ".safetensors") == "fox.safetensors"
    assert given_name("fox.SAFETENSORS", ".safetensors") == "fox.SAFETENSORS"
    for bad in ("../fox", "a/b", ".fox", "nul", ""):
        with pytest.raises(BadValue, match="--name"):
            given_name(bad, "")


def test_every_kind_goes_where_the_listing_looks_for_it() -> None:
    assert FOLDERS["checkpoint"] == ""
    assert all(KIND_OF_FOLDER[folder] == kind for kind, folder in FOLDERS.items() if folder)
