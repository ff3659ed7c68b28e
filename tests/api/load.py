"""Programs that ask a server for pictures, each in turn through every dialect, and count what they are told.

They know a server by its address alone; no two of their wishes are alike, and those of all users are the same.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "Heun", "DDIM", "LMS")
SIDES = (64, 96, 128)
LONGEST = 600.0  # seconds that an answer may take
WIDEST = 2**26  # bytes of one line of a stream
RANK = {"queued": 0, "began": 1, "progress": 2, "preview": 2, "ended": 3}


@dataclass(frozen=True, slots=True)
class Person:
    """One user: a name, and the Authorization header of their programs, "" where nobody asks for one."""

    name: str
    header: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """As a client sends it."""
        return {"Authorization": self.header} if self.header else {}


@dataclass(frozen=True, slots=True)
class Wish:
    """A picture that is wanted. id: of its job where the dialect lets one be chosen."""

    id: str
    prompt: str
    steps: int
    sampler: str
    side: int
    seed: int


@dataclass(slots=True)
class Counted:
    """What many clients were told. pictures, steps: by user; seconds: of each answer, by dialect.

    missing: what a stream of events lacked, in words. wrong: the first answers of 400 and above.
    """

    statuses: Counter[int] = field(default_factory=Counter[int])
    pictures: Counter[str] = field(default_factory=Counter[str])
    steps: Counter[str] = field(default_factory=Counter[str])
    seconds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    missing: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    streams: int = 0

    def answered(self, answer: httpx2.Response) -> bool:
        """Count an answer; return whether it is a good one."""
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 400:
            self.wrong = [*self.wrong, f"{answer.request.url.path} {answer.status_code}: {answer.text[:200]}"][:10]
        return answer.status_code < 400

    def heard(self, told: Sequence[tuple[str, Any]], wish: Wish) -> None:
        """Count the events of a job's stream, and what they lacked."""
        self.streams += 1
        self.missing += [f"{wish.id}: {lack}" for lack in lacks(told, wish)]

    def unfairness(self, served: Counter[str]) -> float:
        """Return by what part of the mean the user farthest from it was served more or less."""
        mean = served.total() / max(len(served), 1)
        return max((abs(one - mean) / mean for one in served.values()), default=0.0) if mean else 0.0


def lacks(told: Sequence[tuple[str, Any]], wish: Wish) -> list[str]:
    """Return what is wrong with the events of a job that was done, in words; nothing where all is well."""
    names = [name for name, _ in told]
    found: list[str] = []
    if not names or names[-1] != "ended" or names.count("ended") != 1:
        return [f"ends with {names[-1:]}"]
    ranks = [RANK[name] for name in names]
    if ranks != sorted(ranks):
        found.append(f"out of order: {names}")
    if names[0] == "queued" and "began" not in names:
        found.append("waited, and never began")
    steps: list[int] = [data["step"] for name, data in told if name == "progress"]
    if steps != list(range(steps[0], steps[0] + len(steps)) if steps else []):
        found.append(f"steps left out: {steps}")
    last = (wish.steps - 1, wish.steps)  # after the last step an engine may have nothing more to say but that it ended
    if names[0] in ("queued", "began") and (not steps or steps[-1] not in last):
        found.append(f"its last step was {steps[-1:]} of {wish.steps}")
    job = told[-1][1]
    if (job["id"], job["state"]) != (wish.id, "done"):
        found.append(f"ended as {job['id']}, {job['state']}: {job.get('error')}")
    return found


async def events(url: str, path: str, person: Person) -> AsyncGenerator[tuple[str, Any]]:
    """Yield the events of a stream, name and data, over a connection of its own. Raises ConnectionError.

    By HTTP 1.0, so that the answer is its lines, and a waiting client costs next to nothing.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=WIDEST)
    lines = [f"GET {path} HTTP/1.0", f"Host: {parts.netloc}", *(f"{name}: {it}" for name, it in person.headers.items())]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status = await reader.readline()
        if b" 200 " not in status:
            raise ConnectionError(f"{path}: {status.decode()}")
        while (await reader.readline()).strip():
            pass
        name = ""
        while line := await reader.readline():
            said, _, value = line.decode().rstrip("\n").partition(": ")
            if said == "event":
                name = value
            elif said == "data":
                yield name, json.loads(value)
    finally:
        writer.close()


async def natively(web: httpx2.AsyncClient, person: Person, wish: Wish, counted: Counted) -> bool:
    """Ask through /v1/jobs, follow the job to its end, and fetch its picture."""
    body = {
        "prompt": wish.prompt,
        "steps": wish.steps,
        "sampler": wish.sampler,
        "width": wish.side,
        "height": wish.side,
        "seed": wish.seed,
    }
    url = f"/v1/jobs?id={wish.id}"
    if not counted.answered(await web.post(url, json=body, headers=person.headers)):
        return False
    told: list[tuple[str, Any]] = []
    stream = events(str(web.base_url), f"/v1/jobs/{wish.id}/events", person)
    async with aclosing(stream) as heard:
        async for one in heard:
            told.append(one)
    counted.heard(told, wish)
    picture = await web.get(f"/v1/jobs/{wish.id}/pictures/0", headers=person.headers)
    return counted.answered(picture) and picture.content.startswith(b"\x89PNG")


async def as_a1111(web: httpx2.AsyncClient, person: Person, wish: Wish, counted: Counted) -> bool:
    """Ask through /sdapi/v1/txt2img."""
    body = {
        "prompt": wish.prompt,
        "steps": wish.steps,
        "sampler_name": wish.sampler,
        "width": wish.side,
        "height": wish.side,
        "seed": wish.seed,
    }
    answer = await web.post("/sdapi/v1/txt2img", json=body, headers=person.headers)
    return counted.answered(answer) and len(answer.json()["images"]) == 1


def openai_body(wish: Wish, **more: Any) -> dict[str, Any]:
    """Return a wish as a body of OpenAI's."""
    easel = {"steps": wish.steps, "sampler": wish.sampler, "seed": wish.seed}
    return {"prompt": wish.prompt, "size": f"{wish.side}x{wish.side}", "easel": easel, **more}


async def as_openai(web: httpx2.AsyncClient, person: Person, wish: Wish, counted: Counted) -> bool:
    """Ask through /v1/images/generations."""
    answer = await web.post("/v1/images/generations", json=openai_body(wish), headers=person.headers)
    return counted.answered(answer) and len(answer.json()["data"]) == 1


async def as_openai_stream(web: httpx2.AsyncClient, person: Person, wish: Wish, counted: Counted) -> bool:
    """Ask through /v1/images/generations for a stream with a partial image."""
    body = openai_body(wish, stream=True, partial_images=1)
    answer = await web.post("/v1/images/generations", json=body, headers=person.headers)
    if not counted.answered(answer):
        return False
    names = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    counted.streams += 1
    if names[-1:] != ["image_generation.completed"]:
        counted.missing.append(f"{wish.id}: a stream of OpenAI's ended with {names[-1:]}")
    return names.count("image_generation.completed") == 1


Way = Callable[[httpx2.AsyncClient, Person, Wish, Counted], Awaitable[bool]]
WAYS: dict[str, Way] = {
    "/v1/jobs and its events": natively,
    "/sdapi/v1/txt2img": as_a1111,
    "/v1/images/generations": as_openai,
    "the same as a stream": as_openai_stream,
}


def wishes(person: Person, number: int, most_steps: int) -> AsyncGenerator[Wish]:
    """Yield without end what the program of this number of a user wants; other users' of that number want the same."""

    async def wanted() -> AsyncGenerator[Wish]:
        chance, turn = random.Random(number), 0
        while True:
            turn += 1
            yield Wish(
                id=f"{person.name}-{number}-{turn}",
                prompt=f"a fox, number {turn} of program {number}",
                steps=chance.randint(2, most_steps),
                sampler=chance.choice(SAMPLERS),
                side=chance.choice(SIDES),
                seed=chance.randrange(2**32),
            )

    return wanted()


async def ask_on(url: str, person: Person, number: int, until: float, most_steps: int, counted: Counted) -> None:
    """Ask for one picture after another until a moment of the clock, through each dialect in turn."""
    ways = list(WAYS.items())
    async with httpx2.AsyncClient(base_url=url, timeout=LONGEST) as web:
        turn = number
        async for wish in wishes(person, number, most_steps):
            if monotonic() >= until:
                return
            name, way = ways[turn % len(ways)]
            turn, began = turn + 1, monotonic()
            good = await way(web, person, wish, counted)
            if good and monotonic() < until:  # what comes later is not counted: its user alone may still be served
                counted.pictures[person.name] += 1
                counted.steps[person.name] += wish.steps
                counted.seconds.setdefault(name, []).append(monotonic() - began)


async def load(url: str, people: Sequence[Person], clients: int, seconds: float, most_steps: int = 12) -> Counted:
    """Let clients, as many of each person, ask for pictures for so long, and return what they were told."""
    counted = Counted(pictures=Counter({one.name: 0 for one in people}), steps=Counter({one.name: 0 for one in people}))
    until = monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            person, own = people[number % len(people)], number // len(people)
            group.create_task(ask_on(url, person, own, until, most_steps, counted))
    return counted


async def waiting(url: str, paths: Sequence[str], person: Person, heard: Callable[[], Awaitable[None]]) -> int:
    """Follow streams at these paths, all at once; call `heard` when each has told something; return how many were open.

    Raises ConnectionError where one is refused.
    """
    streams = [cast("AsyncGenerator[tuple[str, Any]]", events(url, path, person)) for path in paths]
    try:
        for at in range(0, len(streams), 50):  # a listening socket's line is not endless
            await asyncio.gather(*(anext(stream) for stream in streams[at : at + 50]))
        await heard()
    finally:
        await asyncio.gather(*(stream.aclose() for stream in streams))
    return len(streams)
