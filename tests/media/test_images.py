"""Saving pictures: numbers, many processes, full and unwritable places; contact sheets."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from PIL import Image

from easel.core.errors import BadValue, StorageError, UnknownName
from easel.core.result import Picture
from easel.media import images
from easel.media.images import day_folder, grid, save_picture
from easel.media.metadata import read_picture_file

PICTURE = Picture(Image.effect_noise((64, 64), 90).convert("RGB"), 7, "a fox\nSteps: 1, Seed: 7, Size: 64x64")

SAVE_MANY = """
import sys
from pathlib import Path
from PIL import Image
from easel.core.result import Picture
from easel.media.images import save_picture
for seed in range(50):
    save_picture(Picture(Image.new("RGB", (8, 8)), seed, ""), Path(sys.argv[1]))
"""

SAVE_ONE = """
import random, sys
from pathlib import Path
from PIL import Image
from easel.core.errors import StorageError
from easel.core.result import Picture
from easel.media.images import save_picture
image = Image.frombytes("RGB", (256, 256), random.Random(0).randbytes(256 * 256 * 3))
folder = Path(sys.argv[1])
try:
    save_picture(Picture(image, 7, "a fox"), folder)
except StorageError as error:
    print(error)
    print(sorted(path.name for path in folder.iterdir()))
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_picture_is_saved_by_number_and_seed_with_its_infotext(tmp_path: Path) -> None:
    folder = day_folder(tmp_path, day=date(2026, 11, 21))
    assert folder == tmp_path / "txt2img-images" / "2026-11-21"
    first, second = save_picture(PICTURE, folder), save_picture(PICTURE, folder, format="jpeg")
    assert [first, second] == [folder / "00000-7.png", folder / "00001-7.jpg"]
    assert names(folder) == ["00000-7.png", "00001-7.jpg"]
    assert read_picture_file(first).infotext == read_picture_file(second).infotext == PICTURE.infotext


def test_the_folder_of_today() -> None:
    assert day_folder(Path("o"), "img2img-images").parts == ("o", "img2img-images", date.today().isoformat())


def test_numbers_go_on_from_the_highest_and_other_files_do_not_count(tmp_path: Path) -> None:
    for name in ("00041-9.png", "00007-1.webp", "20250101-holiday.png", "notes.txt", "2025-99999.png"):
        (tmp_path / name).touch()
    assert save_picture(PICTURE, tmp_path).name == "00042-7.png"


@pytest.mark.parametrize("first", ["99999-1.png", "999999-1.png"])
def test_numbers_may_grow_longer(tmp_path: Path, first: str) -> None:
    (tmp_path / first).touch()
    saved = {save_picture(PICTURE, tmp_path).name for _ in range(3)}
    assert len(saved) == 3
    assert min(int(name.split("-")[0]) for name in saved) == int(first.split("-")[0]) + 1


def test_a_number_another_process_is_writing_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".00000.part").touch()
    assert save_picture(PICTURE, tmp_path).name == "00001-7.png"
    assert names(tmp_path) == [".00000.part", "00001-7.png"]


def test_two_processes_save_into_one_folder_without_a_clash(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", SAVE_MANY, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    found = names(tmp_path)
    assert [int(name.split("-")[0]) for name in found] == list(range(100))
    assert sorted(int(name[6:-4]) for name in found) == sorted([*range(50)] * 2)
    assert all(read_picture_file(tmp_path / name).width == 8 for name in found)


def test_without_hard_links_a_file_still_appears_whole_and_replaces_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: object, target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert save_picture(PICTURE, tmp_path).name == "00000-7.png"
    temporary = tmp_path / ".00000.part"
    temporary.write_bytes(b"new")
    assert not images.put_in_place(temporary, tmp_path / "00000-7.png")
    temporary.unlink()
    assert read_picture_file(tmp_path / "00000-7.png").width == 64
    assert names(tmp_path) == ["00000-7.png"]


def refused_in_one_line(text: str) -> None:
    message, left = text.splitlines()
    assert message.startswith("cannot save a picture in ")
    assert message.endswith("free some space or choose another folder.")
    assert left == "[]"


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """A tmpfs of 64 KiB in a mount namespace of its own, which vanishes with the process."""
    script = 'mount -t tmpfs -o size=64k easel "$1" && exec "$2" -c "$3" "$1"'
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    try:
        can = subprocess.run([*unshare, "mount", "-t", "tmpfs", "x", str(tmp_path)], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare on this machine, so no disk to fill")
    if can.returncode != 0:
        pytest.skip("this user may not mount a tmpfs, so no disk to fill")
    command = [*unshare, "sh", "-c", script, "sh", str(tmp_path), sys.executable, SAVE_ONE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "No space left on device" in done.stdout
    refused_in_one_line(done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_file_that_may_not_grow_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on file sizes stands for a full disk or quota where nothing may be mounted."""
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n{SAVE_ONE}"
    command = [sys.executable, "-B", "-c", limited, str(tmp_path)]
    refused_in_one_line(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("below", ["", "day/month"])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "outputs").write_text("in the way")
    with pytest.raises(StorageError, match=r"cannot save a picture in .*outputs"):
        save_picture(PICTURE, tmp_path / "outputs" / below)
    assert (tmp_path / "outputs").read_text() == "in the way"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        save_picture(PICTURE, tmp_path)


def test_a_folder_name_no_system_takes_is_refused(tmp_path: Path) -> None:
    for name in ("n\0l", "x" * 5000):
        with pytest.raises(StorageError) as caught:
            save_picture(PICTURE, tmp_path / name)
        assert "\0" not in caught.value.message


def test_an_unknown_format_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        save_picture(PICTURE, tmp_path / "new", format="bmp")
    assert names(tmp_path) == []


@pytest.mark.parametrize(("count", "columns", "size"), [(1, None, (1, 1)), (4, None, (2, 2)), (5, None, (3, 2))])
def test_a_grid_is_nearly_square(count: int, columns: int | None, size: tuple[int, int]) -> None:
    assert grid([Image.new("RGB", (10, 20))] * count, columns).size == (size[0] * 10, size[1] * 20)


def test_a_grid_stands_row_by_row_with_smaller_images_centred() -> None:
    red, green = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (2, 2), "lime")
    sheet = grid([red, green, red], columns=2)
    assert sheet.size == (8, 8)
    found = [sheet.getpixel(place) for place in ((0, 0), (4, 0), (5, 1), (6, 2), (3, 7), (7, 7))]
    assert found == [(255, 0, 0), (0, 0, 0), (0, 255, 0), (0, 255, 0), (255, 0, 0), (0, 0, 0)]
    assert grid([red], columns=5).size == (4, 4)


def test_a_grid_of_nothing_is_refused() -> None:
    with pytest.raises(BadValue, match="images of a grid"):
        grid([])
    with pytest.raises(BadValue, match="columns"):
        grid([PICTURE.image], 0)
