"""The contract of a queue, on every kind of database: what its askers may rely on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from easel.core.client import Progressed
from easel.core.errors import BadValue, QueueFull, UnknownJob, UnknownName
from easel.core.pictures import Mask, Start
from easel.core.request import Request
from easel.jobs.bounds import Bounds
from easel.jobs.job import ErrorFacts, Kept
from easel.jobs.store import Store

CAT = Request(prompt="a cat", seed=7)
PICTURE = Kept("2026-11-21/x-0.png", 7, "a cat\nSeed: 7", 64, 32, 100)


def done(store: Store, request: Request = CAT, *, bytes: int = 0, **asked: object) -> str:
    """Submit a job and end it with one picture of so many bytes; return its id."""
    job = store.submit(request, **asked)
    while (claimed := store.claim("w")) is not None and claimed.id != job.id:
        store.give_back("w", [claimed.id])
    assert store.finish(job.id, "w", [Kept(f"{job.stem}-0.png", 7, "", 8, 8, bytes)])
    return job.id


def test_what_is_submitted_is_there_for_others_when_the_answer_comes(
    url: str, store: Store, opened: Callable[..., Store]
) -> None:
    request = Request(
        prompt='a "cat" \0 \N{CAT FACE} \\ %',
        sampler_options={"eta": 0.5},
        start=Start(image=b"\x89PNG\x00\xff"),
        mask=Mask(image=bytes(range(256))),
        batch_size=3,
    )
    job = store.submit(request, user="anna", priority=2)
    assert job.request.seed is not None
    assert job.request == request.changed(seed=job.request.seed)
    assert opened(url).get(job.id) == job
    assert (job.state, job.user, job.priority, job.place, job.attempts) == ("queued", "anna", 2, 0, 0)


def test_an_id_of_ones_own_is_taken_once(store: Store) -> None:
    assert store.submit(CAT, id="task(abc)").id == "task(abc)"
    with pytest.raises(BadValue, match="no other job"):
        store.submit(CAT, user="bert", id="task(abc)")
    with pytest.raises(BadValue, match="letters, digits"):
        store.submit(CAT, id="../../etc/passwd")
    assert len(store.list()) == 1


def test_the_names_of_files_are_nobodys_to_choose(store: Store) -> None:
    stems = {store.submit(CAT, id=id).stem for id in ("con", "CON", "..", "a:b")}
    assert len(stems) == 4
    assert all(len(stem) == len("2026-11-21/") + 32 for stem in stems)


@pytest.mark.parametrize(
    "wrong", [{"priority": 101}, {"user": "a\0b"}, {"user": "x" * 201}, {"id": ""}], ids=lambda one: str(one)[:30]
)
def test_what_cannot_be_kept_is_refused(store: Store, wrong: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        store.submit(CAT, **wrong)
    assert store.list() == []


def test_users_take_turns_and_a_newcomer_need_not_wait_for_a_crowd(store: Store) -> None:
    for number in range(4):
        store.submit(CAT, user="anna", id=f"a{number}")
    store.submit(CAT, user="bert", id="b0")
    assert [store.claim("w").id for _ in range(2)] == ["a0", "b0"]
    store.submit(CAT, user="carl", id="c0")
    store.submit(CAT, user="bert", id="b1")
    assert [store.claim("w").id for _ in range(5)] == ["c0", "a1", "b1", "a2", "a3"]
    assert store.claim("w") is None


def test_who_has_enough_at_work_is_passed_over(url: str, opened: Callable[..., Store]) -> None:
    store = opened(url, bounds=Bounds(running_each=2))
    for number in range(4):
        store.submit(CAT, user="anna", id=f"a{number}", priority=5)
    store.submit(CAT, user="bert", id="b0")
    assert [store.claim("v").id, store.claim("w").id] == ["a0", "a1"]
    assert store.claim("w").id == "b0" and store.claim("w") is None
    store.cancel("a0")
    assert store.claim("w").id == "a2" and store.claim("w") is None
    assert store.finish("a1", "w", ()) and store.claim("w").id == "a3"


def test_a_larger_priority_goes_first(store: Store) -> None:
    for priority in (0, -5, 7):
        store.submit(CAT, priority=priority, id=f"p{priority}")
    assert [store.claim("w").id for _ in range(3)] == ["p7", "p0", "p-5"]


asked = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), min_size=1, max_size=12)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=asked, after=asked, moves=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5)), max_size=4))
def test_places_tell_the_order_in_which_jobs_are_taken(
    store: Store, before: list[tuple[str, int]], after: list[tuple[str, int]], moves: list[tuple[int, int]]
) -> None:
    for user, priority in before:
        store.submit(CAT, user=user, priority=priority)
    for _ in range(len(before) // 2):
        store.claim("w")
    jobs = [store.submit(CAT, user=user, priority=priority) for user, priority in after]
    for which, place in moves:
        store.move(jobs[which % len(jobs)].id, place)
    waiting = store.list(states=["queued"], limit=100)
    told = {job.place: job.id for job in waiting}
    assert sorted(told) == list(range(len(waiting)))
    assert [store.ahead(id) for id in told.values()] == list(told)
    assert [store.claim("w").id for _ in waiting] == [told[place] for place in sorted(told)]
    assert store.claim("w") is None


def test_a_job_moves_among_its_users_own(store: Store) -> None:
    for number in range(4):
        store.submit(CAT, user="anna", id=f"a{number}")
        store.submit(CAT, user="bert", id=f"b{number}")
    assert store.move("a3", 0, user="anna").place == 0
    store.move("a0", 99)
    assert [store.claim("w").id for _ in range(8)] == ["a3", "b0", "a1", "b1", "a2", "b2", "a0", "b3"]
    with pytest.raises(BadValue, match="running"):
        store.move("a3", 0)
    with pytest.raises(UnknownJob):
        store.move("b0", 0, user="anna")


def test_a_job_is_finished_once_and_by_who_holds_it(store: Store) -> None:
    job = store.submit(CAT)
    assert not store.finish(job.id, "w", [PICTURE])
    assert store.claim("w").state == "running"
    assert not store.finish(job.id, "other", [PICTURE])
    assert store.finish(job.id, "w", [PICTURE])
    assert not store.finish(job.id, "w", [PICTURE])
    assert not store.fail(job.id, "w", ErrorFacts("OutOfMemory", "too late."))
    ended = store.get(job.id)
    assert (ended.state, ended.pictures, ended.place, ended.has_ended) == ("done", (PICTURE,), None, True)


def test_a_failure_is_kept_and_may_be_retried(store: Store) -> None:
    job = store.submit(CAT, id="x")
    store.claim("w")
    assert store.fail("x", "w", ErrorFacts("OutOfMemory", "out of memory."))
    assert store.get("x").error == ErrorFacts("OutOfMemory", "out of memory.")
    again = store.retry("x")
    assert (again.state, again.error, again.attempts, again.ended, again.place) == ("queued", None, 0, None, 0)
    assert again.request == job.request
    with pytest.raises(BadValue, match="'queued', allowed is failed or cancelled"):
        store.retry("x")


def test_everybody_stops_their_own(store: Store) -> None:
    for id in ("waits", "runs", "ends"):
        store.submit(CAT, user="anna", id=id)
    store.move("ends", 0)
    store.move("runs", 1)
    store.claim("w")
    store.finish("ends", "w", [])
    store.claim("w")
    for id in ("waits", "runs", "ends", "nothing"):
        with pytest.raises(UnknownJob):
            store.cancel(id, user="bert")
    assert [store.cancel(id, user="anna").state for id in ("waits", "runs", "ends")] == [
        "cancelled",
        "cancelled",
        "done",
    ]
    assert store.holds("w") == frozenset()
    assert not store.finish("runs", "w", [PICTURE])
    assert store.get("runs").pictures == ()
    assert store.claim("w") is None
    assert store.retry("runs").state == "queued"


def test_others_jobs_are_not_seen(store: Store) -> None:
    store.submit(CAT, user="anna", id="hers")
    for look in (store.get, store.ahead, store.cancel, store.retry):
        with pytest.raises(UnknownJob, match="hers"):
            look("hers", user="bert")
    assert store.list(user="bert") == []
    assert [job.id for job in store.list(user="anna")] == ["hers"]


def test_history_is_searched_and_read_page_by_page(store: Store) -> None:
    for number in range(5):
        store.submit(Request(prompt=f"A Fox_{number} under 100% snow", negative_prompt="blurry"), id=f"fox{number}")
    store.submit(Request(prompt="a cat", model="dream"), id="cat")
    assert [job.id for job in store.list(limit=2)] == ["cat", "fox4"]
    assert [job.id for job in store.list(before="fox4", limit=2)] == ["fox3", "fox2"]
    assert [job.id for job in store.list(search="fox_3 SNOW")] == ["fox3"]
    assert len(store.list(search="100% blurry")) == 5
    assert store.list(search="f%x") == []
    assert [job.id for job in store.list(search="dream")] == ["cat"]
    store.claim("w")
    assert [job.id for job in store.list(states=["running", "done"])] == ["fox0"]
    assert store.counts() == {"queued": 5, "running": 1, "done": 0, "failed": 0, "cancelled": 0}
    for wrong, error in (({"limit": 0}, BadValue), ({"states": ["ended"]}, UnknownName), ({"before": "x"}, UnknownJob)):
        with pytest.raises(error):
            store.list(**wrong)


def test_nobody_fills_the_queue_alone(url: str, opened: Callable[..., Store]) -> None:
    store = opened(url, bounds=Bounds(waiting=3, waiting_each=2))
    store.submit(CAT, user="anna", id="a")
    store.submit(CAT, user="anna")
    with pytest.raises(QueueFull, match="2 jobs of yours"):
        store.submit(CAT, user="anna")
    store.submit(CAT, user="bert")
    with pytest.raises(QueueFull, match="3 jobs of everybody"):
        store.submit(CAT, user="carl")
    store.cancel("a")
    store.submit(CAT, user="anna")
    with pytest.raises(QueueFull):
        store.retry("a")


def test_who_lives_keeps_their_jobs_and_who_is_silent_loses_them(store: Store) -> None:
    for id in ("a", "b", "c"):
        store.submit(CAT, id=id)
    store.claim("dead")
    store.claim("dead")
    store.claim("live")
    count = store.beats()["dead"]
    step = Progressed(2, 8, 2, 0.5)
    assert store.heartbeat("dead", {"a": step}) == {"a", "b"}
    assert store.get("a").progress == step
    assert store.release("dead", count) == []  # it has beaten since we looked
    assert sorted(store.release("dead", store.beats()["dead"])) == ["a", "b"]
    assert (store.get("a").state, store.get("a").progress, store.get("c").state) == ("queued", None, "running")
    assert store.heartbeat("dead", {"a": step}) == frozenset()
    assert store.get("a").progress is None
    assert not store.finish("a", "dead", [PICTURE])
    assert [store.claim("live").id, store.claim("live").id] == ["a", "b"]
    assert store.get("a").attempts == 2


def test_a_worker_that_was_idle_is_not_silent_when_it_takes_a_job(store: Store) -> None:
    store.heartbeat("w", {})
    count = store.beats()["w"]
    store.submit(CAT, id="a")
    store.claim("w")
    assert store.release("w", count) == []
    assert store.holds("w") == {"a"}


def test_a_job_that_ends_its_server_each_time_fails_at_last(url: str, opened: Callable[..., Store]) -> None:
    store = opened(url, most_attempts=2)
    store.submit(CAT, id="a")
    for attempt in (1, 2):
        assert store.claim("w").attempts == attempt
        store.release("w", store.beats()["w"])
    assert store.get("a").state == "failed"
    assert "ended 2 times" in store.get("a").error.message
    assert store.claim("w") is None


def test_what_is_given_back_was_not_begun(store: Store) -> None:
    store.submit(CAT, id="a")
    store.submit(CAT, id="b")
    store.claim("w")
    store.give_back("w", ["a"])
    assert (store.get("a").state, store.get("a").attempts, store.get("a").place) == ("queued", 0, 0)
    store.leave("w")
    assert store.beats() == {}


def test_a_clock_that_jumps_moves_no_job_and_no_time_runs_backwards(url: str, opened: Callable[..., Store]) -> None:
    now = [1e9]
    store = opened(url, clock=lambda: now[0])
    for number in range(3):
        store.submit(CAT, id=f"j{number}")
        now[0] -= 86400 * 365 * (-1) ** number
    assert store.claim("w").id == "j0"
    now[0] = 0.0
    store.finish("j0", "w", [])
    first = store.get("j0")
    assert first.created <= first.started <= first.ended
    now[0] = 4e9
    assert [store.claim("w").id, store.claim("w").id] == ["j1", "j2"]
    assert store.holds("w") == {"j1", "j2"}
    assert [job.id for job in store.list()] == ["j2", "j1", "j0"]


def test_old_jobs_and_large_ones_are_named_for_pruning(url: str, opened: Callable[..., Store]) -> None:
    now = [1000.0]
    store = opened(url, clock=lambda: now[0])
    ids = []
    for size in (100, 200, 300):
        ids.append(done(store, bytes=size))
        now[0] += 10
    waits = store.submit(CAT).id
    assert [job.id for job in store.prunable()] == []
    assert [job.id for job in store.prunable(ended_before=1015)] == [ids[1], ids[0]]
    assert [job.id for job in store.prunable(most_bytes=500)] == [ids[0]]
    assert [job.id for job in store.prunable(most_bytes=299)] == [ids[2], ids[1], ids[0]]
    assert [job.bytes for job in store.prunable(most_bytes=500)] == [100]
    stems = [store.get(id).stem for id in ids]
    store.favourite(ids[0], 0)
    assert [job.id for job in store.prunable(ended_before=1015)] == [ids[1]]
    assert [job.id for job in store.prunable(most_bytes=299)] == [ids[2], ids[1]]
    assert store.forget([*ids[:2], waits]) == 1 and store.leavings() == [stems[1]]
    store.favourite(ids[0], 0, False)
    assert store.forget([*ids[:2], waits]) == 1 and store.leavings() == sorted(stems[:2])
    store.swept(stems[:1])
    assert store.leavings() == [stems[1]]
    assert [job.id for job in store.list()] == [waits, ids[2]]
    with pytest.raises(UnknownJob):
        store.get(ids[0])


def test_standings_tell_without_what_was_asked(store: Store) -> None:
    ids = [store.submit(CAT).id for _ in range(3)]
    store.claim("w")
    stand = store.standings([*ids, "nothing"])
    assert [(stand[id].state, stand[id].place, stand[id].attempts) for id in ids] == [
        ("running", None, 1),
        ("queued", 0, 0),
        ("queued", 1, 0),
    ]
    assert len(stand) == 3


def test_many_hands_take_each_job_once(url: str, opened: Callable[..., Store]) -> None:
    taken: list[tuple[str, str]] = []

    def take(name: str) -> None:
        store = opened(url)
        for number in range(10):
            store.submit(CAT, user=name, id=f"{name}-{number}")
        while (job := store.claim(name)) is not None:
            if store.finish(job.id, name, [Kept(f"{job.stem}.png", 1, "", 8, 8)]):
                taken.append((job.id, name))

    threads = [threading.Thread(target=take, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = opened(url)
    assert sorted(id for id, _ in taken) == sorted(f"w{n}-{m}" for n in range(4) for m in range(10))
    jobs = store.list(limit=100)
    assert {job.id: job.worker for job in jobs} == dict(taken)
    assert all(job.state == "done" and len(job.pictures) == 1 and job.attempts == 1 for job in jobs)
