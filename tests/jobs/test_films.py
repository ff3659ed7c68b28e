"""A clip's job has a film beside its frames; it is made of them, made again where it is gone, and goes with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from easel.core.errors import StorageError
from easel.core.motion import Motion
from easel.core.request import Request
from easel.jobs.album import discard, keep
from easel.jobs.films import film_at
from easel.jobs.following import wait_for
from easel.jobs.store import Store
from tests.jobs.playing import Player, drawn
from tests.jobs.test_worker import working

STEM, CLIP = "2026-11-21/abc", Motion(model="mm", format="gif", fps=10)


def test_a_film_is_made_once_and_again_where_it_is_gone(tmp_path: Path) -> None:
    kept = keep(tmp_path, STEM, drawn(Request(seed=3, batch_size=4, motion=CLIP)).pictures)
    film = film_at(tmp_path, STEM, CLIP, kept)
    assert film == tmp_path / f"{STEM}-film.gif"
    with Image.open(film) as image:
        assert (getattr(image, "n_frames", 1), image.info["duration"], image.info["comment"]) == (4, 100, b"Seed: 3")
    before = film.stat().st_mtime_ns, film.read_bytes()
    assert film_at(tmp_path, STEM, CLIP, kept) == film
    assert film.stat().st_mtime_ns == before[0]
    film.unlink()
    assert film_at(tmp_path, STEM, CLIP, kept).read_bytes() == before[1]
    discard(tmp_path, STEM)
    assert not film.parent.exists()


def test_a_frame_that_is_gone_is_told(tmp_path: Path) -> None:
    kept = keep(tmp_path, STEM, drawn(Request(seed=3, batch_size=2, motion=CLIP)).pictures)
    (tmp_path / kept[1].file).unlink()
    with pytest.raises(StorageError, match="no longer there"):
        film_at(tmp_path, STEM, CLIP, kept)
    assert not (tmp_path / f"{STEM}-film.gif").exists()


def test_the_worker_leaves_a_film_with_a_clip(file_store: Store, tmp_path: Path) -> None:
    job = file_store.submit(Request(prompt="a cat", seed=9, batch_size=3, motion=CLIP))
    with working(file_store, Player(), tmp_path) as worker:
        ended = wait_for(file_store, worker.feed, job.id, 20)
    assert (ended.state, len(ended.pictures)) == ("done", 3)
    assert (tmp_path / f"{ended.stem}-film.gif").is_file()
