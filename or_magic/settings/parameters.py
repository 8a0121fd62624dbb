"""Every parameter of a request, once: what it is, which values it takes, and the rules that need more than a type.

From the table of all of them, `PARAMETERS`, come the flags of a cell, ``%openrouter set``, ``%config``, the
settings file, the arguments of `or_magic.ask`, their help, and docs/parameters.md.

Names, ranges and places are those of openrouter.ai's API reference and its SDK 1.3.84 (2026-11).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Literal

import msgspec

from or_magic.settings.value_types import (
    Either,
    Extras,
    Json,
    Number,
    Pairs,
    Several,
    Switch,
    Text,
    TextOrObject,
    ValueType,
    json_object,
    json_objects,
    one_of,
    whole,
)

Location = Literal["body", "header", "variant"]
UNSET_WORD = "unset"


class _Unset:
    def __repr__(self) -> str:
        return UNSET_WORD


UNSET = _Unset()  # the value of a parameter that is not to be sent, whatever lower layers say


class Parameter(msgspec.Struct, frozen=True):
    """One parameter.

    Attributes:
        name: as the API has it, with dots for what is inside an object.
        type: the type of its value.
        help: one line.
        example: as it would be typed; for the help and the tests.
        group: where it stands in the help.
        flag: its flag where that is not ``--`` and the name with dashes.
        short: its short flag, or "".
        place: in the body (at `name`), as a header (`header`), or as a suffix of the model id.
        header: the header's name.
        needs: the ability that a model must list for it to have an effect; "" where it needs none, None for its name.
        is_private: about the user: it is not written into the notebook.
    """

    name: str
    type: ValueType
    help: str
    example: str
    group: str
    flag: str = ""
    short: str = ""
    place: Location = "body"
    header: str = ""
    needs: str | None = ""
    is_private: bool = False

    @property
    def long_flag(self) -> str:
        """Its flag, such as ``--max-tokens``."""
        return self.flag or "--" + self.name.replace("_", "-")

    @property
    def ability(self) -> str:
        """What a model must list for it to have an effect; "" where it needs nothing."""
        return self.name if self.needs is None else self.needs

    @property
    def is_repeatable(self) -> bool:
        """Whether its flag may stand several times."""
        return isinstance(self.type, Several | Extras)

    @property
    def plain_name(self) -> str:
        """Its name with underscores alone: in ``%config`` and, in capitals behind ``OR_MAGIC_``, the environment."""
        return self.name.replace(".", "_")

    def added(self, value: Any, more: Any, source: str) -> Any:
        """The value of a flag that stands twice.

        Raises:
            CommandError: both together are too many.
        """
        return value | more if isinstance(value, dict) else self.check([*value, *more], source)

    def parse(self, text: str, source: str) -> Any:
        """The value of what was typed.

        Raises:
            CommandError: it cannot be one; the message names `source`.
        """
        return self.type.read(text.strip(), source, is_typed=True)

    def check(self, value: Any, source: str) -> Any:
        """The value of a Python object.

        Raises:
            CommandError: it cannot be one; the message names `source`.
        """
        return self.type.read(value, source, is_typed=False)


def _strings(value: Any, *, most: int, name_length: int, value_length: int) -> dict[str, str]:
    pairs = {str(name): text for name, text in json_object(value).items()}
    fits = all(len(n) <= name_length and isinstance(t, str) and len(t) <= value_length for n, t in pairs.items())
    if len(pairs) > most or not fits:
        raise ValueError(f"at most {most} names of {name_length} characters with texts of {value_length}")
    return pairs


def metadata(value: Any) -> dict[str, str]:
    """A rule: at most 16 names of 64 characters with texts of 512."""
    return _strings(value, most=16, name_length=64, value_length=512)


def biases_of(value: Any) -> dict[str, float]:
    """A rule: token numbers with a bias from -100 to 100."""
    biases = {str(token): bias for token, bias in json_object(value).items()}
    for token, bias in biases.items():
        if not token.isdecimal() or isinstance(bias, bool) or not isinstance(bias, int | float) or abs(bias) > 100:
            raise ValueError('token numbers with a bias from -100 to 100: {"50256": -100}')
    return biases


def prices(value: Any) -> dict[str, str]:
    """Prices as the API wants them: texts, in USD per million tokens."""
    names = ("prompt", "completion", "request", "image", "audio")
    prices = {name: str(price) for name, price in json_object(value).items()}
    for name, price in prices.items():
        if name not in names or not price.replace(".", "", 1).isdecimal():
            raise ValueError(f"USD per million tokens, for {', '.join(names)}: prompt=1,completion=2.5")
    return prices


def percentiles(value: Any) -> dict[str, Any]:
    """A rule: amounts by percentile."""
    wanted = json_object(value)
    if not set(wanted) <= {"p50", "p75", "p90", "p99"}:
        raise ValueError('a number, or some of {"p50": 1, "p75": 1, "p90": 1, "p99": 1}')
    return wanted


def cache_control(value: Any) -> dict[str, Any]:
    """A rule: the object that ``ephemeral``, ``5m`` or ``1h`` stands for, or an object."""
    if value in ("ephemeral", "5m", "1h"):
        return {"type": "ephemeral"} | ({"ttl": value} if value != "ephemeral" else {})
    return json_object(value)


def response_format(value: Any) -> dict[str, Any]:
    """A rule: the object that a form's name stands for, or an object."""
    return {"type": value} if isinstance(value, str) else json_object(value)


def plugin(value: Any) -> dict[str, Any]:
    """A rule: the object that a plugin's id stands for, or an object with an id."""
    chosen = {"id": value} if isinstance(value, str) else json_object(value)
    if not chosen.get("id"):
        raise ValueError('the id of a plugin such as web, or {"id": "web", "max_results": 3}')
    return chosen


def prediction(value: Any) -> dict[str, Any]:
    """A rule: the object that a text stands for, or an object."""
    return {"type": "content", "content": value} if isinstance(value, str) else json_object(value)


_ON = Switch()
_OBJECT = Json(rule=json_object)
_OBJECTS = Json(rule=json_objects)
_SLUGS = Several(Text("SLUG", 200))
_MODELS = Several(Text("MODEL", 300, name_of="model"))
_SPEED = Either((Number(0, 1e12), Json("JSON", percentiles)))
_SORT = Either((one_of("price", "throughput", "latency", "exacto"), _OBJECT))
_TIERS = one_of("auto", "default", "fast", "flex", "priority", "scale", "ultrafast")
_EFFORT = one_of("max", "xhigh", "high", "medium", "low", "minimal", "none", off="none")
_PRECISIONS = Several(one_of(*"int4 int8 fp4 mxfp4 nvfp4 fp6 fp8 mxfp8 fp16 bf16 fp32 unknown".split()))
_TOOL_CHOICE = Either((one_of("none", "auto", "required", off="none"), _OBJECT))
_STEPS = '[{"type": "step_count_is", "step_count": 3}]'
_DEFERRED = '{"protocol": "v1", "profile": "portable", "search": {"type": "bm25"}, "validation": "runtime"}'
_of_sampling = partial(Parameter, group="sampling", needs=None)
_of_routing = partial(Parameter, group="routing")
_of_reasoning = partial(Parameter, group="reasoning", needs="reasoning")
_of_answers = partial(Parameter, group="answers")
_of_account = partial(Parameter, group="account", is_private=True)
_header = partial(_of_account, place="header")
_variant = partial(Parameter, type=_ON, example="on", group="routing", place="variant")
_TEXT_TO_FOLLOW = TextOrObject(prediction)
_FORM = TextOrObject(response_format, ("text", "json_object"))
_PLUGINS = Several(TextOrObject(plugin, what="ID"), comma=False)
_CACHE = TextOrObject(cache_control, ("ephemeral", "5m", "1h"))
_MOST_EXPENSIVE = Pairs("prompt=USD,completion=USD", prices)
_SEED = Number(-(2**53), 2**53, is_whole=True)
# fmt: off
SAMPLING = (
    _of_sampling("temperature", Number(0, 2), "how freely words are chosen", "0.2", short="-t"),
    _of_sampling("top_p", Number(0, 1), "choose among the likeliest words of this share", "0.9"),
    _of_sampling("top_k", whole(0), "choose among so many words", "40"),
    _of_sampling("min_p", Number(0, 1), "leave out words less likely than this share of the likeliest", "0.05"),
    _of_sampling("top_a", Number(0, 1), "leave out words less likely than this share of the likeliest, squared", "0.1"),
    _of_sampling("frequency_penalty", Number(-2, 2), "against words by how often they came", "0.5"),
    _of_sampling("presence_penalty", Number(-2, 2), "against words that came at all", "0.5"),
    _of_sampling("repetition_penalty", Number(0, 2), "against repeating the prompt; 1 is none", "1.1"),
    _of_sampling("seed", _SEED, "for the same answer again, where the model can", "7"),
    _of_sampling("max_tokens", whole(1), "at most so many tokens of answer", "500"),
    _of_sampling("max_completion_tokens", whole(1), "at most so many tokens of answer and reasoning", "500",
                 needs=""),
    _of_sampling("stop", Several(Text("TEXT", 1000), 4, comma=False), "end before this text; up to four times", "END"),
    _of_sampling("logit_bias", Json(rule=biases_of), "make tokens likelier or less likely", '{"50256": -100}'),
    _of_sampling("logprobs", _ON, "tell how likely each token was (answer.logprobs)", "on"),
    _of_sampling("top_logprobs", whole(0, 20), "and those of so many others", "3"),
    _of_sampling("prediction", _TEXT_TO_FOLLOW, "a text that most of the answer will equal", "x = 1", needs=""),
)
ROUTING = (
    _of_routing("models", _MODELS, "a model to ask where the first fails; several in this order",
                "openai/gpt-5-mini", flag="--fallback"),
    _of_routing("provider", _OBJECT, "all of what follows as one object", '{"order": ["openai"]}'),
    _of_routing("provider.order", _SLUGS, "providers to try first, in this order", "openai,azure"),
    _of_routing("provider.only", _SLUGS, "no other providers than these", "openai"),
    _of_routing("provider.ignore", _SLUGS, "not these providers", "azure"),
    _of_routing("provider.sort", _SORT, "the best provider by this, without balancing", "price"),
    _of_routing("provider.max_price", _MOST_EXPENSIVE, "refuse what costs more, in USD per million tokens",
                "prompt=1,completion=2.5"),
    _of_routing("provider.quantizations", _PRECISIONS, "only models in this precision", "fp16,bf16"),
    _of_routing("provider.data_collection", one_of("allow", "deny"), "deny: only providers that keep nothing", "deny"),
    _of_routing("provider.zdr", _ON, "only with zero data retention", "on"),
    _of_routing("provider.enforce_distillable_text", _ON, "only models whose answers may train others", "on"),
    _of_routing("provider.require_parameters", _ON, "only providers that hear every parameter that is set", "on"),
    _of_routing("provider.allow_fallbacks", _ON, "off: the first provider or none", "off"),
    _of_routing("provider.preferred_min_throughput", _SPEED, "rather providers of so many tokens per second", "50"),
    _of_routing("provider.preferred_max_latency", _SPEED, "rather providers that begin within so many seconds", "1.5"),
    _of_routing("provider.options", _OBJECT, "what one provider alone understands, by its slug", '{"openai": {}}'),
    _of_routing("service_tier", _TIERS, "faster or cheaper service", "flex"),
    _of_routing("preset", Text("SLUG", 200), "settings kept at openrouter.ai under this name", "my-preset"),
    _variant("nitro", help="the model's variant with the fastest provider"),
    _variant("floor", help="the model's variant with the cheapest provider"),
    _variant("exacto", help="the model's variant with the best tool calls"),
    _variant("free", help="the model's free variant"),
    _variant("extended", help="the model's variant with the longer context"),
    _variant("thinking", help="the model's variant that always reasons"),
    _variant("online", help="the model's variant that searches the web"),
)
REASONING = (
    _of_reasoning("reasoning", Either((_EFFORT, _OBJECT)), "how hard to think first, or an object", "high"),
    _of_reasoning("reasoning.effort", _EFFORT, "how hard to think first", "high"),
    _of_reasoning("reasoning.max_tokens", whole(1), "think in at most so many tokens", "2000"),
    _of_reasoning("reasoning.exclude", _ON, "think, and do not tell", "on"),
    _of_reasoning("reasoning.enabled", _ON, "think with medium effort", "on"),
    _of_reasoning("reasoning.summary", one_of("auto", "concise", "detailed"), "tell a summary of the thoughts", "auto"),
    _of_reasoning("reasoning.context", one_of("auto", "all_turns", "current_turn"), "which earlier thoughts count",
                  "auto"),
    _of_reasoning("reasoning.mode", one_of("standard", "pro"), "pro: several models think together", "standard"),
    _of_reasoning("reasoning_effort", _EFFORT, "how hard to think first, in a field of its own", "low"),
    _of_reasoning("verbosity", one_of("low", "medium", "high", "xhigh", "max"), "how long-winded", "low",
                  needs="verbosity"),
)
ANSWERS = (
    _of_answers("response_format", _FORM, "the form of the answer", "json_object", needs=None),
    _of_answers("structured_outputs", _ON, "bind the answer to its schema", "on", needs=None),
    _of_answers("modalities", Several(one_of("text", "image", "audio")), "what the answer is made of", "text,image"),
    _of_answers("image_config", _OBJECT, "how images are made", '{"aspect_ratio": "16:9"}'),
    _of_answers("audio", _OBJECT, "how it speaks", '{"voice": "alloy", "format": "wav"}'),
    _of_answers("plugins", _PLUGINS, "a plugin: web, file-parser, context-compression, ...", "web", flag="--plugin"),
    _of_answers("web_search_options", _OBJECT, "how much it searches", '{"search_context_size": "low"}'),
    _of_answers("x_search_filter", _OBJECT, "which posts it searches", '{"allowed_x_handles": ["x"]}'),
    _of_answers("tools", _OBJECTS, "tools as the API has them", '[{"type": "openrouter:datetime"}]',
                flag="--tools-json", needs=None),
    _of_answers("tool_choice", _TOOL_CHOICE, "whether tools must be called", "auto", needs=None),
    _of_answers("parallel_tool_calls", _ON, "several calls at once", "on", needs=None),
    _of_answers("max_tool_calls", whole(1, 30), "rounds of the service's own tools", "5"),
    _of_answers("stop_server_tools_when", _OBJECTS, "when the service's own tools end", _STEPS),
    _of_answers("deferred_tools", _OBJECT, "tools that are looked up when needed", _DEFERRED),
    _of_answers("cache_control", _CACHE, "keep the prompt in the provider's cache", "1h"),
    _of_answers("prompt_cache_key", Text("TEXT", 200), "which cache to use", "lesson-1"),
    _of_answers("prompt_cache_options", _OBJECT, "how the cache is kept", '{"mode": "explicit"}'),
)
ACCOUNT = (
    _of_account("user", Text("ID", 1000), "who among your users asks", "student-7"),
    _of_account("session_id", Text("ID", 256), "groups requests; the same provider serves them", "lesson-1"),
    _of_account("metadata", Pairs(rule=metadata), "names and texts for your own records", "course=ml,week=3"),
    _of_account("trace", _OBJECT, "for your tracing", '{"trace_id": "t1"}'),
    _of_account("debug", _OBJECT, "what the service echoes", '{"echo_upstream_body": true}'),
    _header("title", Text("TEXT", 200), "the program's name at openrouter.ai", "my notebook",
            header="X-OpenRouter-Title"),
    _header("referer", Text("URL", 2000), "the program's address", "https://example.org", header="HTTP-Referer"),
    _header("categories", Several(Text("NAME", 30), 2), "what kind of program", "personal-agent",
            header="X-OpenRouter-Categories"),
    _header("cache", _ON, "take the service's kept answer to the same request, free of charge", "on",
            header="X-OpenRouter-Cache"),
    _header("cache_ttl", whole(1, 86_400), "keep the answer for so many seconds", "3600",
            header="X-OpenRouter-Cache-TTL"),
    _header("cache_clear", _ON, "ask anew, and keep that answer", "on", header="X-OpenRouter-Cache-Clear"),
    _header("router_metadata", _ON, "tell how the request was routed (answer.routing)", "on",
            header="X-OpenRouter-Metadata"),
    _header("anthropic_beta", Text("NAMES", 1000), "beta features of Anthropic's models", "context-1m-2025-08-07",
            header="x-anthropic-beta"),
)
NEWER = (
    Parameter("param", Extras(), "a field that is newer than this table; may be given several times", "min_p=0.1",
              "newer"),
)
# fmt: on
PARAMETERS: tuple[Parameter, ...] = (*SAMPLING, *ROUTING, *REASONING, *ANSWERS, *ACCOUNT, *NEWER)
PARAMETER_BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}
# Where names have underscores alone, reasoning_effort is the parameter that is called so, not reasoning.effort.
PARAMETER_BY_PLAIN_NAME: Mapping[str, Parameter] = {
    parameter.plain_name: PARAMETER_BY_NAME.get(parameter.plain_name, parameter) for parameter in PARAMETERS
}


def unsupported_flags(names: Collection[str], supported: Collection[str]) -> list[str]:
    """The flags of the parameters among `names` that a model does not list, so that they may have no effect on it.

    Args:
        names: of parameters that are set.
        supported: what the model lists.
    """
    known = (PARAMETER_BY_NAME[name] for name in names if name in PARAMETER_BY_NAME)
    ignored = [parameter for parameter in known if parameter.ability and parameter.ability not in supported]
    return [parameter.long_flag for parameter in sorted(ignored, key=PARAMETERS.index)]
