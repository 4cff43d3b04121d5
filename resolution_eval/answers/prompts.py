"""The text that a model is asked with: one wording for every task, and Flamingo's form of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from string import ascii_uppercase

INSTRUCTION = "Answer with the letter or the name of one option."
OPEN_INSTRUCTION = "Answer with one word or a short phrase."


IMAGE = re.compile(r"<image[ _]?(\d+)>")
"""Where an image of a question that has several stands in its text; the first is number 1."""
BARE = "<image>"
"""The same without its number, as some data sets write it."""
_EDGES = re.compile(r"\A\s*<image[ _]?1>\s*|\s*<image[ _]?1>\s*\Z")


def marked(text: str, count: int) -> str:
    """`text` with the places of its `count` images as we write them, `<image 1>`, `<image 2>`, ...

    Bare marks are numbered where they are as many as the images. One image alone stands before its
    text, which then needs no mark.

    Example:
        >>> marked("<image>What changed from <image> to <image>?", 3)
        '<image 1>What changed from <image 2> to <image 3>?'
        >>> marked("<image>What is this?", 1), marked("What in <image 1> is this?", 1)
        ('What is this?', 'What in the image is this?')
    """
    if count == 1:
        alone = text.replace(BARE, "<image 1>", text.count(BARE) == 1)
        return re.sub(r"<image[ _]?1>", "the image", _EDGES.sub("", alone))
    if text.count(BARE) == count:
        numbers = iter(range(1, count + 1))
        text = re.sub(BARE, lambda _: f"<image {next(numbers)}>", text)
    return IMAGE.sub(r"<image \1>", text)


def mark_fault(text: str, count: int) -> str | None:
    """Why the marks in a text about `count` images, as `marked` leaves them, cannot be followed;
    None where they can.
    """
    beyond = [int(number) for number in IMAGE.findall(text) if not 1 <= int(number) <= count]
    has = "one image" if count == 1 else f"{count} images"
    if beyond:
        return f"the text names image {beyond[0]}, and the question has {has}"
    if BARE in text:
        return f"the text has {text.count(BARE)} marks {BARE} in place, and the question has {has}"
    return None


def pieces(text: str, count: int) -> tuple[str | int, ...]:
    """A text about `count` images, and its images by number from 0, in the order to be shown.

    An image stands where the text first names it; further on its name is plain text. Images that
    the text does not name stand before it.

    Example:
        >>> pieces("Is <image 1> like <image 2>?", 2)
        ('Is ', 0, ' like ', 1, '?')
        >>> pieces("Which one?", 2)
        (0, 1, 'Which one?')
        >>> pieces("What in <image 2> is not in the first? <image 2>", 2)
        (0, 'What in ', 1, ' is not in the first? image 2')

    Raises:
        ValueError: the text names an image that there is not.
    """
    if fault := mark_fault(text, count):
        raise ValueError(fault)
    named = {int(number) - 1 for number in IMAGE.findall(text)}
    parts: list[str | int] = [place for place in range(count) if place not in named]
    for part in _parts(text):
        plain = f"image {part + 1}" if isinstance(part, int) and part in parts else part
        if isinstance(plain, str) and parts and isinstance(parts[-1], str):
            parts[-1] += plain
        elif plain != "":
            parts.append(plain)
    return tuple(parts)


def shown_order(parts: Sequence[str | int]) -> tuple[int, ...]:
    """The numbers of the images in the order in which a prompt's `pieces` show them.

    Example:
        >>> shown_order(pieces("Is <image 2> like <image 1>?", 3))
        (2, 1, 0)
    """
    return tuple(piece for piece in parts if isinstance(piece, int))


def _parts(text: str) -> Iterator[str | int]:
    """Texts and, at every second place, the numbers from 0 of the images between them."""
    for place, part in enumerate(IMAGE.split(text)):
        yield int(part) - 1 if place % 2 else part


def question_text(question: str, choices: Sequence[str]) -> str:
    """The question, its options on lines of their own behind letters, and how to answer.

    Without choices it is the question and how to answer. Options beyond the 26th carry no letter.

    Example:
        >>> print(question_text("Which cell is this?", ["monocyte", "platelet"]))
        Which cell is this?
        A. monocyte
        B. platelet
        Answer with the letter or the name of one option.
    """
    if not choices:
        return f"{question}\n{OPEN_INSTRUCTION}"
    letters = [f"{letter}. " for letter in ascii_uppercase]
    letters += [""] * (len(choices) - len(letters))
    options = (letter + choice for letter, choice in zip(letters, choices, strict=False))
    return "\n".join((question, *options, INSTRUCTION))


def flamingo_prompt(
    text: str, *, demonstrations: Sequence[tuple[str, str]] = (), images: int = 1
) -> str:
    """`text` as Flamingo reads it: behind the token of its image, up to where the answer begins.

    Of several `images` each has its token where the text names it, else before the text, and its
    name behind that: Flamingo's words attend to the image before them alone, so that an image
    without a word of its own would not be seen.

    The answer follows after one space: ``flamingo_prompt(text) + " " + choice``. Demonstrations
    (question, answer) go before it, each behind an image's token of its own and closed by the token
    that Flamingo was trained to see between one image's text and the next.

    Source: Awadalla et al. 2023, arXiv:2308.01390, and its evaluation code.

    Example:
        >>> flamingo_prompt("Which cell is this?")
        '<image>Which cell is this?\\nAnswer:'
        >>> flamingo_prompt("And this?", demonstrations=[("This?", "a ring")])
        '<image>This?\\nAnswer: a ring<|endofchunk|><image>And this?\\nAnswer:'
        >>> flamingo_prompt("Is <image 1> like <image 2>?", images=2)
        'Is <image>image 1 like <image>image 2?\\nAnswer:'
        >>> flamingo_prompt("Alike?", images=2)
        '<image>image 1\\n<image>image 2\\nAlike?\\nAnswer:'
    """
    shown = "".join(
        f"<image>{question}\nAnswer: {answer}<|endofchunk|>" for question, answer in demonstrations
    )
    own = f"<image>{text}" if images == 1 else _placed(text, images)
    return f"{shown}{own}\nAnswer:"


def _placed(text: str, images: int) -> str:
    """A text about several images, each behind its token and by its name."""
    named = {int(number) - 1 for number in IMAGE.findall(text)}
    return "".join(
        piece
        if isinstance(piece, str)
        else f"<image>image {piece + 1}" + "\n" * (piece not in named)
        for piece in pieces(text, images)
    )
