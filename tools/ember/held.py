"""What training must never see, because ember is scored on it: the words, names, questions and sums of held-out.json."""

import json
import re
from pathlib import Path

HELD = json.loads((Path(__file__).parent / "held-out.json").read_text())
SUM = re.compile(r"(\d+) ([-+*]) (\d+)")


def plain(question: str) -> str:
    """A question without case and punctuation."""
    return " ".join(re.findall(r"\w+", question.lower()))


def held_sums() -> set[tuple[str, int, int]]:
    """(sign, a, b); of a sum also (b, a). The mirror of a product may be learned."""
    found = set()
    for a, sign, b in (SUM.fullmatch(text).groups() for text in HELD["sums"]):
        found.add((sign, int(a), int(b)))
        if sign == "+":
            found.add((sign, int(b), int(a)))
    return found


HELD_SUMS = held_sums()
WORDS = [*HELD["subjects"], *HELD["invented"], *HELD["names"]]
WORD = re.compile(rf"\b({'|'.join(map(re.escape, WORDS))})\b", re.IGNORECASE)
QUESTIONS = {plain(row["question"]) for row in HELD["facts"]} | {plain(text) for text in (*HELD["greetings"], *HELD["beyond"])}


def is_held(text: str) -> bool:
    """Whether a message has a word or name, or is a question, that is held out."""
    return WORD.search(text) is not None or plain(text) in QUESTIONS
