"""What transformers makes of real chat templates: 30 conversations under each, with tools and without, answer opened and not.

    python tools/oracle/templates.py OUT.json [FOLDER]     # FOLDER holds NAME.jinja files; by default those that vectors.py fetches

`cargo run -p wick-text --example templates -- OUT.json` renders the same and prints the table. The clock stands still, so that
dates are comparable; bos and eos are `<s>` and `</s>` everywhere.
"""

import datetime
import json
import sys
from pathlib import Path

import vectors
from transformers.utils import chat_template_utils

CLOCK = 1_767_331_445  # Seconds since 1970; printed in the machine's own time zone, on both sides.


class StoppedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(CLOCK, tz)


chat_template_utils.datetime = StoppedClock

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'Weather "now" <b>& soon</b>, in °C',
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city, e.g. Zürich"},
                "days": {"type": "integer", "default": 1, "enum": [1, 3, 7]},
                "detail": {"type": "object", "properties": {"wind": {"type": "boolean"}, "hours": {"type": "array", "items": {"type": "number"}}}},
            },
            "required": ["city"],
        },
    },
}
SUM = {
    "type": "function",
    "function": {
        "name": "sum",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": ["number", "null"]}}, "required": ["a", "b"]},
        "return": {"type": "number", "description": "The sum."},
    },
}
# What the authors of templates had in mind, and what JSON schemas may also hold.
PLAIN = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"What {name} does.",
            "parameters": {
                "type": "object",
                "properties": {argument: {"type": "string", "description": f"The {argument}.", "enum": ["Bern", "Zürich"]}, "days": {"type": "integer"}},
                "required": [argument],
            },
        },
    }
    for name, argument in (("get_weather", "city"), ("sum", "of"))
]
TOOLS = {"none": None, "plain": PLAIN, "rich": [WEATHER, SUM]}


def user(content, **more):
    return {"role": "user", "content": content, **more}


def said(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, id="abc123def"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(content, name="get_weather", id="abc123def"):
    return {"role": "tool", "content": content, "name": name, "tool_call_id": id}


def text(*texts):
    return [{"type": "text", "text": part} for part in texts]


ZURICH = call("get_weather", {"city": "Zürich", "days": 3})
ADDED = call("sum", {"a": 1.5, "b": None}, "def456abc")
ASKED = [user("Weather in Zürich?"), said("", tool_calls=[ZURICH])]

# name, messages, further variables.
CONVERSATIONS = [
    ("one question", [user("Hello")], {}),
    ("a system message", [system("You are a lighthouse keeper."), user("Who are you?")], {}),
    ("several turns", [user("One"), said("Two"), user("Three"), said("Four"), user("Five")], {"functions": "[]", "datetime": "2025-02-01"}),
    ("system and turns", [system("Be brief."), user("One"), said("Two"), user("Three")], {}),
    ("the answer last", [user("One"), said("Two")], {}),
    ("a call and its result", [*ASKED, result('{"temp": 12.5, "sky": "grey"}')], {}),
    ("a call, its result and an answer", [system("Use tools."), *ASKED, result("12"), said("It is 12 °C."), user("Thanks")], {}),
    ("a call without result yet", ASKED, {}),
    ("parallel calls", [user("Both"), said("", tool_calls=[ZURICH, ADDED]), result("12"), result("1.5", "sum", "def456abc")], {}),
    ("text beside a call", [user("Weather?"), said("Let me look.", tool_calls=[ZURICH]), result("12"), said("12."), user("And tomorrow?")], {}),
    ("a call without content", [user("Weather?"), said(None, tool_calls=[ZURICH]), result("12")], {}),
    ("arguments as text", [user("Weather?"), said("", tool_calls=[call("get_weather", '{"city": "Zürich"}')]), result("12")], {}),
    ("calls in two rounds", [*ASKED, result("12"), said("", tool_calls=[ADDED]), result("2", "sum", "def456abc"), said("Done."), user("Good")], {}),
    ("a result that is an object", [*ASKED, result({"temp": 12, "ok": True, "wind": None})], {}),
    ("reasoning", [user("2 + 2?"), said("4", reasoning_content="Two and two."), user("3 + 3?")], {}),
    ("reasoning, the answer last", [user("2 + 2?"), said("4", reasoning_content="Two\n\nand two.\n")], {}),
    ("reasoning before a call", [user("Weather?"), said("", reasoning_content="I must look.", tool_calls=[ZURICH]), result("12")], {}),
    ("reasoning inside the text", [user("2 + 2?"), said("<think>\nTwo and two.\n</think>\n\n4"), user("3 + 3?")], {}),
    ("thinking switched off", [user("Hello")], {"enable_thinking": False, "thinking": False}),
    ("thinking switched on", [system("Think."), user("Hello"), said("Hi", reasoning_content="A greeting."), user("Bye")], {"enable_thinking": True, "thinking": True}),
    ("effort", [user("Hello")], {"reasoning_effort": "low", "thinking_budget": 512, "functions": "[]", "datetime": "now"}),
    ("empty content", [system(""), user(""), said(""), user(" ")], {}),
    ("space around", [system("  Be brief.\n"), user("\n  One \n"), said(" Two\n\n"), user("\tThree  ")], {}),
    ("content in parts", [system("Be brief."), user(text("Hello ", "there")), said(text("Hi")), user(text("Bye"))], {}),
    ("names", [user("Hello", name="ann"), said("Hi", name="bot"), user("Bye", name="ben")], {}),
    ("quotes, escapes and scripts", [user("\"'\\ <b>&amp; \u2028 {{ x }} {% y %}\n\té 日本 🦊 \x7f")], {}),
    ("words that templates look for", [user("[INST] a [/INST] <|im_end|> /no_think <tool_response>x</tool_response>")], {}),
    ("documents", [user("Who?")], {"documents": [{"title": "One", "text": "Keeper: Ann."}, {"title": "Two", "text": "Nobody."}]}),
    ("two questions in a row", [user("One"), user("Two")], {}),
    ("a developer message and a date", [{"role": "developer", "content": "Be kind."}, user("Hello")], {"date_string": "01 Feb 2025"}),
]


def render(template: str, messages: list, tools: list | None, opened: bool, variables: dict) -> dict:
    """The text, or what was raised: `refused` holds the template's own words."""
    from jinja2.exceptions import TemplateError, TemplateRuntimeError

    variables = {"bos_token": "<s>", "eos_token": "</s>"} | variables
    try:
        chats, _ = chat_template_utils.render_jinja_template(
            [messages], chat_template=template, tools=tools, add_generation_prompt=opened, **variables
        )
        return {"text": chats[0]}
    except Exception as error:
        own_words = type(error) is TemplateError
        return {"refused" if own_words else "failed": str(error)}


def main() -> None:
    out, *folder = map(Path, sys.argv[1:])
    folder = folder[0] if folder else vectors.models() / "templates"
    templates = {path.stem: path.read_text() for path in sorted(folder.glob("*.jinja"))}
    expected = {
        name: [
            {"chat": chat, "tools": tools, "opened": opened}
            | render(source, messages, schemas, opened, variables)
            for chat, (_, messages, variables) in enumerate(CONVERSATIONS)
            for tools, schemas in TOOLS.items()
            for opened in (False, True)
        ]
        for name, source in templates.items()
    }
    chats = [{"name": name, "messages": messages, "variables": variables} for name, messages, variables in CONVERSATIONS]
    out.write_text(json.dumps({"clock": CLOCK, "tools": TOOLS, "chats": chats, "templates": templates, "expected": expected}))


main()
