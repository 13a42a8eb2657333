"""Arithmetic for ember: questions in figures and words, and answers that show their steps.

A digit is a token. A sum of two digits each is made from its tens and its ones, so that every step is one that can be known by
heart: "37 + 45 = 70 + 12 = 82." What held-out.json asks is never asked here.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from held import HELD_SUMS

NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
LIMITS = "I add and subtract numbers below 100, and multiply up to 10."


@dataclass
class Operation:
    """`most` is the largest operand; `steps` the answer after the question's own figures."""

    sign: str
    most: int
    steps: Callable[[int, int], str]
    asked: list[str]


def plus(a: int, b: int) -> str:
    if a < 10 and b < 10 or a % 10 == 0 or b % 10 == 0:
        return f"{a + b}"
    return f"{a // 10 * 10 + b // 10 * 10} + {a % 10 + b % 10} = {a + b}"


def minus(a: int, b: int) -> str:
    if b < 10 or b % 10 == 0:
        return f"{a - b}"
    tens = a - b // 10 * 10
    return f"{tens} - {b % 10} = {a - b}"


OPERATIONS = [
    Operation("+", 99, plus, [
        "[What is|What's|How much is|] {a} [plus|+|and] {b}?", "[Add|Please add|Can you add] {a} and {b}{end}",
        "What is the sum of {a} and {b}?", "{a} [+|plus] {b}{end}", "{a}+{b}[?|=|]",
    ]),
    Operation("-", 99, minus, [
        "[What is|What's|How much is|] {a} [minus|-] {b}?", "[Subtract|Please subtract|Take] {b} from {a}{end}",
        "What is the difference between {a} and {b}?", "{a} [-|minus] {b}{end}", "{a}-{b}[?|=|]",
    ]),
    Operation("*", 10, lambda a, b: f"{a * b}", [
        "[What is|What's|How much is|] {a} [times|*|x|multiplied by] {b}?", "[Multiply|Please multiply] {a} by {b}{end}",
        "What is the product of {a} and {b}?", "{a} [*|times|x] {b}{end}", "{a}*{b}[?|=|]",
    ]),
]  # fmt: skip
FRONTS = ["[Calculate|Compute|Work out|Please calculate]: "] + [""] * 7
TOO_HARD = "[What is|How much is|Calculate|] {a} [plus|minus|times|divided by|+|-|*|/] {b}[?|]"
DIVIDED = "[What is|How much is|Calculate|] {c} [divided by|/] {d}[?|]"


def operands(rng: random.Random, operation: Operation) -> tuple[int, int]:
    """A pair that is not held out; of a difference the larger one first."""
    while True:
        most = rng.choice((operation.most, operation.most, operation.most, 20)) if operation.most > 20 else operation.most
        a, b = rng.randint(0, most), rng.randint(0, most)
        if operation.sign == "-":
            a, b = max(a, b), min(a, b)
        if (operation.sign, a, b) not in HELD_SUMS:
            return a, b


def written(rng: random.Random, number: int, words: bool) -> str:
    return NUMBERS[number] if words and number < len(NUMBERS) else str(number)


def ask(rng: random.Random, fill: Callable[[str, dict, random.Random], str]) -> tuple[str, str]:
    """A question and its answer; one in twenty is beyond what ember does, and it says so."""
    if rng.random() < 0.05:
        a, b = rng.randint(101, 9999), rng.randint(2, 999)
        cast = {"a": str(a), "b": str(b), "c": str(rng.randint(2, 999)), "d": str(rng.randint(2, 99))}
        return fill(rng.choice((TOO_HARD, TOO_HARD, DIVIDED)), cast, rng).strip(), f"That is too hard for me. {LIMITS}"
    operation = rng.choices(OPERATIONS, (45, 40, 15))[0]
    a, b = operands(rng, operation)
    words = rng.random() < 0.12
    cast = {"a": written(rng, a, words), "b": written(rng, b, words), "end": rng.choice(("", ".", "?", " =", "!"))}
    question = fill(rng.choice(FRONTS) + rng.choice(operation.asked), cast, rng).strip()
    if rng.random() < 0.03 and operation.sign == "-" and b < a:
        return fill(f"[What is|] {b} [-|minus] {a}[?|]", {}, rng).strip(), "That is below zero, and there I do not count."
    return question, f"{a} {operation.sign} {b} = {operation.steps(a, b)}."
