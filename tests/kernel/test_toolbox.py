"""The functions of ``or_magic.toolbox`` as tools in a kernel: what they tell, ask and run."""

from __future__ import annotations

from or_magic.sandbox import Sandbox

from .conftest import PATIENCE_S, Kernel
from .test_tools import answered, ok, results
from .tool_cells import HARMLESS


def test_the_toolbox_looks_at_variables(kernel: Kernel, sandbox: Sandbox) -> None:
    """`variables` and `describe` tell types, shapes and columns; values where they are asked for."""
    ok(
        kernel,
        "import or_magic, pandas as pd\nrehearsal = pd.DataFrame({'name': ['SECRET'], 'amount': [98765]})\n"
        "def look(name: str = 'rehearsal', with_values: bool = True) -> str:\n"
        "    return or_magic.toolbox.describe(name, with_values)",
    )
    ok(kernel, "%%openrouter sandbox/tools --no-history --tools or_magic.toolbox.variables --yes\nhi")
    (told,) = results(sandbox)
    assert "rehearsal: pandas" in told
    assert "1 rows x 2 columns" in told
    assert "SECRET" not in told

    (asked,), _ = answered(kernel, "%%openrouter sandbox/tools --no-history --tools or_magic.toolbox.describe\nhi", "y")
    assert asked.startswith("Run describe(name='rehearsal'")
    (told,) = results(sandbox)
    assert "name (str), amount (int64)" in told
    assert "SECRET" not in told

    answered(kernel, "%%openrouter sandbox/tools --no-history --tools look\nhi", "y")
    assert "SECRET" in results(sandbox)[0]


def test_the_toolbox_runs_python(kernel: Kernel, sandbox: Sandbox) -> None:
    """`python` shows its code and asks, each time, and cannot be allowed for good; its output reaches the model."""
    ok(kernel, "rehearsal = 'a value of the notebook'")
    for words in (("a", "y"), ("y",)):
        request = kernel.send("%%openrouter sandbox/tools --no-history --tools or_magic.toolbox.python --yes\nhi")
        asked = kernel._client.stdin_channel.get_msg(timeout=PATIENCE_S)
        shown = kernel.watch(
            request, lambda m: m["msg_type"] == "display_data" and m["content"]["data"].get("text/plain") == "rehearsal"
        )
        assert shown["header"]["date"] <= asked["header"]["date"]
        kernel._client.input(words[0])
        for word in words[1:]:  # what was not offered is asked again
            asked = kernel._client.stdin_channel.get_msg(timeout=PATIENCE_S)
            kernel._client.input(word)
        assert asked["content"]["prompt"] == "Run python(code='rehearsal')? [y]es, [n]o, [s]top: "
        assert kernel.finish(request)["status"] == "ok"
        assert kernel.published(request, "execute_result", "error") == []
        assert results(sandbox) == ["'a value of the notebook'"]


RUN = "or_magic.toolbox.python(code)"
PYTHON = {
    "for n in range(2): print('line', n)": "line 0\nline 1",
    "x = 40": "It ran, and gave nothing",
    "print('above')\nx + 2": "above\n42",
    "import asyncio\nawait asyncio.sleep(0.01, x + 3)": "43",
    "x / 0": "Error: ZeroDivisionError: division by zero",
    "import sys; sys.exit(3)": "Error: SystemExit: 3",
}


def test_what_the_toolbox_gives_of_code(kernel: Kernel, sandbox: Sandbox) -> None:
    """The model gets what its code printed and its last expression, or the error; the cell shows no traceback of it."""
    faults = []
    for code, wanted in PYTHON.items():
        ok(kernel, f"{HARMLESS}import typing\nx = 40\ndef run(code: typing.Literal[{code!r}]) -> str: return {RUN}")
        request = kernel.send("%%openrouter sandbox/tools --no-history --yes --tools harmless(run)\nrun it")
        status = kernel.finish(request)["status"]
        seen = [message["msg_type"] for message in kernel.published(request, "execute_result", "error", "stream")]
        gave = [text.removesuffix(".") for text in results(sandbox)]
        if (status, gave, seen) != ("ok", [wanted], []):
            faults.append((code, status, gave, seen))
    assert faults == []
