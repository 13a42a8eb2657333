"""Writes the text that ember learns from: chats with stories, questions about wick, sums, greetings, and what is too much to ask.

A story is a plot of `plots.py` told with one cast, so that who and what was named first is named to the end. A quarter of the
subjects are words nobody has: to tell of them a model must copy the prompt, which is what it then does with yours. Facts are
rows of `facts.py`, sums come from `sums.py`, small talk from `talk.py`. No chat has anything that is held out (`held.py`).

A message is `{role, content}` as Hugging Face's templates take it, so that chats with `tools`, `tool_calls` and the role `tool`
can be added here and need no new vocabulary: tokenizer.py has their markers.

    python tools/ember/generator.py 5 [SEED]      # prints five chats
"""

import random
import re
import sys
from dataclasses import dataclass

import plots
import sums
import words
from facts import FACTS, FILLERS, FRONTS, HOW, WHERE
from held import is_held
from talk import TALK

CHOICE = re.compile(r"\[([^\[\]]*)\]")
HOLE = re.compile(r"\{(\w+)\}")
# A sentence begins with the text, or after one that ended; what follows `?"` goes on ("... in?" it asked).
SENTENCE_START = re.compile(r'((?:^|[.!?] |\." )"?)([a-z])')
PRONOUNS = {
    "it": ("it", "it", "its", "was"),
    "she": ("she", "her", "her", "was"),
    "he": ("he", "him", "his", "was"),
    "they": ("they", "them", "their", "were"),
}


@dataclass
class Subject:
    """What a story is about. `asked`: as in the prompt; `first`: its first mention; `name`: every later one."""

    asked: str
    first: str
    name: str
    noun: str
    kind: str
    pronoun: str


def fill(text: str, cast: dict, rng: random.Random) -> str:
    """`text` with choices made and holes filled, both possibly nested in what is filled in."""
    while True:
        new = CHOICE.sub(lambda m: rng.choice(m[1].split("|")), text)
        new = HOLE.sub(lambda m: cast[m[1]], new)
        if new == text:
            return text
        text = new


def with_article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def invented(rng: random.Random) -> str:
    """A word that nobody has: of syllables, of letters in an order that English allows, or grown from two words."""
    dice = rng.random()
    if dice < 0.3:
        return "".join(rng.choice(words.SYLLABLES) for _ in range(rng.choice((1, 2, 2, 3)))) + rng.choice(words.CODAS)
    if dice < 0.6:
        syllables = (rng.choice(words.ONSETS) + rng.choice(words.NUCLEI) + rng.choice(words.CLOSES) for _ in range(rng.choice((1, 1, 2))))
        return "".join(syllables) + rng.choice(words.SUFFIXES)
    return grown(rng)


def grown(rng: random.Random) -> str:
    """The head of one noun and the tail of another, often with a letter doubled: "accorddion" is spelled as real words are."""
    head, tail = (rng.choice(NOUNS[rng.choice(list(NOUNS))]).replace("-", "") for _ in range(2))
    word = head[: rng.randint(2, len(head))] + tail[-rng.randint(2, min(5, len(tail))) :]
    if rng.random() < 0.4:
        at = rng.randrange(1, len(word))
        word = word[:at] + word[at] + word[at:]
    return word


def plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh", "z")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


NOUNS = {"place": words.PLACES, "thing": words.THINGS, "creature": words.CREATURES, "person": words.PEOPLE}


def named(rng: random.Random) -> Subject:
    """Somebody with a name: known or invented, alone or with what they are ("Tom the fox"). Or somewhere with one."""
    pronoun = rng.choice(("she", "he"))
    name = rng.choice(words.FEMALE if pronoun == "she" else words.MALE)
    if rng.random() < 0.4:
        name = invented(rng).capitalize()
        if rng.random() < 0.4:
            return Subject(name, name, name, name, "place", "it")
    if rng.random() < 0.12:
        name = f"{name} {invented(rng).capitalize()}"
    first = name
    if rng.random() < 0.3:
        first = f"{name} the {rng.choice(words.CREATURES + words.PEOPLE)}".replace("-", " ")
    return Subject(first, first, name, name, "being", pronoun)


def subject(rng: random.Random, being: bool = False) -> Subject:
    """Any subject; with `being`, one that acts."""
    dice = rng.random()
    if dice < 0.1:
        return named(rng)
    if dice < 0.14:
        noun = rng.choice(words.NATURE).replace("-", " ")
        return Subject(f"the {noun}", f"the {noun}", f"the {noun}", noun, "being", "it")
    if dice < 0.18 and not being:
        noun = rng.choice(words.STUFF)
        return Subject(noun, noun, noun, noun, "stuff", "it")
    return common(rng, being)


def common(rng: random.Random, being: bool) -> Subject:
    """A common noun, with adjectives, compounds, plurals and "with a golden key" as chance has it."""
    group = rng.choice(("creature", "person") if being else ("place", "thing", "creature", "creature", "person"))
    noun = rng.choice(NOUNS[group])
    if rng.random() < 0.25:
        noun = invented(rng)
    if rng.random() < 0.12:
        front = rng.choice(NOUNS[rng.choice(list(NOUNS))]) if rng.random() < 0.7 else invented(rng)
        noun = f"{front} {noun}"
    if rng.random() < 0.03:
        noun = f"{rng.choice(words.PEOPLE)}'s {noun}"
    noun = noun.replace("-", " ")
    for _ in range(rng.choices((0, 1, 2), (55, 37, 8))[0]):
        noun = f"{rng.choice(words.ADJECTIVES)} {noun}"
    kind = "being" if group in ("creature", "person") else group
    pronoun = {"person": rng.choice(("she", "he")), "creature": rng.choice(("it", "it", "she", "he"))}.get(group, "it")
    pronoun = words.GENDER.get(noun.split()[-1], pronoun)
    if rng.random() < 0.08:
        return several(rng, plural(noun), kind)
    tail = f" {rng.choice(words.TAILS)}" if rng.random() < 0.1 else ""
    article = rng.choices((f"the {noun}", with_article(noun), f"my {noun}", noun), (60, 33, 4, 3))[0]
    return Subject(article + tail, with_article(noun) + tail, f"the {noun}", noun, kind, pronoun)


def several(rng: random.Random, many: str, kind: str) -> Subject:
    """More than one: "foxes", "the foxes", "three foxes"."""
    count = rng.choice(("two", "three", "four", "five", "seven", "ten", "some"))
    if count == "some" or rng.random() < 0.6:
        return Subject(rng.choice((many, f"the {many}")), f"some {many}", f"the {many}", many, kind, "they")
    return Subject(rng.choice(("", "the ")) + f"{count} {many}", f"{count} {many}", f"the {count} {many}", many, kind, "they")


def story(rng: random.Random, about: Subject, also: Subject | None = None) -> str:
    """One story about `about` (and `also`): a plot, a cast, and a way to say each sentence."""
    person = rng.choice((("she", words.FEMALE), ("he", words.MALE)))
    he, him, his, _ = PRONOUNS[person[0]]
    c = rng.choice(person[1])
    visitor, visitor_first = rng.choice(words.VISITORS)
    thing = rng.choice(words.OBJECTS)
    friend = rng.choice([f for f in words.FRIENDS if f not in about.noun])
    opens, weather, ends = words.WEATHER[rng.choice(list(words.WEATHER))]
    it, obj, its, was = PRONOUNS[about.pronoun]
    trade = words.KEEPERS.get(about.noun.split()[-1], rng.choice(words.TRADES))
    cast = {
        "s": about.name, "a": about.first, "n": about.noun, "it": it, "obj": obj, "its": its, "was": was,
        "c": c, "ci": rng.choice((f"{with_article(trade)} named {c}", c, f"{c} the {trade}", f"a {'girl' if he == 'she' else 'boy'} called {c}")),
        "he": he, "him": him, "his": his,
        "v": visitor, "vi": visitor_first, "f": f"the {friend}", "fi": f"{rng.choice(('a young', 'an old', 'a small'))} {friend}",
        "o": f"the {thing}", "oi": with_article(thing), "on": thing, "food": rng.choice(words.FOODS),
        "land": rng.choice([land for land in words.LANDS if land not in about.noun]), "wopen": rng.choice(opens), "w": weather, "wend": ends,
    }  # fmt: skip
    if also is not None:
        cast |= {"t": also.name, "ta": also.first, "tit": PRONOUNS[also.pronoun][0], "tits": PRONOUNS[also.pronoun][2]}
    table = {"place": plots.PLACE, "thing": plots.THING, "being": plots.BEING, "stuff": plots.STUFF}[about.kind]
    plot = rng.choice(plots.PAIR if also is not None else table)
    sentences = (fill(rng.choice(ways), cast, rng) for ways in plot)
    return " ".join(SENTENCE_START.sub(lambda m: m[1] + m[2].upper(), sentence) for sentence in sentences)


ASK = [
    "[Tell me|tell me|Please tell me|Can you tell me|Could you tell me] [about|a story about|a short story about|something about] {p}{end}",
    "Tell me about {p}{end}",
    "Tell me a story about {p}{end}",
    "[Write|Write me|Make up|Give me|Invent] a [story|short story|little story|tale] about {p}{end}",
    "[A story about|Story about|A short story about|Something about] {p}[, please|][.|]",
    "[I want|I would like|I'd like|I'd love] [to hear about|a story about|to hear a story about] {p}{end}",
    "[Do you know|Have you got] a story about {p}?",
    "[What do you know about|What happened to|What about|How about] {p}?",
    "[Now|And now|And|Next,|Another one,] [tell me about|a story about|one about|about] {p}{end}",
    "{p}{end}",
]
ASK_ANY = [
    "[Tell me|Please tell me|Can you tell me] [a story|another story|a short story|something|a bedtime story|a fairy tale][.|!||?]",
    "[Another one|One more|Another story|More|Again][, please|][.|!|]",
    "[Surprise me|Tell me anything|Start|Begin|Go on|I am bored|I cannot sleep][.|!|]",
]


def ask(rng: random.Random) -> tuple[str, str]:
    """Somebody asks for a story, and gets it."""
    if rng.random() < 0.06:
        return fill(rng.choice(ASK_ANY), {}, rng), story(rng, subject(rng))
    about = subject(rng)
    also = subject(rng, being=True) if about.kind == "being" and rng.random() < 0.12 else None
    wanted = about.asked if also is None else f"{about.asked} and {also.asked}"
    prompt = fill(rng.choice(ASK), {"p": wanted, "end": rng.choice((".", ".", ".", ".", "", "", "!", "?"))}, rng)
    if rng.random() < 0.9:
        prompt = prompt[0].upper() + prompt[1:]
    return prompt, story(rng, about, also)


def talk(rng: random.Random, topic: str) -> tuple[str, str]:
    questions, answers = TALK[topic]
    cast = {"n": rng.choice(NOUNS[rng.choice(list(NOUNS))]).replace("-", " "), "for": rng.choice(("", "", " for me", " please"))}
    question = fill(rng.choice(questions), cast, rng)
    return (question.lower() if rng.random() < 0.15 else question), fill(rng.choice(answers), cast, rng)


ECHO = ["[Say|Repeat|Echo|Write]{colon} {p}{end}", "[Repeat after me|Say this|Please repeat|Copy this]: {p}", "Can you say {p}?"]


def echo(rng: random.Random, most: int = 4) -> tuple[str, str]:
    """Words to say back, up to `most`. Nothing can be said right here without looking at the prompt."""
    nouns = NOUNS[rng.choice(list(NOUNS))]
    said = " ".join(invented(rng) if rng.random() < 0.5 else rng.choice(nouns) for _ in range(rng.randint(1, most)))
    said = said.replace("-", " ")
    cast = {"p": said, "end": rng.choice((".", "", "!")), "colon": rng.choice(("", ":"))}
    return fill(rng.choice(ECHO), cast, rng), f"You said {said}."


NAMED = ["[Hi|Hello|Hey|Good morning|Good evening][,|!|.| there,| ember,] [I am|I'm|my name is|this is] {name}[.|!|]", "[I am|My name is] {name}[.|!]"]
NAMED_ANSWER = ["[Hello|Hi], {name}! I am ember. [What shall I tell you a story about?|Would you like to hear a story?|How can I help you?]"]

SYSTEM = [
    "You are a helpful assistant.", "You are ember, a small storyteller.", "You tell short stories.", "Be brief.", "Answer in one sentence.",
    "Today is Monday.", "You are a friendly chatbot.", "Answer in English.",
]  # fmt: skip


def greeting(rng: random.Random) -> tuple[str, str]:
    """Somebody says who they are, and is greeted by that name."""
    name = rng.choice(words.FEMALE + words.MALE) if rng.random() < 0.5 else invented(rng).capitalize()
    cast = {"name": name}
    return fill(rng.choice(NAMED), cast, rng), fill(rng.choice(NAMED_ANSWER), cast, rng)


def fact(rng: random.Random) -> tuple[str, str]:
    """A question about wick, in one of many wordings, and what the documentation says."""
    tasks, questions, answer = rng.choice(FACTS)
    of_task = tasks and (not questions or rng.random() < 0.6)
    # A task holds choices, not holes, so it goes into the wording before choices are made.
    question = rng.choice(HOW).replace("{do}", rng.choice(tasks)) if of_task else rng.choice(questions)
    question = fill(question, {"wick": rng.choice(WHERE)}, rng).strip()
    if rng.random() < 0.25:
        question = " ".join(word for word in question.split() if word.lower() not in FILLERS or rng.random() < 0.5) or question
    front = rng.choice(FRONTS)
    if front and not question.startswith("I "):
        question = front + question[0].lower() + question[1:]
    if rng.random() < 0.15:
        question = question.lower()
    if rng.random() < 0.1:
        question = question.rstrip("?.")
    return question, answer


def exchanges(rng: random.Random) -> list[tuple[str, str]]:
    """Questions and answers of one chat. Facts and sums are short, so several come together, and a step is spent on learning."""
    kind = rng.choices(("story", "facts", "sums", "talk", "echo"), (40, 21, 22, 13, 4))[0]
    if kind == "story":
        turns = [ask(rng)]
    elif kind == "facts":
        turns = [fact(rng) for _ in range(rng.randint(1, 5))]
    elif kind == "sums":
        turns = [sums.ask(rng, fill) for _ in range(rng.randint(1, 12))]
    elif kind == "echo":
        turns = [echo(rng, most=rng.choice((1, 4, 12)))]
    else:
        turns = [greeting(rng) if rng.random() < 0.3 else talk(rng, rng.choice(list(TALK)))]
        if rng.random() < 0.4:
            turns.append(rng.choice((ask, fact, lambda r: sums.ask(r, fill)))(rng))
    if rng.random() < 0.1:
        turns.append(talk(rng, rng.choice(("thanks", "goodbye", "thanks", "identity", "wick"))))
    if rng.random() < 0.08:
        turns.append(rng.choice((ask, ask, fact))(rng))
    return turns


def chat(rng: random.Random) -> list[dict]:
    """One conversation, as messages, without anything that is held out."""
    while True:
        messages = [{"role": "system", "content": rng.choice(SYSTEM)}] if rng.random() < 0.08 else []
        for question, answer in exchanges(rng):
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        if not any(is_held(message["content"]) for message in messages):
            return messages


def tale(rng: random.Random) -> str:
    """A story nobody asked for, for text that is continued without a chat."""
    while is_held(text := story(rng, subject(rng))):
        pass
    return text


if __name__ == "__main__":
    source = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    for _ in range(int(sys.argv[1])):
        print("\n".join(f"{m['role']}: {m['content']}" for m in chat(source)), end="\n\n")
