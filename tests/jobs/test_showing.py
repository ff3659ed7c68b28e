"""Pictures as a gallery shows them: all of them once, page after page, and only what one may see."""

from __future__ import annotations

import pytest

from easel.core.errors import BadValue, UnknownJob
from easel.core.request import Request
from easel.jobs.job import Kept
from easel.jobs.showing import Look
from easel.jobs.store import Store


def done(store: Store, prompt: str, user: str = "anna", pictures: int = 1) -> str:
    """End a job with some pictures and return its id."""
    job = store.submit(Request(prompt=prompt, seed=7, batch_size=pictures), user)
    while (claimed := store.claim("w")) is not None and claimed.id != job.id:
        store.give_back("w", [claimed.id])
    assert store.finish(
        job.id, "w", [Kept(f"{job.stem}-{at}.png", 7 + at, prompt, 16, 8, 10) for at in range(pictures)]
    )
    return job.id


def which(looks: list[Look]) -> list[tuple[str, int]]:
    return [(look.job, look.number) for look in looks]


def test_pages_hold_every_picture_once_the_latest_job_first(store: Store) -> None:
    counts = (1, 3, 2, 1, 4)
    ids = [done(store, f"fox {number}", pictures=count) for number, count in enumerate(counts)]
    store.submit(Request(prompt="fox that waits"), "anna")
    everything = [(id, at) for id, count in zip(ids[::-1], counts[::-1], strict=True) for at in range(count)]
    for limit in (1, 2, 5, 60):
        found, before = [], None
        while True:
            page = store.pictures("anna", before=before, limit=limit)
            found += page.pictures
            before = page.next
            if before is None:
                break
        assert which(found) == everything


def test_a_look_tells_all_that_a_gallery_needs(store: Store) -> None:
    id = done(store, "a red fox", pictures=2)
    look = store.pictures().pictures[1]
    job = store.get(id)
    assert look == Look(id, 1, "anna", job.created, job.stem[:10], job.pictures[1])
    assert store.picture(id, 1, "anna") == look


def test_pictures_are_found_by_words_owner_day_and_liking(store: Store) -> None:
    fox, owl = done(store, "a red fox", pictures=3), done(store, "a blue owl", "bert")
    store.favourite(fox, 1)
    assert which(store.pictures(search="fox A").pictures) == [(fox, 0), (fox, 1), (fox, 2)]
    assert which(store.pictures("bert").pictures) == [(owl, 0)]
    assert which(store.pictures(liked=True).pictures) == [(fox, 1)]
    assert store.pictures("bert", liked=True).pictures == []
    day = store.get(fox).stem[:10]
    assert len(store.pictures(day=day).pictures) == 4
    assert store.pictures(day="2001-01-01").pictures == []


def test_what_is_not_there_or_anothers_looks_alike(store: Store) -> None:
    id = done(store, "a fox", pictures=2)
    for asked in ((id, 0, "bert"), (id, 2, "anna"), (id, -1, None), ("none", 0, None)):
        with pytest.raises(UnknownJob):
            store.picture(*asked)
    with pytest.raises(UnknownJob):
        store.pictures("bert", before=id)
    for limit in (0, 501):
        with pytest.raises(BadValue, match="limit"):
            store.pictures(limit=limit)
