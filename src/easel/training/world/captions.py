"""Captions: a scene said in English or Korean words, exactly as it was drawn.

What a caption does not mention is at its usual value. Words for quality go with pictures that are whole, and words for
faults with pictures that have them, so that habits people have with large models do here what they do there.
Knows scenes and names; knows no pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from easel.training.world.scenes import Scene, Thing, pick
from easel.training.world.subjects import Subject

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
    "pixel": ("pixel art of {}", "{}, pixel art", "8-bit {bare}"),
    "pencil": ("a pencil sketch of {}", "a pencil drawing of {}", "{}, pencil sketch"),
    "silhouette": ("a silhouette of {}", "{}, silhouette", "the silhouette of {}"),
    "watercolour": ("a watercolor painting of {}", "{}, watercolor", "a watercolour of {}"),
    "sepia": ("a sepia picture of {}", "{}, sepia", "an old sepia photo of {}"),
    "night": ("{} at night", "{}, night", "{} in the night"),
    "lineart": ("line art of {}", "{}, line art", "an outline drawing of {}"),
    "oil": ("an oil painting of {}", "{}, oil painting", "{} painted in oil"),
    "neon": ("neon sign of {}", "{}, neon outline", "glowing neon {bare}"),
    "embossed": ("{} embossed in metal", "{}, embossed", "an embossed {bare}"),
    "mosaic": ("a mosaic of {}", "{}, mosaic", "a tile mosaic of {}"),
    "poster": ("a poster of {}", "{}, poster style", "{}, pop art poster"),
}
KOREAN_STYLES: dict[str, tuple[str, ...]] = {
    "pixel": ("픽셀 아트 {}", "{}, 픽셀 아트", "도트 그림 {}"),
    "pencil": ("연필로 그린 {}", "{} 연필 스케치", "{}, 연필 그림"),
    "silhouette": ("{} 실루엣", "{}, 실루엣", "{}의 실루엣"),
    "watercolour": ("수채화 {}", "{}, 수채화", "{} 수채화"),
    "sepia": ("세피아 {}", "{}, 세피아", "세피아 톤의 {}"),
    "night": ("밤의 {}", "{}, 밤", "밤에 본 {}"),
    "lineart": ("선으로 그린 {}", "{} 선화", "{}, 라인 아트"),
    "oil": ("유화 {}", "{}, 유화", "유화로 그린 {}"),
    "neon": ("네온 {}", "{}, 네온", "네온사인 {}"),
    "embossed": ("돋을새김한 {}", "{}, 엠보싱", "금속에 새긴 {}"),
    "mosaic": ("모자이크 {}", "{}, 모자이크", "타일로 만든 {}"),
    "poster": ("포스터 {}", "{}, 포스터", "팝아트 {}"),
}
ENGLISH_FRAMES = ("a picture of {}", "a sticker of {}", "an icon of {}", "a drawing of {}", "{} sticker", "{} icon")
KOREAN_FRAMES = ("{} 그림", "{} 스티커", "{} 아이콘", "{} 사진", "{} 이미지")
ENGLISH_SIZES = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
KOREAN_SIZES = {"small": ("작은", "조그만"), "big": ("큰", "커다란")}
ENGLISH_PLACES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}
KOREAN_PLACES = {"left": "왼쪽", "right": "오른쪽", "top": "위쪽", "bottom": "아래쪽"}
EXTRA_NAMES = 0.04  # share of captions that use a CLDR synonym
COLOUR_WORDS = {word for words in (*KOREAN_COLOURS.values(), *ENGLISH_COLOURS.values()) for word in words}
ENGLISH_PAIRS = {
    "across": ("{0} left of {1}", "{0} to the left of {1}", "{1} right of {0}", "{1} to the right of {0}"),
    "upright": ("{0} above {1}", "{1} below {0}", "{0} over {1}", "{1} under {0}"),
}
KOREAN_PAIRS = {
    "across": ("{0} 오른쪽에 {1}", "{1} 왼쪽에 {0}", "왼쪽에 {0}, 오른쪽에 {1}"),
    "upright": ("{0} 아래에 {1}", "{1} 위에 {0}", "위에 {0}, 아래에 {1}"),
}
ENGLISH_COUNTS = {2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}
KOREAN_COUNTS = {2: ("두", "2"), 3: ("세", "3"), 4: ("네", "4")}
ENGLISH_GOOD = ("masterpiece", "best quality", "sharp", "high quality", "detailed", "masterpiece, best quality")
KOREAN_GOOD = ("고품질", "선명한", "걸작", "최고 품질")
ENGLISH_BAD = {
    "blurry": ("blurry", "blurry, low quality", "out of focus"),
    "jpeg": ("jpeg artifacts", "low quality, jpeg", "worst quality, jpeg artifacts"),
    "noisy": ("noisy", "grainy, low quality", "bad quality, noise"),
    "small": ("lowres", "low resolution", "low quality, lowres"),
}
KOREAN_BAD = {
    "blurry": ("흐린", "흐릿한, 저품질"),
    "jpeg": ("저품질, jpeg", "화질 나쁨"),
    "noisy": ("노이즈", "거친, 저품질"),
    "small": ("저해상도", "저해상도, 저품질"),
}
ENGLISH_GROUNDS = ("{} on a {} background", "{} on a {} background", "{}, {} background", "{} on {}", "{} before {}")
KOREAN_GROUNDS = ("{1} 배경의 {0}", "{1} 배경의 {0}", "{1} 배경에 {0}", "{0}, {1} 배경", "{0} {1} 배경")


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


def english_words(thing: Thing, size_word: str, subjects: Sequence[Subject], rng: np.random.Generator) -> list[str]:
    """A thing in English: [its name as subjects.txt marks it, the words before and the bare name]."""
    name = name_of(subjects[thing.subject], False, rng)
    words = [pick(rng, ENGLISH_SIZES[size_word])] if size_word else []
    words += [pick(rng, ENGLISH_COLOURS[thing.tint])] if thing.tint else []
    return [name, " ".join([*words, name.lstrip("~")])]


def plural(bare: str) -> str:
    """An English noun for several; of names with a "with" or an "of" the head changes."""
    for joint in (" with ", " of ", " and "):
        head, found, rest = bare.partition(joint)
        if found:
            return f"{plural(head)}{joint}{rest}"
    if bare.endswith("s") and not bare.endswith(("ss", "us")):
        return bare
    if bare.endswith(("s", "x", "ch", "sh")):
        return f"{bare}es"
    if bare.endswith("y") and bare[-2:-1] not in "aeiou":
        return f"{bare[:-1]}ies"
    return f"{bare}s"


def english(scene: Scene, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene in English."""
    said = [english_words(thing, scene.size_word, subjects, rng) for thing in scene.things]
    text, bare = (with_article(*said[0]), said[0][1])
    if scene.pair:
        first, second = (with_article(*words) for words in said)
        joined = (f"{first} and {second}", f"{first} and {second}", f"{first} next to {second}")
        text = pick(rng, (*joined, *ENGLISH_PAIRS[scene.pair]) if scene.pair == "across" else ENGLISH_PAIRS["upright"])
        text, bare = text.format(first, second), f"{said[0][1]} and {said[1][1]}"
    elif scene.count > 1:
        name = said[0][1] if said[0][0].startswith("~") else plural(said[0][1])
        text = bare = f"{pick(rng, ENGLISH_COUNTS[scene.count])} {name}"
    if scene.place:
        text, bare = f"{text} {ENGLISH_PLACES[scene.place]}", f"{bare} {ENGLISH_PLACES[scene.place]}"
    if scene.style:
        text = pick(rng, ENGLISH_STYLES[scene.style]).format(text, bare=bare)
    elif not scene.place and rng.random() < 0.3:
        frame = pick(rng, ENGLISH_FRAMES)
        text = frame.format(text if "of" in frame else bare)
    elif rng.random() < 0.25:
        text = bare
    if scene.background_said:
        colour = pick(rng, ENGLISH_COLOURS[scene.background])
        if scene.second:
            other = pick(rng, ENGLISH_COLOURS[scene.second])
            colour = pick(rng, (f"{colour} to {other} gradient", f"{colour} and {other} gradient"))
        text = pick(rng, ENGLISH_GROUNDS).format(text, colour)
    for wrong, right in (("a orange", "an orange"), ("before white", "on white")):
        text = text.replace(wrong, right)
    return with_quality(text, scene, ENGLISH_GOOD, ENGLISH_BAD, rng)


def korean(scene: Scene, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene in Korean."""

    def words_of(thing: Thing) -> str:
        words = [pick(rng, KOREAN_SIZES[scene.size_word])] if scene.size_word else []
        words += [pick(rng, KOREAN_COLOURS[thing.tint])] if thing.tint else []
        return " ".join([*words, name_of(subjects[thing.subject], True, rng)])

    text = words_of(scene.things[0])
    if scene.pair:
        other = words_of(scene.things[1])
        joined = (and_korean(text, other, rng), and_korean(text, other, rng), f"{text} 옆에 {other}")
        text = pick(rng, (*joined, *KOREAN_PAIRS[scene.pair]) if scene.pair == "across" else KOREAN_PAIRS["upright"])
        text = text.format(words_of(scene.things[0]), other)
    elif scene.count > 1:
        count = pick(rng, KOREAN_COUNTS[scene.count])
        particle = "이" if ends_in_consonant(text) else "가"
        text = pick(rng, (f"{text} {count} 개", f"{count} 개의 {text}", f"{text}{particle} {count} 개"))
    if scene.place:
        place = KOREAN_PLACES[scene.place]
        text = pick(rng, (f"{place}에 있는 {text}", f"{place}의 {text}", f"{text}, {place}"))
    if scene.style:
        text = pick(rng, KOREAN_STYLES[scene.style]).format(text)
    elif not scene.place and rng.random() < 0.3:
        text = pick(rng, KOREAN_FRAMES).format(text)
    if scene.background_said:
        colour = pick(rng, KOREAN_COLOURS[scene.background])
        if scene.second:
            other = pick(rng, KOREAN_COLOURS[scene.second])
            colour = pick(rng, (f"{colour} {other} 그라데이션", f"{colour}에서 {other}으로 변하는"))
        text = pick(rng, KOREAN_GROUNDS).format(text, colour)
    return with_quality(text, scene, KOREAN_GOOD, KOREAN_BAD, rng)


def with_quality(
    text: str, scene: Scene, good: Sequence[str], bad: dict[str, tuple[str, ...]], rng: np.random.Generator
) -> str:
    """A caption with what it says of the picture's quality, before or behind."""
    if not scene.quality:
        return text
    words = pick(rng, bad[scene.damage]) if scene.quality == "bad" else pick(rng, tuple(good))
    return pick(rng, (f"{words}, {text}", f"{text}, {words}"))


def caption(scene: Scene, subjects: Sequence[Subject], rng: np.random.Generator) -> str:
    """The scene in English (60 %) or Korean (40 %), in one of the grammar's ways."""
    return english(scene, subjects, rng) if rng.random() < 0.6 else korean(scene, subjects, rng)
