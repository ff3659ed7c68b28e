"""The work that the page does on model files: what is fetched, merged and converted stands in the models folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from easel.core.errors import BadValue, EaselError, RequestError, UnknownName, Unsupported
from easel.core.settings import Settings
from easel.models.library.hashing import hash_of
from easel.models.library.names import Library
from easel.models.rewriting.converting import Change
from easel.models.rewriting.methods import METHODS as FORMULAS
from easel.models.rewriting.record import Wish as MergeWish
from easel.ui.models import labours
from easel.ui.models.converting import LEFTOVERS
from easel.ui.models.mixing import FORMATS, METHODS
from easel.ui.workshop import Labour, Step
from tests.ldm import SMALL_1, random_tensors, write_ldm
from tests.models.download.downloading import NAME
from tests.models.download.downloading import server as server
from tests.sites import Server

OUT = "model.diffusion_model.out.2.weight"
NOTHING = labours.wish_of("", "", "", "", "")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small checkpoints, a and b."""
    folder = tmp_path_factory.mktemp("written")
    for seed, name in enumerate("ab"):
        tensors = random_tensors(SMALL_1, seed)
        small = {key: value[:64].clone() if "token_" in key else value for key, value in tensors.items()}
        write_ldm(folder / f"{name}.safetensors", small)
    return folder


@pytest.fixture
def settings(tmp_path: Path, written: Path) -> Settings:
    """Settings whose models folder has the two."""
    settings = Settings(models=tmp_path / "models")
    settings.models.mkdir()
    for file in written.iterdir():
        os.link(file, settings.models / file.name)
    return settings


@pytest.fixture
def library(settings: Settings) -> Library:
    return Library(settings, paths=False)


def done(labour: Labour) -> tuple[str, list[Step]]:
    """Return what a piece of work made, and its steps."""
    steps: list[Step] = []
    while True:
        try:
            steps.append(next(labour))
        except StopIteration as end:
            return end.value, steps


def refused(begin: Callable[[], Any]) -> str:
    """Return the line with which something is refused."""
    with pytest.raises(EaselError) as refusal:
        begin()
    return refusal.value.message


def test_a_merge_stands_in_the_models_folder(settings: Settings, library: Library) -> None:
    said, steps = done(labours.merging(("a", "b"), MergeWish(ratio=0.5), "half", settings, library, force=False))
    assert said.startswith("half.safetensors: sd 1.x") and steps[-1].done == steps[-1].total
    one, two, out = (load_file(settings.models / f"{name}.safetensors") for name in ("a", "b", "half"))
    torch.testing.assert_close(out[OUT], (one[OUT] + two[OUT]) / 2)
    assert "half" in library.places()


def test_a_merge_takes_a_vae_of_the_library(settings: Settings, library: Library) -> None:
    done(labours.merging(("a", "b"), MergeWish(ratio=0.0, vae="b"), "other", settings, library, force=False))
    one, two, out = (load_file(settings.models / f"{name}.safetensors") for name in ("a", "b", "other"))
    name = next(name for name in out if name.startswith("first_stage_model."))
    assert torch.equal(out[name], two[name]) and torch.equal(out[OUT], one[OUT])


def test_a_merge_that_is_stopped_leaves_nothing(settings: Settings, library: Library) -> None:
    labour = labours.merging(("a", "b"), MergeWish(), "half", settings, library, force=False)
    assert next(labour).total
    next(labour)
    labour.close()
    assert sorted(path.name for path in settings.models.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_a_conversion_is_a_file_or_a_folder(settings: Settings, library: Library) -> None:
    options: dict[str, Any] = {"vae": "", "force": False}
    half = Change(dtype="float16")
    said, _ = done(labours.converting("a", half, "small", settings, library, folder=False, **options))
    assert said.startswith("small.safetensors: sd 1.x, float16")
    assert load_file(settings.models / "small.safetensors")[OUT].dtype == torch.float16
    folder = labours.converting("a", Change(), "apart", settings, library, folder=True, **options)
    next(folder)
    next(folder)
    begun = {path.name for path in settings.models.iterdir()} - {"a.safetensors", "b.safetensors", "small.safetensors"}
    assert len(begun) == 1 and begun.pop().startswith(".apart.")
    folder.close()
    assert not (settings.models / "apart").exists()


def test_a_hash_is_computed_and_kept(settings: Settings, library: Library) -> None:
    said, steps = done(labours.hashing("checkpoint", "a", library))
    digits = hash_of([settings.models / "a.safetensors"])
    assert said == f"SHA-256 {digits} · AutoV2 {digits[:10].upper()}" and steps[-1].done == steps[-1].total
    assert library.by_hash(digits[:10]) == "a"


@pytest.mark.parametrize("name", ["", "  ", "../out", "a/b", ".hidden", "/etc/passwd", "con"])
def test_a_new_model_has_a_plain_name(settings: Settings, name: str) -> None:
    assert refused(lambda: labours.check_name(name, ".safetensors", settings, force=True)).startswith("--name is")


def test_what_is_there_is_not_replaced_unasked(settings: Settings) -> None:
    assert "a place where nothing stands yet" in refused(
        lambda: labours.check_name("a", ".safetensors", settings, force=False)
    )
    labours.check_name("a", ".safetensors", settings, force=True)


@pytest.mark.parametrize("names", [("a", "lost"), ("/etc/passwd", "b"), ("../models/a", "b")])
def test_models_are_named_and_never_paths(settings: Settings, library: Library, names: tuple[str, str]) -> None:
    with pytest.raises(UnknownName):
        done(labours.merging(names, MergeWish(), "half", settings, library, force=False))


def test_a_model_is_fetched_to_its_kind(server: Server, settings: Settings, library: Library) -> None:
    body = (settings.models / "a.safetensors").read_bytes()
    server.put_repository(NAME, {"fox.safetensors": body, "README.md": b"#"})
    what = labours.asked_for(f"  {NAME}/fox.safetensors ")
    planned = labours.planned_for(what, NOTHING, "")
    assert labours.told_of(planned).endswith("fox.safetensors, 17 MB")
    said, steps = done(labours.downloading(what, NOTHING, "", settings, library, force=False))
    assert said == "fox.safetensors: sd 1.x" and steps[0].note == labours.told_of(planned)
    assert (settings.models / "fox.safetensors").read_bytes() == body and "fox" in library.places()


def test_a_token_is_sent_for_this_time(server: Server, settings: Settings, library: Library) -> None:
    commit = server.put_repository(NAME, {"fox.safetensors": b"x" * 2000}, token="hf_mine")
    server.files[f"/{NAME}/resolve/{commit}/fox.safetensors"].token = "hf_mine"
    what = f"{NAME}/fox.safetensors"
    assert "answers 401" in refused(lambda: labours.planned_for(what, NOTHING, ""))
    labours.planned_for(what, NOTHING, "hf_mine")
    said, _ = done(labours.downloading(what, NOTHING, "hf_mine", settings, library, force=False))
    assert "fox.safetensors" in said and (settings.models / "fox.safetensors").is_file()


def test_a_token_goes_to_the_two_sites_alone(server: Server) -> None:
    assert "only the two sites" in refused(
        lambda: labours.planned_for("https://example.org/x.safetensors", NOTHING, "hf_mine")
    )
    with pytest.raises(BadValue, match="token"):
        labours.keep_token("https://example.org/x.safetensors", "hf_mine")
    with pytest.raises(BadValue, match="token"):
        labours.keep_token(NAME, "")


def test_what_leads_nowhere_is_refused_at_once() -> None:
    assert refused(lambda: labours.asked_for("no such thing")).startswith("WHAT is 'no such thing'")


def test_what_cannot_be_used_is_kept_and_told(server: Server, settings: Settings, library: Library) -> None:
    server.put_repository(NAME, {"odd.safetensors": b"x" * 2000})
    said, _ = done(labours.downloading(f"{NAME}/odd.safetensors", NOTHING, "", settings, library, force=False))
    assert said.startswith("odd.safetensors: ") and (settings.models / "odd.safetensors").is_file()


def test_the_forms_know_what_there_is() -> None:
    known = {name: (method.models == 3, method.least, method.most) for name, method in FORMULAS.items()}
    assert {name: tuple(method) for name, method in METHODS.items()} == known
    for dtype in FORMATS:
        Change(dtype)
    assert all(len(flags) == 3 for flags in LEFTOVERS.values())


def bytes_of_all(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.read_bytes()


def test_errors_of_the_site_are_ours(server: Server, settings: Settings, library: Library) -> None:
    with pytest.raises((RequestError, Unsupported)):
        done(labours.downloading("owner/lost", NOTHING, "", settings, library, force=False))
    assert len(list(bytes_of_all(settings.models))) == 2
