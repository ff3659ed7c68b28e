"""What would be fetched from Hugging Face, and what then stands on the disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from easel.core.errors import BadValue, EaselError, Incomplete, RequestError, Unsupported
from easel.models.download.plans import Plan
from easel.models.download.sites import site, with_token
from easel.models.download.web import Web
from tests.models.download.downloading import BODY, NAME, WEIGHTS, brought, pipeline, planned, refused
from tests.models.download.downloading import server as server
from tests.models.download.downloading import web as web
from tests.sites import Server


def sources(made: Plan) -> set[str]:
    return {wanted.url.split("/resolve/")[1].split("/", 1)[1] for wanted in made.files}


def test_a_pipeline_is_what_it_needs(server: Server, web: Web, tmp_path: Path) -> None:
    server.put_repository(NAME, pipeline())
    made = planned(NAME, web)
    small = {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt"}
    small |= {f"{part}/config.json" for part in WEIGHTS}
    assert sources(made) == small | {f"{part}/{stem}.fp16.safetensors" for part, stem in WEIGHTS.items()}
    full = planned(NAME, web, file="full")
    assert sources(full) == small | {f"{part}/{stem}.safetensors" for part, stem in WEIGHTS.items()}
    assert {wanted.name for wanted in made.files} == {wanted.name for wanted in full.files} == sources(full)
    assert made.folder and made.name == "tiny-model" and made.kind == "checkpoint"
    found = brought(made, tmp_path, web)
    assert found.size == made.size == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert (found.path / "unet/diffusion_pytorch_model.safetensors").read_bytes() == BODY + b"unet.fp16"
    assert os.listdir(tmp_path) == ["tiny-model"]


def test_a_pipeline_goes_on_after_a_cut_and_is_hidden_till_then(server: Server, web: Web, tmp_path: Path) -> None:
    commit = server.put_repository(NAME, pipeline())
    broken = server.files[f"/{NAME}/resolve/{commit}/vae/diffusion_pytorch_model.fp16.safetensors"]
    broken.answers = [503] * 3
    with pytest.raises(EaselError, match="503"):
        brought(planned(NAME, web), tmp_path, web)
    assert os.listdir(tmp_path) == [".tiny-model.part"]
    (tmp_path / ".tiny-model.part" / "stray.bin").write_bytes(b"left by another choice")
    server.asked.clear()
    found = brought(planned(NAME, web), tmp_path, web)
    assert os.listdir(tmp_path) == ["tiny-model"] and not (found.path / "stray.bin").exists()
    fetched = [asking.path for asking in server.asked if asking.path.endswith("fp16.safetensors")]
    assert not any("unet" in path for path in fetched)  # stood there already


def test_a_pipeline_that_is_there_is_left_and_another_is_not_replaced(server: Server, web: Web, tmp_path: Path) -> None:
    server.put_repository(NAME, pipeline())
    brought(planned(NAME, web), tmp_path, web)
    assert brought(planned(NAME, web), tmp_path, web).there
    with pytest.raises(RequestError, match="a folder of that name is there, with other contents"):
        brought(planned(NAME, web, file="full"), tmp_path, web)
    brought(planned(NAME, web, file="full"), tmp_path, web, force=True)
    assert (tmp_path / "tiny-model/unet/diffusion_pytorch_model.safetensors").read_bytes() == BODY + b"unet"
    assert os.listdir(tmp_path) == ["tiny-model"]
    brought(planned(NAME, web, name="other"), tmp_path, web)
    assert sorted(os.listdir(tmp_path)) == ["other", "tiny-model"]


def test_shards_come_with_their_index_and_pickles_where_there_is_nothing_else(server: Server, web: Web) -> None:
    files = pipeline()
    for name in [name for name in files if name.startswith(("unet/diffusion", "vae/diffusion"))]:
        if not name.endswith(".bin") or "vae" not in name:
            del files[name]
    stem = "unet/diffusion_pytorch_model"
    shards = {f"{stem}.fp16-0000{n}-of-00002.safetensors": BODY for n in (1, 2)}
    server.put_repository(NAME, files | shards | {f"{stem}.safetensors.index.fp16.json": b"{}"})
    made = planned(NAME, web)
    names = {wanted.name for wanted in made.files}
    assert {*shards, f"{stem}.safetensors.index.json", "vae/diffusion_pytorch_model.bin"} <= names
    shards.popitem()
    server.put_repository(NAME, files | shards | {f"{stem}.safetensors.index.fp16.json": b"{}"})
    with pytest.raises(Incomplete, match="part 'unet' has no weights"):
        planned(NAME, web)


@pytest.mark.parametrize(
    "what",
    [
        f"{NAME}/v1.safetensors",
        "https://huggingface.co/" + NAME + "/blob/main/v1.safetensors",
        "https://huggingface.co/" + NAME + "/resolve/refs%2Fpr%2F1/v1.safetensors",
    ],
)
def test_one_file_of_a_repository(server: Server, web: Web, tmp_path: Path, what: str) -> None:
    server.put_repository(NAME, pipeline())
    made = planned(what, web)  # links to the site itself serve for a mirror too
    assert (made.name, made.size, made.folder) == ("v1.safetensors", len(BODY), False)
    found = brought(made, tmp_path, web)
    assert found.path.read_bytes() == BODY and found.sha256 == hashlib.sha256(BODY).hexdigest()
    assert planned(NAME, web, file="v1.safetensors").files == made.files


def test_a_file_is_told_by_words_and_safetensors_come_first(server: Server, web: Web) -> None:
    files = {"a-Q4_0.gguf": BODY, "a-Q8_0.gguf": BODY, "b.safetensors": BODY, "b.ckpt": BODY}
    server.put_repository(NAME, files, tags=["lora"])
    assert planned(NAME, web, file="q4_0").name == "a-Q4_0.gguf"
    assert planned(NAME, web, file="b").name == "b.safetensors"
    assert planned(NAME, web, file="b.ckpt").name == "b.ckpt"
    assert planned(NAME, web, file="b").kind == "lora" and planned(NAME, web, file="b", kind="vae").kind == "vae"
    for word in ("", "q5"):
        assert "a-Q4_0.gguf (5 kB), a-Q8_0.gguf (5 kB), b.safetensors (5 kB)" in refused(NAME, web, file=word)
    server.put_repository(NAME, {"diffusion_pytorch_model.safetensors": BODY, "diffusion_pytorch_model.bin": BODY})
    assert planned(NAME, web).name == "tiny-model.safetensors"  # a name that says something
    server.put_repository(NAME, {"README.md": b"#"})
    assert "has no file of weights" in refused(NAME, web)


def test_the_hub_says_no(server: Server, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(status: int, code: str) -> None:
        server.put(f"/api/models/{NAME}", b"{}", status=status, headers={"X-Error-Code": code})

    answer(401, "RepoNotFound")
    assert "there is no such model, or is private: `easel models login hf` or HF_TOKEN" in refused(NAME, web)
    answer(403, "GatedRepo")
    assert "its authors ask for consent" in refused(NAME, web)
    server.put(f"/api/models/{NAME}/revision/x", b"{}", status=404, headers={"X-Error-Code": "RevisionNotFound"})
    assert "has no revision 'x'" in refused(NAME, web, revision="x")
    assert "there is no such model or revision" in refused("owner/other", web)
    server.put(f"/api/models/{NAME}", b"{}", answers=[500] * 3)
    assert "Hugging Face answers 500, 3 times without progress" in refused(NAME, web)
    server.put(f"/api/models/{NAME}", b"<html>")
    assert "the hub's answer cannot be read" in refused(NAME, web)
    server.put_repository(NAME, pipeline())
    assert "has no 'x.safetensors'" in refused(f"{NAME}/x.safetensors", web)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(Unsupported, match="HF_HUB_OFFLINE is set"):
        planned(NAME, web)


def test_the_hubs_token_reaches_list_and_files(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    commit = server.put_repository(NAME, pipeline(), token="hf_secret")
    server.files[f"/{NAME}/resolve/{commit}/v1.safetensors"].token = "hf_secret"
    with Web([with_token(site("hf"))]) as web:
        brought(planned(f"{NAME}/v1.safetensors", web), tmp_path, web)
    assert {asking.token for asking in server.asked} == {"hf_secret"}


def test_a_tokens_sources_in_order(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_token(site("hf")).token is None
    kept = tmp_path / "token"
    kept.write_text("hf_from_file\n")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(kept))
    assert with_token(site("hf")).token == SecretStr("hf_from_file")
    monkeypatch.setenv("HF_TOKEN", " hf_secret ")
    found = with_token(site("hf"))
    assert found.token == SecretStr("hf_secret") and "hf_secret" not in repr(found)
    monkeypatch.setenv("HF_TOKEN", "hf_secret\nX-Header: 1")
    with pytest.raises(BadValue, match="token is ") as refusal:
        with_token(site("hf"))
    assert "hf_secret" not in refusal.value.message
