"""Captions: a scene said in English or Korean words, exactly as it was drawn.

What the caption does not mention is at its usual value: a white background, the subject's own colours, no style.
Knows scenes and names; knows no pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from easel.training.scenes import Scene, Sprite, pick
from easel.training.subjects import Subject

KOREAN_COLOURS: dict[str, tuple[str, ...]] = {
    "white": ("하얀", "흰", "흰색", "하얀색"),
    "black": ("검은", "검정", "검은색", "까만"),
    "red": ("빨간", "빨간색", "붉은"),
    "orange": ("주황", "주황색", "오렌지색"),
    "yellow": ("노란", "노란색", "노랑"),
    "green": ("초록", "초록색", "녹색"),
    "blue": ("파란", "파란색", "푸른"),
    "purple": ("보라", "보라색", "보랏빛"),
    "pink": ("분홍", "분홍색", "핑크색"),
    "gray": ("회색", "잿빛"),
    "brown": ("갈색", "밤색"),
}
ENGLISH_COLOURS = {name: (name,) for name in KOREAN_COLOURS} | {"gray": ("gray", "grey")}
ENGLISH_STYLES: dict[str, tuple[str, ...]] = {
    "pixel": ("pixel art of {}", "{}, pixel art", "pixel art {bare}"),
    "pencil": ("a pencil sketch of {}", "a pencil drawing of {}", "{}, pencil sketch"),
    "silhouette": ("a silhouette of {}", "{}, silhouette", "the silhouette of {}"),
    "watercolour": ("a watercolor painting of {}", "{}, watercolor", "a watercolour of {}"),
    "sepia": ("a sepia picture of {}", "{}, sepia", "an old sepia photo of {}"),
    "night": ("{} at night", "{}, night", "{} in the night"),
}
KOREAN_STYLES: dict[str, tuple[str, ...]] = {
    "pixel": ("픽셀 아트 {}", "{}, 픽셀 아트", "{} 픽셀 아트"),
    "pencil": ("연필로 그린 {}", "{} 연필 스케치", "{}, 연필 그림"),
    "silhouette": ("{} 실루엣", "{}, 실루엣", "{}의 실루엣"),
    "watercolour": ("수채화 {}", "{}, 수채화", "{} 수채화"),
    "sepia": ("세피아 {}", "{}, 세피아", "세피아 톤의 {}"),
    "night": ("밤의 {}", "{}, 밤", "밤에 본 {}"),
}
ENGLISH_FRAMES = ("a picture of {}", "a sticker of {}", "an icon of {}", "a drawing of {}", "{} sticker", "{} icon")
KOREAN_FRAMES = ("{} 그림", "{} 스티커", "{} 아이콘", "{} 사진", "{} 이미지")
ENGLISH_SIZES = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
KOREAN_SIZES = {"small": ("작은", "조그만"), "big": ("큰", "커다란")}
ENGLISH_PLACES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}
KOREAN_PLACES = {"left": "왼쪽", "right": "오른쪽", "top": "위쪽", "bottom": "아래쪽"}
EXTRA_NAMES = 0.04  # share of captions that use a CLDR synonym
COLOUR_WORDS = {word for words in (*KOREAN_COLOURS.values(), *ENGLISH_COLOURS.values()) for word in words}


def ends_in_consonant(word: str) -> bool:
    """Whether a Korean word's last syllable has a final consonant, which decides the particle after it."""
    code = ord(word[-1]) - 0xAC00
    return 0 <= code < 11172 and code % 28 != 0


def and_korean(left: str, right: str, rng: np.random.Generator) -> str:
    """`left` and `right` joined by the particle that fits."""
    particle = pick(rng, ("과" if ends_in_consonant(left) else "와", "하고"))
    return f"{left}{particle} {right}"


def name_of(subject: Subject, korean: bool, rng: np.random.Generator) -> str:
    """One of the subject's names, the usual one most often, seldom a CLDR synonym that names no colour."""
    usual, extra = (subject.korean, subject.korean_extra) if korean else (subject.english, subject.english_extra)
    extra = tuple(word for word in extra if not COLOUR_WORDS.intersection(word.replace("-", " ").split()))
    if extra and rng.random() < EXTRA_NAMES:
        return pick(rng, extra)
    return usual[0] if rng.random() < 0.6 else pick(rng, usual)


def with_article(name: str, bare: str) -> str:
    """`bare` with a or an, unless `name` is marked as taking none."""
    if name.startswith("~"):
        return bare
    return f"an {bare}" if bare[0] in "aeiou" and not bare.startswith(("uni", "ufo", "eu")) else f"a {bare}"


def english_thing(sprite: Sprite, size_word: str, subjects: Sequence[Subject], rng: np.random.Generator) -> list[str]:
    """A sprite in English: [with its article, without]."""
    name = name_of(subjects[sprite.subject], False, rng)
    words = [pick(rng, ENGLISH_SIZES[size_word])] if size_word else []
    words += [pick(rng, ENGLISH_COLOURS[sprite.tint])] if sprite.tint else []
    bare = " ".join([*words, name.lstrip("~")])
    return [with_article(name, bare), bare]


def korean_thing(sprite: Sprite, size_word: str, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """A sprite in Korean."""
    words = [pick(rng, KOREAN_SIZES[size_word])] if size_word else []
    words += [pick(rng, KOREAN_COLOURS[sprite.tint])] if sprite.tint else []
    return " ".join([*words, name_of(subjects[sprite.subject], True, rng)])


def english(scene: Scene, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene in English."""
    things = [english_thing(sprite, scene.size_word, subjects, rng) for sprite in scene.sprites]
    if len(things) == 2:
        (left, left_bare), (right, right_bare) = things
        text = pick(
            rng,
            (
                f"{left} and {right}",
                f"{left} and {right}",
                f"{left} left of {right}",
                f"{right} right of {left}",
                f"{left} to the left of {right}",
                f"{left} next to {right}",
            ),
        )
        bare = f"{left_bare} and {right_bare}"
    else:
        text, bare = things[0]
    if scene.place:
        text = f"{text} {ENGLISH_PLACES[scene.place]}"
        bare = f"{bare} {ENGLISH_PLACES[scene.place]}"
    if scene.style:
        text = pick(rng, ENGLISH_STYLES[scene.style]).format(text, bare=bare)
    elif not scene.place and rng.random() < 0.3:
        frame = pick(rng, ENGLISH_FRAMES)
        text = frame.format(text if "of" in frame else bare)
    elif rng.random() < 0.25:
        text = bare
    if scene.background_said:
        colour = pick(rng, ENGLISH_COLOURS[scene.background])
        text = pick(
            rng,
            (
                "{} on a {} background",
                "{} on a {} background",
                "{}, {} background",
                "{} on {}",
                "{} with a {} background",
            ),
        ).format(text, colour)
    return text.replace("on a orange", "on an orange").replace("with a orange", "with an orange")


def korean(scene: Scene, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene in Korean."""
    things = [korean_thing(sprite, scene.size_word, subjects, rng) for sprite in scene.sprites]
    if len(things) == 2:
        left, right = things
        text = pick(
            rng,
            (
                and_korean(left, right, rng),
                and_korean(left, right, rng),
                f"{left} 오른쪽에 {right}",
                f"{right} 왼쪽에 {left}",
                f"{left} 옆에 {right}",
            ),
        )
    else:
        text = things[0]
    if scene.place:
        place = KOREAN_PLACES[scene.place]
        text = pick(rng, (f"{place}에 있는 {text}", f"{place}의 {text}", f"{text}, {place}"))
    if scene.style:
        text = pick(rng, KOREAN_STYLES[scene.style]).format(text)
    elif not scene.place and rng.random() < 0.3:
        text = pick(rng, KOREAN_FRAMES).format(text)
    if scene.background_said:
        colour = pick(rng, KOREAN_COLOURS[scene.background])
        text = pick(
            rng,
            ("{1} 배경의 {0}", "{1} 배경의 {0}", "{1} 배경에 {0}", "{0}, {1} 배경", "{0} {1} 배경"),
        ).format(text, colour)
    return text


def caption(scene: Scene, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene in English (60 %) or Korean (40 %), in one of the grammar's ways."""
    return english(scene, subjects, rng) if rng.random() < 0.6 else korean(scene, subjects, rng)
