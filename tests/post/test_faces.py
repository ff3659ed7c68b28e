"""Faces restored in their places: all else bit for bit, visibility, several, and what is missing told by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from easel.core.errors import Mismatch, UnknownName, Unsupported
from easel.core.finishing import Faces
from easel.core.settings import read_settings
from easel.core.work import Finish, Load, Wanted
from easel.engine.shelf import Shelf
from easel.models.accelerate import Machine
from easel.models.layouts.identify import identify
from easel.models.library.names import Library
from easel.post.faces import restore
from easel.post.restorers import Restorer, by_gfpgan, load_restorer
from tests.post.onnxfiles import SIDE, write_yunet
from tests.post.performing import performed
from tests.post.restorerfiles import TINY, codeformer, restoreformer
from tests.post.test_finding import picture
from tests.post.upscalerfiles import compact, spandrel_made, write

CPU = Machine("cpu", torch.float32, torch.float32)
FACES = ((152, 104), (456, 312))  # the middles of two faces


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Return a shelf over a models folder as A1111's users have it, with a detector."""
    folder = tmp_path_factory.mktemp("models")
    write(folder / "Codeformer" / "codeformer-v0.1.0.pth", codeformer().state_dict(), "params_ema")
    (folder / "detectors").mkdir()
    write_yunet(folder / "detectors" / "face_detection_yunet_2023mar.onnx")
    settings = read_settings(models=folder, device="cpu", precision="float32")
    return Shelf(Library(settings), settings)


def scene(mode: str = "RGB", places: tuple[tuple[int, int], ...] = FACES) -> Image.Image:
    """Return a picture of faces, as the detector of these tests sees them, before soft noise."""
    noise = numpy.random.default_rng(1).integers(0, 60, (480, 640, 3), numpy.uint8)
    image = Image.fromarray(noise)
    faces = picture(image.size, *places)
    image.paste(faces, mask=faces.getchannel("R"))
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


@pytest.fixture(scope="module")
def full(shelf: Shelf) -> Image.Image:
    """Return the scene with its faces restored as usual."""
    return performed(restore(Faces(restorer="CodeFormer"), [scene()]), shelf.load)[0][0]


def changed(old: Image.Image, new: Image.Image) -> numpy.ndarray:
    """Return where two pictures differ."""
    return (numpy.asarray(old) != numpy.asarray(new)).any(2)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_faces_are_restored_and_all_else_is_bit_for_bit_as_it_was(mode: str, shelf: Shelf) -> None:
    image = scene(mode)
    (found,), works = performed(restore(Faces(restorer="CodeFormer"), [image]), shelf.load)
    assert [type(work) for work in works] == [Load, Load, Finish, Finish, Finish]
    differ = changed(image, found)
    near = numpy.zeros_like(differ)
    for x, y in FACES:
        reach = round(SIDE * 2.2)
        near[max(y - reach, 0) : y + reach, max(x - reach, 0) : x + reach] = True
        assert differ[y - 8 : y + 8, x - 8 : x + 8].mean() > 0.9
    assert not differ[~near].any()
    assert found.mode == mode
    if mode == "RGBA":
        assert found.getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_no_visibility_and_no_faces_are_the_picture_itself(shelf: Shelf) -> None:
    image, empty = scene(), Image.new("RGB", (320, 320))
    found, works = performed(restore(Faces(restorer="CodeFormer", visibility=0), [image]), shelf.load)
    assert found[0] is image
    assert works == []
    assert performed(restore(Faces(restorer="CodeFormer"), [empty]), shelf.load)[0][0] is empty


def test_the_same_picture_gives_the_same_alone_and_among_others(shelf: Shelf, full: Image.Image) -> None:
    (one, other), _ = performed(restore(Faces(restorer="codeformer"), [scene(), scene("RGBA")]), shelf.load)
    assert not changed(full, one).any()
    assert not changed(full, other.convert("RGB")).any()


def test_the_faces_of_all_pictures_are_counted_where_that_is_asked_for(shelf: Shelf) -> None:
    images = [scene(), Image.new("RGB", (320, 320)), scene(places=FACES[1:])]
    for counted, seen, told in ((True, images, [(0, 3), (1, 3), (2, 3)]), (False, images[2:], [])):
        _, works = performed(restore(Faces(restorer="CodeFormer"), seen, counted=counted), shelf.load)
        progress = [work.progress for work in works if isinstance(work, Finish) and work.progress]
        assert [(one.step, one.steps) for one in progress] == told


def test_fidelity_and_visibility_do_something(shelf: Shelf, full: Image.Image) -> None:
    def made(**asked: Any) -> numpy.ndarray:
        return numpy.asarray(
            performed(restore(Faces(restorer="CodeFormer", **asked), [scene()]), shelf.load)[0][0], float
        )

    old, new = numpy.asarray(scene(), float), numpy.asarray(full, float)
    assert abs(made(visibility=0.5) - (old + new) / 2).max() <= 1
    assert abs(made(fidelity=0.0) - made(fidelity=1.0)).max() > 3


def test_restorers_are_found_by_the_names_that_people_call_them(shelf: Shelf) -> None:
    found = [
        shelf.load(Wanted("restorer", name)) for name in ("CodeFormer", "codeformer-v0.1.0", "codeformer-v0.1.0.pth")
    ]
    assert len({id(one) for one in found}) == 1
    assert (found[0].words, found[0].side) == ("CodeFormer", TINY.side)
    with pytest.raises(
        Unsupported, match=r"GFPGAN needs its file in the folder face_restorers.*GFPGANv1\.4\.pth --kind"
    ):
        shelf.check(Wanted("restorer", "GFPGAN"))
    with pytest.raises(UnknownName, match="face restorer 'Codefromer' is not known"):
        shelf.check(Wanted("restorer", "Codefromer"))


def test_restoreformer_is_read_through_spandrel(tmp_path: Path) -> None:
    theirs = restoreformer()
    found = load_restorer(write(tmp_path / "RestoreFormer.pth", theirs.state_dict(), "params"), CPU)
    assert (found.words, found.side) == ("RestoreFormer", 512)
    small = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(found.call(small, 0.5), theirs(small)[0])


def test_gfpgan_gives_the_same_each_time() -> None:
    options = {"out_size": 32, "num_style_feat": 16, "channel_multiplier": 1, "num_mlp": 1, "narrow": 0.125}
    network = spandrel_made("GFPGAN", **options, different_w=True)
    restorer = Restorer("GFPGAN", 32, network, by_gfpgan(network), CPU)
    face = Image.effect_noise((32, 32), 80).convert("RGB")
    first, again = restorer.restored(face, 0.5), restorer.restored(face, 0.0)
    assert first.size == (32, 32)
    assert not changed(first, again).any()


def test_headers_tell_restorers_from_upscalers(tmp_path: Path) -> None:
    files = {
        "codeformer.pth": (codeformer().state_dict(), "params_ema", "face_restorer"),
        "restoreformer.pth": (restoreformer().state_dict(), "params", "face_restorer"),
        "gfpgan.pth": ({"stylegan_decoder.style_mlp.1.weight": torch.zeros(2, 2)}, "params_ema", "face_restorer"),
        "compact.pth": (compact().state_dict(), "params", "upscaler"),
    }
    for name, (tensors, wrapped, kind) in files.items():
        assert identify(write(tmp_path / name, tensors, wrapped)).kind == kind, name


def test_an_upscaler_restores_no_faces(tmp_path: Path) -> None:
    esrgan = spandrel_made("ESRGAN", num_filters=8, num_blocks=1, scale=4)
    with pytest.raises(Mismatch, match="a ESRGAN, which restores no faces"):
        load_restorer(write(tmp_path / "x.pth", esrgan.state_dict()), CPU)
    partial = {name: one for name, one in codeformer().state_dict().items() if "ft_layers" not in name}
    with pytest.raises(Mismatch, match="make no CodeFormer"):
        load_restorer(write(tmp_path / "y.pth", partial), CPU)
