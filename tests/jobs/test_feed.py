"""News reach everybody who listens, in order; late ones hear the latest; nothing piles up."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from PIL import Image

from easel.core.client import Previewed, Progressed, Queued
from easel.core.errors import UnknownJob
from easel.core.request import Request
from easel.jobs.feed import Began, Ended, Feed, News
from easel.jobs.following import follow, wait_for
from easel.jobs.store import Store

CAT = Request(prompt="a cat", seed=7)


def step(number: int) -> Progressed:
    return Progressed(number, 8, number, 0.1 * number)


def preview(number: int) -> Previewed:
    return Previewed(Image.new("RGB", (8, 8), (number, 0, 0)))


def test_all_hear_all_and_each_job_is_apart() -> None:
    feed, rang = Feed(), threading.Event()
    with feed.listening("a", rang.set) as one, feed.listening("a", lambda: None) as two:
        feed.publish("b", Began(1))
        assert not rang.is_set()
        news = [Queued(2), Began(1), *(step(number) for number in range(9))]
        for new in news:
            feed.publish("a", new)
        assert rang.is_set()
        assert one.fresh() == two.fresh() == news
        assert one.fresh() == []
        assert feed.listened() == ["a"]
    assert feed.listened() == []


def test_a_late_listener_hears_where_things_stand() -> None:
    feed = Feed()
    looks = [preview(0), preview(1)]
    for news in (Queued(3), Began(1), step(1), looks[0], step(2), looks[1]):
        feed.publish("a", news)
    with feed.listening("a", lambda: None) as late:
        assert late.fresh() == [Began(1), step(2), looks[1]]
        feed.publish("a", step(3))
        assert late.fresh() == [step(3)]
    assert feed.latest("a") == (step(3), looks[1])
    assert feed.latest("b") == (None, None)


def test_of_previews_a_slow_listener_gets_the_last() -> None:
    feed = Feed()
    looks = [preview(number) for number in range(5)]
    with feed.listening("a", lambda: None) as slow:
        for number, look in enumerate(looks):
            feed.publish("a", step(number))
            feed.publish("a", look)
        assert slow.fresh() == [*(step(number) for number in range(5)), looks[4]]


def test_nothing_is_left_of_what_ended_or_was_forgotten(file_store: Store) -> None:
    feed, job = Feed(), file_store.submit(CAT)
    for end in (lambda id: feed.publish(id, Ended(job)), feed.forget):
        for number in range(50):
            feed.publish("a", step(number))
        with feed.listening("a", lambda: None):
            feed.publish("a", step(50))
        end("a")
    with feed.listening("never heard of", lambda: None):
        pass
    assert feed._topics == {}


def heard(store: Store, feed: Feed, id: str, *, listeners: int, tell: list[News]) -> list[list[News]]:
    """Return what so many listeners hear when `tell` is told from another thread once all of them listen."""

    told: list[list[News]] = [[] for _ in range(listeners)]

    async def listen(ear: list[News]) -> list[News]:
        async for news in follow(store, feed, id):
            ear.append(news)
        return ear

    async def all() -> list[list[News]]:
        tasks = [asyncio.create_task(listen(ear)) for ear in told]
        while not min(map(len, told)):
            await asyncio.sleep(0.01)
        threading.Thread(target=lambda: [feed.publish(id, news) for news in tell]).start()
        return await asyncio.wait_for(asyncio.gather(*tasks), 20)

    return asyncio.run(all())


def test_a_job_is_followed_by_many_from_the_queue_to_its_end(file_store: Store) -> None:
    feed = Feed()
    file_store.submit(CAT, id="first")
    job = file_store.submit(CAT, id="a")
    tell = [Queued(0), Began(1), *(step(number) for number in range(9)), Ended(job)]
    for news in heard(file_store, feed, "a", listeners=50, tell=tell):
        assert news == [Queued(1), *tell]
    assert feed.listened() == []


def test_who_follows_a_job_that_has_ended_hears_its_end(file_store: Store) -> None:
    file_store.submit(CAT, id="a")
    ended = file_store.cancel("a")
    assert heard(file_store, Feed(), "a", listeners=1, tell=[]) == [[Ended(ended)]]
    assert wait_for(file_store, Feed(), "a") == ended


def test_nobody_follows_another_users_job(file_store: Store) -> None:
    file_store.submit(CAT, id="a", user="anna")

    async def listen() -> None:
        async for _ in follow(file_store, Feed(), "a", user="bert"):
            pass

    with pytest.raises(UnknownJob):
        asyncio.run(listen())


def test_waiting_ends_with_the_job_or_with_patience(file_store: Store) -> None:
    feed, job = Feed(), file_store.submit(CAT, id="a")
    assert wait_for(file_store, feed, "a", timeout=0.01).state == "queued"
    ended = replace(job, state="failed")
    threading.Timer(0.1, lambda: feed.publish("a", Ended(ended))).start()
    assert wait_for(file_store, feed, "a", timeout=20) == ended
