"""What the models of the sandbox say: pure functions from a question to a reply; and how its tokens are counted.

A token is up to five characters that are not white space, with at most one white space before them; any
further white space is a token of its own. English text comes to about 4 bytes a token, as with real
tokenizers, and the same text always gives the same count.

Every text says what it is. None of them pretends that a model thought about the question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Every character is white space or not, so the two branches together lose none.
_TOKEN = re.compile(r"\s?\S{1,5}|\s")
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "email": "name@example.org",
    "uri": "https://example.org",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEEPEST = 12  # a schema may name itself


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: the last user message, and how many tokens it may use (None: as it likes).

    `tools`: the functions it may call. `tool_results`: what the calls since that message gave. `schema`: the JSON
    schema that its answer should fit; None for free text. `media`: what came besides text, a line each. `earlier`: what
    the user said before, `system`: the system prompt.
    """

    text: str
    max_tokens: int | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_results: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    media: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    system: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model says, and before it what it thinks aloud.

    `signature` closes its thoughts. `calls`: names and JSON arguments of functions. `sources`: addresses and titles.
    """

    text: str
    reasoning: str = ""
    signature: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()


def echo(question: Question) -> Reply:
    """The question itself, byte for byte."""
    return Reply(question.text)


def rehearsal(question: Question) -> Reply:
    """A short answer for a first visit: repeats the question and explains what has just happened."""
    return Reply(_REHEARSAL.format(question=_quoted(question.text)))


def reasoner(question: Question) -> Reply:
    """Some sentences of thinking aloud, then a short answer."""
    words = len(question.text.split())
    return Reply(
        _CONCLUSION.format(question=_quoted(question.text)),
        _THOUGHTS.format(words=words, characters=len(question.text)),
        signature=_SIGNATURE,
    )


def tools(question: Question) -> Reply:
    """Calls the offered functions (all that the question names, else the first), then tells what they gave.

    A question that says "break it: wrong" (or cut, unknown, endless) gets calls whose arguments do not fit, are no
    JSON, of a function that was not offered, again and again.
    """
    fault = re.search(r"break it: (\w+)", question.text)
    kind = fault[1] if fault is not None else ""
    if (question.tool_results and kind != "endless") or not question.tools:
        results = "".join(f"\n- `{result}`" for result in question.tool_results)
        return Reply(_TOOL_RESULTS.format(results=results) if results else _NO_TOOLS)
    functions = [function for tool in question.tools if isinstance(function := tool.get("function"), Mapping)]
    named = [function for function in functions if str(function.get("name")) in question.text]
    called = named or functions[:1]
    return Reply("", calls=tuple(_call(str(f.get("name")), fitting(f.get("parameters")), kind) for f in called))


def _call(name: str, arguments: Any, fault: str) -> tuple[str, str]:
    """A call, broken in the way that was asked for."""
    written = json.dumps({"not_a_parameter": arguments} if fault == "wrong" else arguments)
    return (f"{name}_{fault}" if fault == "unknown" else name), (written[:-1] if fault == "cut" else written)


def filler(question: Question) -> Reply:
    """A value that fits the schema of the request, as JSON; without one, the question in an object.

    A question that says "break it: cut" (or list, missing, null, prose, type) gets an answer that does not fit.
    """
    if question.schema is None:
        return Reply(json.dumps({"question": question.text}, ensure_ascii=False))
    fault = re.search(r"break it: (\w+)", question.text)
    value = fitting(question.schema)
    return Reply(json.dumps(value, ensure_ascii=False) if fault is None else broken(value, fault[1]))


def coder(question: Question) -> Reply:
    """The first block of code of the question with a remark above it; without one, a line that prints."""
    found = re.search(r"```python\n(.*?)\n```", question.text, re.DOTALL)
    code = found[1] if found is not None else f"print({len(question.text.split())}, 'words were asked')"
    return Reply(_CODE.format(code=code))


def viewer(question: Question) -> Reply:
    """What it was sent besides text: kind, format and size of each image, file, sound and film."""
    seen = "".join(f"\n- {line}" for line in question.media) or "\n- nothing but text"
    return Reply(_VIEW.format(seen=seen))


def memory(question: Question) -> Reply:
    """What it was told: the system prompt, what the user said before, and what was said now."""
    system = [f"My system prompt is: {_line(question.system)}\n"] if question.system else []
    earlier = [f"{number}. {_line(text)}" for number, text in enumerate(question.earlier, 1)]
    heading = f"Before this I was told {len(question.earlier)}:" if question.earlier else "I was told nothing before."
    return Reply("\n".join([*system, heading, *earlier, f"\nNow: {_line(question.text)}"]))


def librarian(question: Question) -> Reply:
    """The rehearsal, with sources."""
    sources = (("https://example.org/streams", "On streams"), ("https://example.org/prices", "On prices"))
    return Reply(rehearsal(question).text, sources=sources)


def essay(question: Question) -> Reply:
    """The essay once, or with more chapters if max_tokens leaves room for them: it then just fits."""
    text = "\n\n".join([_TITLE, *(_chapter(number) for number in range(1, len(_CHAPTERS) + 1))])
    tokens_left = (question.max_tokens or 0) - count_tokens(text)
    return Reply(text + "".join(f"\n\n{chapter}" for chapter in _more_chapters(tokens_left)))


def _more_chapters(tokens_left: int) -> Iterator[str]:
    number = len(_CHAPTERS) + 1
    while tokens_left > 0:
        chapter = _chapter(number)
        tokens_left -= count_tokens(chapter) + 2
        if tokens_left >= 0:
            yield chapter
        number += 1


def _chapter(number: int) -> str:
    return f"## {number}. {_CHAPTERS[(number - 1) % len(_CHAPTERS)]}"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"


def _quoted(text: str, *, most_lines: int = 6, most_characters: int = 400) -> str:
    if not text.strip():
        return "> *(nothing in words)*"
    whole = text.strip().splitlines()
    lines = text.strip()[:most_characters].splitlines()[:most_lines]
    return "\n".join(f"> {line}" for line in lines) + ("" if lines == whole else " …")


def tokens_of(text: str) -> list[str]:
    """The tokens of a text, in order; joined, they are the text again.

    >>> tokens_of("Streaming is nice")
    ['Strea', 'ming', ' is', ' nice']
    """
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """How many tokens a text has; 0 for the empty text."""
    return len(tokens_of(text))


def fitting(schema: object) -> Any:
    """A value for the schema: its default, its first example or choice, or the simplest thing of its type."""
    root = schema if isinstance(schema, Mapping) else {}
    return _value(root, root, 0)


def broken(value: Any, fault: str) -> str:
    """The value as JSON that no longer fits, in one of six ways: cut, list, missing, null, prose, type."""
    if fault == "cut":
        text = json.dumps(value, ensure_ascii=False)
        return text[: max(len(text) - 2, 1)]
    if fault == "prose":
        return "I would rather answer in words."
    changed: Any = {"list": [value], "null": None, "missing": _without_first(value), "type": _with_wrong_leaf(value)}
    return json.dumps(changed.get(fault, value), ensure_ascii=False)


def _without_first(value: Any) -> Any:
    """Without the first field of an object, of the innermost that stands alone in another."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict):
        return {name: _without_first(inner) for name, inner in value.items()}
    return dict(list(value.items())[1:]) if isinstance(value, dict) else value


def _with_wrong_leaf(value: Any) -> Any:
    """With an object in the place of the first value that is none."""
    if isinstance(value, dict) and value:
        first, *rest = value.items()
        return {first[0]: _with_wrong_leaf(first[1]), **dict(rest)}
    if isinstance(value, list) and value:
        return [_with_wrong_leaf(value[0]), *value[1:]]
    return {"not": ["what", "was", "asked"]}


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, root)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    for name in ("enum", "examples"):
        if isinstance(schema.get(name), list) and schema[name]:
            return schema[name][0]
    for name in ("anyOf", "oneOf"):
        choices = [choice for choice in schema.get(name) or [] if isinstance(choice, Mapping)]
        if choices:
            real = [choice for choice in choices if choice.get("type") != "null"]
            return _value((real or choices)[0], root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, root, depth)
    if kind == "array" and isinstance(schema.get("prefixItems"), list):
        return [_value(item, root, depth + 1) for item in schema["prefixItems"]]
    if kind == "array":
        items = schema.get("items")
        fewest = int(schema.get("minItems") or 0)
        count = 0 if depth > _DEEPEST else fewest if depth > _DEEPEST // 2 else max(1, fewest)
        return [_value(items if isinstance(items, Mapping) else {}, root, depth + 1)] * count
    if kind in ("integer", "number"):
        return _number(schema, kind)
    if kind == "string":
        return _string(schema)
    return {"boolean": True, "null": None}.get(str(kind), "rehearsal")


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    names = schema.get("required") or [] if depth > _DEEPEST // 2 else list(properties or {})
    if not isinstance(properties, Mapping) or depth > _DEEPEST:
        return {}
    inner = {name: properties[name] for name in names if isinstance(properties.get(name), Mapping)}
    return {name: _value(each, root, depth + 1) for name, each in inner.items()}


def _number(schema: Mapping[str, Any], kind: str) -> Any:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    value = low if low is not None else min(1, high) if high is not None else 1
    value += 1 if "exclusiveMinimum" in schema and "minimum" not in schema else 0
    return int(value) if kind == "integer" else value


def _string(schema: Mapping[str, Any]) -> str:
    text = _FORMATS.get(str(schema.get("format")), "rehearsal")
    text = text.ljust(int(schema.get("minLength") or 0), "x")
    return text[: int(schema["maxLength"])] if isinstance(schema.get("maxLength"), int) else text


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = root
        for key in reference[2:].split("/"):
            found = found.get(key) if isinstance(found, Mapping) else None
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**(found if isinstance(found, Mapping) else {}), **beside}
    return schema


_REHEARSAL = """\
**This is a rehearsal.** No model was asked: this text comes from the sandbox, a small OpenRouter on your \
own machine. Nothing left it, and nothing was paid.

You wrote:

{question}

### What has just happened

1. Your question went over HTTP to `127.0.0.1`, in the form in which openrouter.ai would get it.
2. These words came back **one token at a time**, and you can stop them at any moment.
3. The tokens were counted and priced. The price is exact; the money is play money.

### What to try next

| model | what it does |
|:--|:--|
| `sandbox/essay` | a long answer with headings, a table, code and a formula |
| `sandbox/reasoner` | thinks aloud before it answers |
| `sandbox/slow` | takes its time, so that you can stop it |
| `sandbox/echo` | gives back exactly what you sent |

With a key from [openrouter.ai](https://openrouter.ai/settings/keys) a model answers the same question."""
_SIGNATURE = "c2FuZGJveCByZWFzb25pbmcsIHVuY2hhbmdlZA=="
_TOOL_RESULTS = """\
The functions gave:
{results}

No model chose them: the sandbox calls what it is offered, with arguments that fit the schema."""
_NO_TOOLS = "No functions were offered. Send `tools`, and the sandbox calls one of them."
_CODE = """\
No model wrote this: it is a rehearsal of an answer that is code.

```python
# rehearsal: a model would put it right here
{code}
```"""
_VIEW = """\
No model looked at this. With the question came:
{seen}"""
_THOUGHTS = """\
The question has {words} words in {characters} characters. Before I answer, I should say what I am: a \
voice of the sandbox, with no model behind it, so I cannot know what is true about the subject. What I \
can do is show how reasoning arrives. These sentences come first, in their own field, apart from the \
answer; a client may fold them away, and they are counted and billed as output like any other token. That \
is worth saying in the answer. Now I write it."""
_CONCLUSION = """\
You asked:

{question}

**No model thought about this.** What you saw before this line was a rehearsal of *reasoning*: text that \
arrives ahead of the answer and stays apart from it.

- It came in `delta.reasoning` and, for sending back later, in `delta.reasoning_details`.
- Its tokens are in `usage.completion_tokens_details.reasoning_tokens`, and they cost what output costs.
- A request with `"reasoning": {{"exclude": true}}` thinks the same and keeps it to itself; one with \
`"reasoning": {{"effort": "none"}}` does not think at all."""
_TITLE = """\
# How an answer arrives

No model wrote this. It is the essay of the sandbox, an OpenRouter that runs on your own machine, and its \
subject is the thing you are looking at: a text that grows while you read it."""
_CHAPTERS = (
    """\
Why answers are streamed

A language model writes one token after another. A token is a short piece of text: a word, half a word, a \
comma. Someone who waits for the last of them before reading the first wastes most of the time, so the \
service passes each token on as soon as it exists. Three moments matter to a reader:

- **the first token**: until it comes, nothing shows that anybody is listening;
- **the pace**: about ten tokens a second keep up with reading aloud, a hundred are faster than anybody reads;
- **the end**: only then is it known how long the answer is, and what it cost.

A good reader of streams shows the first token at once, never falls behind the pace, and still has the \
whole text, unchanged, at the end.""",
    """\
What travels over the line

The answer is one long HTTP response. Each event is a line that begins with `data:`, followed by an empty \
line; a line that begins with a colon is a comment and only says "still here".

```text
: OPENROUTER PROCESSING

data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}

data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "lo"}}]}

data: [DONE]
```

The network knows nothing of these lines. It may deliver half an event, or five at once, or cut the \
letter *é* into two bytes and bring them apart. Whoever reads a stream must therefore first collect \
bytes, and only then look for lines.""",
    """\
Reading a stream in Python

The following function is complete. It takes pieces of bytes as they come and gives back the text:

```python
import json
from collections.abc import Iterable, Iterator


def texts(pieces: Iterable[bytes]) -> Iterator[str]:
    waiting = b""
    for piece in pieces:
        waiting += piece
        *lines, waiting = waiting.split(b"\\n")
        for line in lines:
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                event = json.loads(line.removeprefix(b"data: "))
                for choice in event["choices"]:
                    yield choice["delta"].get("content") or ""
```

Note the last element of the split: it is the line that has not ended yet, and it waits for its rest.""",
    """\
What it costs

Prices are quoted per token, for what is read and for what is written. With $n$ tokens and a price $p$ \
for each side, the cost of an answer is

$$
C = n_{\\text{prompt}} \\, p_{\\text{prompt}} + n_{\\text{completion}} \\, p_{\\text{completion}}
$$

The conversation so far is sent again with each question. If every question and every answer has $k$ \
tokens, the $m$-th question carries $(2m - 1)\\,k$ of them, and a whole conversation reads

$$
\\sum_{i=1}^{m} (2i - 1)\\,k = m^2 k
$$

tokens. That is why long conversations become dear:

| questions | tokens read, at $k = 200$ | at $3 a million |
|--:|--:|--:|
| 1 | 200 | $0.0006 |
| 10 | 20,000 | $0.06 |
| 50 | 500,000 | $1.50 |
| 100 | 2,000,000 | $6.00 |

Sums like these should be made with decimal numbers. Binary fractions cannot hold a tenth of a cent.""",
    """\
Stopping

To stop an answer, a client closes the connection. There is no message for it. The service notices that \
nobody is there any more, stops the model, and charges for what was written until then:

1. the client hangs up;
2. the service sees the closed connection at its next token;
3. the record of the answer says *cancelled*, with the tokens and the price up to that point.

The last event of a stream holds the price, and a stream that was stopped never gets that far. Its price \
has to be asked for afterwards, by the identity that stood in the header of the answer. The sandbox \
behaves the same way. Stop this text while it grows, and ask.""",
)
