"""What would be fetched from Civitai or a link, and what then stands on the disk."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from easel.core.errors import BadValue, RequestError, StorageError, Unsafe
from easel.models.download.bring import Brought, settle
from easel.models.download.names import folder_for
from easel.models.download.sites import may_follow, site
from easel.models.download.web import Web
from tests.models.download.downloading import BODY, NAME, brought, pipeline, planned, refused
from tests.models.download.downloading import server as server
from tests.models.download.downloading import web as web
from tests.sites import Server, served


@pytest.mark.parametrize("address", ["http://example.org", "ftp://example.org", "https://", "example.org"])
def test_an_unsafe_site_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("EASEL_CIVITAI", address)
    with pytest.raises(BadValue, match="EASEL_CIVITAI"):
        site("civitai")


@pytest.mark.parametrize(
    ("url", "first", "allowed"),
    [
        ("https://cdn.example.org/x", "https://example.org/x", True),
        ("http://127.0.0.1/x", "http://localhost:8000/x", True),
        ("http://[::1]/x", "http://127.0.0.1/x", True),
        ("http://127.0.0.1/x", "https://example.org/x", False),
        ("http://example.org/x", "https://example.org/x", False),
        ("http://localhost.example.org/x", "http://127.0.0.1/x", False),
        ("file:///x", "https://example.org/x", False),
        ("https:///x", "https://example.org/x", False),
    ],
)
def test_where_a_site_may_lead(url: str, first: str, allowed: bool) -> None:
    assert may_follow(url, first) is allowed


def test_civitai_by_every_kind_of_id(server: Server, web: Web) -> None:
    server.put_version(9, [server.civitai_file("fox.safetensors", BODY, number=9)], model=7)
    digest = hashlib.sha256(BODY).hexdigest()
    links = ("{0}/models/7", "{0}/models/7/fox?modelVersionId=9", "{0}/api/download/models/9?type=Model&fp=fp16")
    ids = ("7", "7@9", "@9", "civitai:7", "urn:air:sd1:checkpoint:civitai:7@9", f"hash:{digest[:10]}")
    for what in (*ids, *(link.format(server.base) for link in links)):
        made = planned(what, web)
        assert (made.title, made.name, made.kind) == ("Fox, v1", "fox.safetensors", "checkpoint")
        assert made.files[0].sha256 == digest and made.files[0].about == pytest.approx(len(BODY), abs=10)
    assert "it belongs to model 7" in refused("8@9", web)
    assert "not there (the site answers 404: Not found)" in refused("8", web)


@pytest.mark.parametrize(
    ("type", "folder"),
    [
        *(("Checkpoint", ""), ("LORA", "loras"), ("LoCon", "loras"), ("DoRA", "loras"), ("VAE", "vae")),
        *(("TextualInversion", "embeddings"), ("Upscaler", "upscalers"), ("Controlnet", "controlnet"), ("Poses", "")),
    ],
)
def test_civitais_types_and_their_folders(server: Server, web: Web, type: str, folder: str) -> None:
    server.put_version(9, [server.civitai_file("fox.safetensors", BODY)], type=type)
    assert folder_for(Path("models"), planned("@9", web).kind) == Path("models") / folder


def test_civitais_file_and_card(server: Server, web: Web, tmp_path: Path) -> None:
    server.put_version(9, [server.civitai_file("../fox.safetensors", BODY, number=9)])
    found = brought(planned("@9", web), tmp_path, web)
    assert found.path == tmp_path / "fox.safetensors" and found.path.read_bytes() == BODY
    assert json.loads((tmp_path / "fox.civitai.json").read_text()) == {
        "model": "Fox",
        "version": "v1",
        "type": "Checkpoint",
        "base_model": "SD 1.5",
        "trained_words": ["a fox", "<style>"],
        "model_id": 7,
        "version_id": 9,
        "file": "../fox.safetensors",
        "sha256": hashlib.sha256(BODY).hexdigest(),
        "url": f"{server.base}/models/7?modelVersionId=9",
    }
    assert len(os.listdir(tmp_path)) == 2


def test_civitais_choice_of_a_file(server: Server, web: Web) -> None:
    files = [
        server.civitai_file("fox.ckpt", BODY, number=1),
        server.civitai_file("fox.safetensors", BODY, number=2, primary=False),
        server.civitai_file("fox-vae.safetensors", BODY, number=3, primary=False, type="VAE"),
        server.civitai_file("fox.zip", BODY, number=4, type="Training Data"),
    ]
    server.put_version(9, files)
    assert planned("@9", web).name == "fox.safetensors"  # the primary is a pickle
    assert planned("@9", web, file="pickletensor").name == "fox.ckpt"
    assert planned("@9", web, file="fox.ckpt").name == "fox.ckpt"
    assert planned(f"{server.base}/api/download/models/9?format=PickleTensor", web).name == "fox.ckpt"
    vae = planned("@9", web, kind="vae")
    assert (vae.name, vae.kind) == ("fox-vae.safetensors", "vae")
    assert planned("@9", web, file="vae").kind == "vae"
    assert "one of fox.ckpt (Model, PickleTensor, pruned, fp16)" in refused("@9", web, file="bf16")
    server.put_version(9, files[:1])
    assert "a pickle is fetched only where --file names it" in refused("@9", web)
    server.put_version(9, files[3:])
    assert "has no file of weights" in refused("@9", web)


def test_a_sites_words_cannot_write_on_the_screen(server: Server, web: Web) -> None:
    file = server.civitai_file("fox.safetensors", BODY, type="Mo\x1b[2Jdel")
    other = server.civitai_file("fox.safetensors", BODY, primary=False)
    server.put_version(9, [file, other], name="v1\x1b[31m\n\x07")
    assert planned("@9", web).title == "Fox, v1 [31m"
    assert "\x1b" not in refused("@9", web, file="bf16")


def test_what_civitai_does_not_give(server: Server, web: Web) -> None:
    danger = server.civitai_file("fox.safetensors", BODY, pickleScanResult="Danger")
    server.put_version(9, [danger])
    with pytest.raises(Unsafe, match=r"calls 'fox\.safetensors' dangerous"):
        planned("@9", web)
    server.put_version(9, [server.civitai_file("fox.safetensors", BODY)], usageControl="InternalGeneration")
    assert "lets Civitai draw with it but nobody download it" in refused("@9", web)
    server.put("/api/v1/model-versions/9", b"<html>", type="text/html")
    assert "the site's answer is no JSON object" in refused("@9", web)
    server.put_json("/api/v1/model-versions/9", {"files": [1, {"name": 3}], "model": [], "trainedWords": 5})
    assert "has no file of weights" in refused("@9", web)


def test_a_link_to_a_file(server: Server, web: Web, tmp_path: Path) -> None:
    with served() as other:
        link = f"{other.base}/some/fox%20cub.safetensors"
        other.put("/some/fox cub.safetensors", BODY)
        made = planned(f"{link}?sig=abc", web)
        assert (made.title, made.kind, made.size) == ("fox cub.safetensors", "", len(BODY))
        found = brought(made, tmp_path, web)
        assert found.path == tmp_path / "fox cub.safetensors" and found.path.read_bytes() == BODY
        assert {asking.query["sig"][0] for asking in other.asked} == {"abc"}
        with pytest.raises(RequestError, match="contents that nobody can compare"):
            brought(made, tmp_path, web)
        digest = hashlib.sha256(BODY).hexdigest()
        assert brought(planned(link, web, sha256=digest.upper()), tmp_path, web).there
        with pytest.raises(RequestError, match="with other contents"):
            brought(planned(link, web, sha256="0" * 64), tmp_path, web)
        assert planned(link, web, name="fox", kind="lora").name == "fox.safetensors"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="../my fox.ckpt"', "my fox.ckpt"),
        ("attachment; filename=fox.pt", "fox.pt"),
        ("attachment; filename=\"x.pt\"; filename*=UTF-8''%C3%A9.pt", "é.pt"),
        ('attachment; filename="a\\"b.pt"', "a_b.pt"),
    ],
)
def test_the_server_names_the_file(server: Server, web: Web, header: str, name: str) -> None:
    with served() as other:
        other.put("/get", BODY, headers={"Content-Disposition": header})
        assert planned(f"{other.base}/get", web).name == name
        other.put("/get", BODY)
        assert "file is 'get', allowed is one that ends in .safetensors" in refused(f"{other.base}/get", web)
        assert planned(f"{other.base}/get", web, name="fox.ckpt").name == "fox.ckpt"
        assert "--file is" in refused(f"{other.base}/get", web, file="x")


def test_the_file_that_is_there(server: Server, web: Web, tmp_path: Path) -> None:
    server.put_version(9, [server.civitai_file("fox.safetensors", BODY, number=9)], type="LORA")
    made = planned("@9", web)
    folder = folder_for(tmp_path, made.kind)
    brought(made, folder, web, models=tmp_path)
    server.asked.clear()
    again = brought(made, folder, web, models=tmp_path)
    assert again.there and server.asked == []
    elsewhere = brought(planned("@9", web, kind="vae"), tmp_path / "vae", web, models=tmp_path)
    assert elsewhere.there and elsewhere.path == tmp_path / "loras" / "fox.safetensors"
    again.path.write_bytes(b"mine")
    with pytest.raises(RequestError, match="with other contents; --force replaces it"):
        brought(made, folder, web, models=tmp_path)
    assert again.path.read_bytes() == b"mine"
    brought(made, folder, web, models=tmp_path, force=True)
    assert again.path.read_bytes() == BODY
    again.path.unlink()
    again.path.mkdir()
    with pytest.raises(RequestError, match="a folder of that name is there"):
        brought(made, folder, web, models=tmp_path, force=True)


def test_a_file_moves_to_the_folder_of_its_kind_unless_the_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(BODY)
    (tmp_path / "x.civitai.json").write_text("{}")
    there = Brought(tmp_path / "x.safetensors", len(BODY), "", False)
    moved = settle(there, "lora", tmp_path)
    assert moved.path == tmp_path / "loras" / "x.safetensors" and moved.path.is_file()
    assert (tmp_path / "loras" / "x.civitai.json").is_file() and not there.path.exists()
    there.path.write_bytes(b"another")
    assert settle(there, "lora", tmp_path).path == there.path
    assert settle(there, "sd 1.x", tmp_path).path == there.path


def test_a_disk_without_room_is_told_before(server: Server, web: Web, tmp_path: Path) -> None:
    server.put_version(9, [server.civitai_file("fox.safetensors", BODY, sizeKB=10**12)])
    with pytest.raises(StorageError, match="1,024,000,000,000,000 bytes are to come"):
        brought(planned("@9", web), tmp_path / "new", web)
    assert os.listdir(tmp_path) == []


def test_options_that_do_nothing_are_refused(server: Server, web: Web) -> None:
    server.put_version(9, [server.civitai_file("fox.safetensors", BODY)])
    server.put_repository(NAME, pipeline())
    assert "--revision is 'x'" in refused("@9", web, revision="x")
    assert "--sha256 is" in refused("@9", web, sha256="0" * 64)
    assert "64 hex digits" in refused("@9", web, sha256="0")
    assert "--kind is 'loras', allowed is checkpoint" in refused("@9", web, kind="loras")
    assert "--kind is 'lora', allowed is checkpoint, for a whole" in refused(NAME, web, kind="lora")
    assert "what WHAT says already (main)" in refused(f"hf:{NAME}@main", web, revision="x")
    assert "--name is '../x'" in refused("@9", web, name="../x")
    assert planned("@9", web, name="y").name == "y.safetensors"
