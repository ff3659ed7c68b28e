"""Every preprocessor by one way: names, A1111's names, what is listed, and what is told where files are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from easel.core.errors import BadValue, UnknownName, Unsupported
from easel.media.hints import hint_of as by_arithmetic
from easel.models.readers import all_preprocessors, hint_of, learned, preprocessor_named
from easel.models.readers.absent import ABSENT
from easel.models.readers.files import found_for, missing
from easel.models.readers.needs import ANYTHING_2, HED, Need
from tests.models.readers.making import readers_of, scene

NAMES = """
    none canny invert blur_gaussian scribble_xdog scribble_hed scribble_pidinet shuffle softedge_hed
    softedge_hedsafe softedge_pidinet softedge_pidisafe softedge_teed softedge_anyline lineart_realistic
    lineart_coarse lineart_anime lineart_anime_denoise lineart_standard mlsd depth_midas depth_zoe depth_leres
    depth_leres++ depth_anything depth_anything_v2 depth_hand_refiner normal_bae normal_midas normal_dsine
    openpose openpose_face openpose_faceonly openpose_hand openpose_full dw_openpose_full animal_openpose
    densepose densepose_parula mediapipe_face seg_ofade20k seg_ofcoco seg_ufade20k seg_anime_face mobile_sam
    tile_resample tile_colorfix tile_colorfix+sharp inpaint_global_harmonious inpaint_only inpaint_only+lama
    reference_only reference_adain reference_adain+attn recolor_luminance recolor_intensity revision_clipvision
    revision_ignore_prompt t2ia_color_grid t2ia_sketch_pidi t2ia_style_clipvision threshold ip-adapter-auto
    ip-adapter_clip_h ip-adapter_clip_g ip-adapter_clip_sdxl_plus_vith ip-adapter_face_id
    ip-adapter_face_id_plus ip-adapter_pulid instant_id_face_embedding instant_id_face_keypoints
"""
A1111 = NAMES.split()


@pytest.mark.parametrize("name", A1111)
def test_a1111_s_names_lead_to_a_preprocessor_or_say_why_not(name: str) -> None:
    if name in ABSENT:
        with pytest.raises(Unsupported, match=r"preprocessor '.*' \w+") as caught:
            preprocessor_named(name.upper())
        assert name.upper() in caught.value.message and "\n" not in caught.value.message
        return
    assert name in (entry := preprocessor_named(name)).aliases or entry.name == name


def test_no_name_is_said_twice_and_none_is_both_there_and_absent() -> None:
    names = [name for entry in all_preprocessors() for name in {entry.name, *entry.aliases}]
    assert len(names) == len(set(names))
    assert not set(names) & set(ABSENT) and set(ABSENT) >= set(A1111) - set(names)


@pytest.mark.parametrize("entry", all_preprocessors(), ids=lambda entry: entry.name)
def test_every_entry_tells_the_same_facts(entry: object) -> None:
    facts = entry.facts  # type: ignore[attr-defined]
    assert {"label", "control", "limits", "reads_alpha", "needs"} <= facts.keys()
    assert facts["limits"].keys() == entry.options.keys()  # type: ignore[attr-defined]
    assert bool(facts["needs"]) == (entry.name in learned)  # type: ignore[attr-defined]
    for need in facts["needs"]:
        assert need.get.startswith(f"easel models download hf:{need.repository}")


@pytest.mark.parametrize("name", learned.names)
def test_a_missing_file_is_told_with_its_command(tmp_path: Path, name: str) -> None:
    first = learned[name].facts["needs"][0]
    with pytest.raises(Unsupported) as caught:
        hint_of(scene(), name, readers=readers_of(tmp_path))
    told = caught.value.message
    assert first.name in told and first.get in told and "folder preprocessors" in told and "\n" not in told


def test_arithmetic_ones_are_as_they_were() -> None:
    assert hint_of(scene(), "canny", options={"low": 50}, resolution=32).tobytes() == (
        by_arithmetic(scene(), "canny", options={"low": 50}, resolution=32).tobytes()
    )


def test_unknown_names_and_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="nearest 'openpose'"):
        hint_of(scene(), "open pose")
    with pytest.raises(UnknownName, match="option of mlsd 'skore'"):
        hint_of(scene(), "mlsd", options={"skore": 1.0}, readers=readers_of(tmp_path))
    with pytest.raises(BadValue, match="option score of mlsd is 3"):
        hint_of(scene(), "mlsd", options={"score": 3}, readers=readers_of(tmp_path))


def test_a_mask_is_what_inpainting_sees_as_a_hole_and_nothing_to_others() -> None:
    mask = Image.new("L", (48, 32))
    mask.paste(255, (0, 0, 24, 32))
    hint = hint_of(scene(), "inpaint", mask=mask)
    assert hint.mode == "RGBA" and hint.getpixel((5, 30)) == (0, 0, 0, 0) and hint.getpixel((90, 30))[3] == 255
    assert hint_of(scene(), "canny", mask=mask).tobytes() == by_arithmetic(scene(), "canny").tobytes()


def test_files_are_found_by_their_names_in_any_folder_of_the_kind(tmp_path: Path) -> None:
    readers = readers_of(tmp_path)
    assert missing((HED, ANYTHING_2), readers.library) == [HED, ANYTHING_2]
    base = "annotators/Depth_Anything_V2_Base-hf"
    for file in ("ControlNetPreprocessor/hed/controlnethed.PTH", f"{base}/model.safetensors"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_bytes(b"")
    (tmp_path / base / "config.json").write_text("{}")
    readers.library.refresh()  # type: ignore[union-attr]
    assert found_for(HED, readers.library) == tmp_path / "ControlNetPreprocessor/hed/controlnethed.PTH"
    assert found_for(ANYTHING_2, readers.library) == tmp_path / base


def test_the_hub_s_cache_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    need = Need("a.pth", "owner/name")
    assert found_for(need, None) is None
    snapshot = tmp_path / "models--owner--name/snapshots/0123"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--owner--name/refs").mkdir()
    (tmp_path / "models--owner--name/refs/main").write_text("0123")
    (snapshot / "a.pth").write_bytes(b"")
    assert found_for(need, None) == snapshot / "a.pth"


def test_networks_are_kept_by_their_owner_until_the_file_changes(tmp_path: Path) -> None:
    readers = readers_of(tmp_path)
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    made: list[bytes] = []

    def read(path: Path, home: str) -> bytes:
        made.append(path.read_bytes())
        return made[-1]

    assert readers.at(file, read) == readers.at(file, read) == b"one" and len(made) == 1
    file.write_bytes(b"three")
    assert readers.at(file, read) == b"three"
    readers.close()
    assert readers.at(file, read) == b"three" and len(made) == 3


def test_listing_loads_no_library_of_networks() -> None:
    program = """
import sys
from easel.models.readers import all_preprocessors, preprocessor_named
from easel.models.cutout import all_backgrounds
assert len(all_preprocessors()) > 30 and preprocessor_named("dw_openpose_full") and all_backgrounds(None) == ["flat"]
sys.exit(any(name in sys.modules for name in ("torch", "onnxruntime", "transformers")))
"""
    found = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
