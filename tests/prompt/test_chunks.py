"""Chunks of tokens: where they are cut, how they are padded, how prompts are made equally long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from easel.prompt.attention import Fragment, parse_attention
from easel.prompt.chunks import Chunk, Marks, Vectors, chunked, empty_chunk, of_equal_length

SD1 = Marks(begin=49406, end=49407, pad=49407, comma=267)
SD2 = Marks(begin=49406, end=49407, pad=0, comma=267)


def words(text: str) -> list[int]:
    """A tokenizer of one token a word: numbers stand for themselves, a comma is 267."""
    return [267 if word == "," else int(word) for word in text.split()]


def counting(first: int, count: int) -> str:
    return " ".join(str(number) for number in range(first, first + count))


def content(chunk: Chunk, marks: Marks = SD1) -> list[int]:
    return list(chunk.ids[1 : chunk.ids.index(marks.end)])


def cut(text: str, marks: Marks = SD1, **options: int) -> tuple[Chunk, ...]:
    return chunked(parse_attention(text), words, marks, **options)


def test_the_empty_prompt_is_one_empty_chunk() -> None:
    assert cut("") == (empty_chunk(SD1),)
    assert empty_chunk(SD1) == Chunk((49406, *[49407] * 76), (1.0,) * 77)
    assert empty_chunk(SD2) == Chunk((49406, 49407, *[0] * 75), (1.0,) * 77)


def test_weights_stand_beside_their_tokens_and_padding_weighs_one() -> None:
    (chunk,) = cut("1 (2 3:1.5) 4", SD2)
    assert chunk.ids[:7] == (49406, 1, 2, 3, 4, 49407, 0)
    assert chunk.weights[:7] == (1.0, 1.0, 1.5, 1.5, 1.0, 1.0, 1.0)
    assert len(chunk.ids) == len(chunk.weights) == 77


def test_75_tokens_fill_a_chunk_and_the_76th_begins_another() -> None:
    assert [content(chunk) for chunk in cut(counting(1, 75))] == [list(range(1, 76))]
    assert [content(chunk) for chunk in cut(counting(1, 76))] == [list(range(1, 76)), [76]]
    assert cut(counting(1, 75), SD2)[0].ids[-2:] == (75, 49407)


def test_a_full_chunk_is_cut_behind_a_comma_within_20_tokens() -> None:
    near = f"{counting(1, 55)} , {counting(1000, 30)}"
    assert [len(content(chunk)) for chunk in cut(near)] == [56, 30]
    assert content(cut(near)[0])[-1] == 267
    far = f"{counting(1, 54)} , {counting(1000, 30)}"
    assert [len(content(chunk)) for chunk in cut(far)] == [75, 10]
    assert [len(content(chunk)) for chunk in cut(near, backtrack=0)] == [75, 11]
    assert [len(content(chunk)) for chunk in cut(far, backtrack=21)] == [55, 30]


def test_moved_tokens_keep_their_weights() -> None:
    first, second = cut(f"{counting(1, 70)} , ({counting(1000, 10)}:1.3)")
    assert content(first) == [*range(1, 71), 267]
    assert content(second) == list(range(1000, 1010))
    assert second.weights[1:12] == (*[1.3] * 10, 1.0)
    assert set(first.weights) == {1.0}


def test_a_comma_that_does_not_fit_begins_the_next_chunk() -> None:
    chunks = cut(f"{counting(1, 60)} , {counting(1000, 14)} , 5")
    assert [content(chunk)[-1] for chunk in chunks] == [1013, 5]
    assert content(chunks[1]) == [267, 5]


def test_break_ends_a_chunk() -> None:
    assert [content(chunk) for chunk in cut("1 BREAK 2")] == [[1], [2]]
    assert [content(chunk) for chunk in cut("1 BREAK")] == [[1]]
    assert [content(chunk) for chunk in cut("BREAK 1")] == [[], [1]]
    assert [content(chunk) for chunk in cut("BREAK BREAK")] == [[], []]


def test_prompts_are_made_equally_long_with_empty_chunks() -> None:
    short, long = cut("1"), cut("1 BREAK 2 BREAK 3")
    assert of_equal_length([short, long], SD1) == ((*short, empty_chunk(SD1), empty_chunk(SD1)), long)
    assert of_equal_length([], SD1) == ()


def test_a_vocabulary_without_a_comma_is_cut_where_the_chunk_is_full() -> None:
    chunks = cut(f"{counting(1, 70)} , {counting(1000, 10)}", Marks(49406, 49407, 49407, None))
    assert [len(content(chunk)) for chunk in chunks] == [75, 6]


@given(st.lists(st.tuples(st.lists(st.integers(0, 300), max_size=120), st.sampled_from([1.0, 1.1, -1.0]))))
def test_no_token_is_lost_doubled_or_moved_past_another(parts: list[tuple[list[int], float]]) -> None:
    fragments = [Fragment(" ".join(map(str, tokens)), weight) for tokens, weight in parts]
    chunks = chunked(fragments, words, SD1)
    found = [pair for chunk in chunks for pair in list(zip(chunk.ids, chunk.weights, strict=True))[1:]]
    assert [pair for pair in found if pair[0] < 49406] == [
        (token, weight) for tokens, weight in parts for token in tokens
    ]
    assert all(len(chunk.ids) == len(chunk.weights) == 77 and chunk.ids[0] == SD1.begin for chunk in chunks)


def with_vectors(text: str, count: int) -> tuple[Chunk, ...]:
    """The chunks of a text in which the word 0 stands for `count` vectors of "ink"."""

    def pieces(text: str) -> list[int | Vectors]:
        return [number or Vectors("ink", count) for number in words(text)]

    return chunked(parse_attention(text), pieces, SD1)


def test_vectors_take_the_places_of_tokens_with_their_weight() -> None:
    (chunk,) = with_vectors("1 (0:1.5) 2", 3)
    assert chunk.ids[:7] == (49406, 1, 0, 0, 0, 2, 49407)
    assert chunk.weights[:7] == (1.0, 1.0, 1.5, 1.5, 1.5, 1.0, 1.0)
    assert chunk.vectors == ((2, "ink", 0), (3, "ink", 1), (4, "ink", 2))


def test_vectors_stay_together() -> None:
    first, second = with_vectors(f"{counting(1, 74)} 0 5", 2)
    assert (content(first), first.vectors) == (list(range(1, 75)), ())
    assert (second.ids[1:4], second.vectors) == ((0, 0, 5), ((1, "ink", 0), (2, "ink", 1)))
    (whole,) = with_vectors(f"{counting(1, 73)} 0", 2)
    assert [place for place, _, _ in whole.vectors] == [74, 75]


def test_vectors_behind_a_comma_move_with_what_follows_it() -> None:
    first, second = with_vectors(f"{counting(1, 60)} , 0 {counting(1000, 12)} 7", 2)
    assert content(first)[-1] == 267
    assert second.vectors == ((1, "ink", 0), (2, "ink", 1))
    assert second.ids[3:5] == (1000, 1001)
