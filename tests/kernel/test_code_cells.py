"""Answers that are code, in real kernels: what is put into the next cell, when, and what never is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from or_magic.sandbox import Sandbox

from .conftest import Kernel
from .test_conversation import Start, start  # noqa: F401  # a fixture

TWO = "```python\nx = 1\n```\nthen\n```py\n%matplotlib inline\n!ls\ny = x\n```\n"
MIXED = TWO + "```bash\nls {a,b}\n```\n```python\nnot whole (\n```\n```sql\nselect 1\n```"
JOINED = "x = 1\n\n# ---\n\n%matplotlib inline\n!ls\ny = x"


def offered(kernel: Kernel, code: str, cell: str) -> list[str]:
    """The cells that a run of a cell has offered."""
    reply = kernel.finish(kernel.send(code, cell_id=cell))
    return [each["text"] for each in reply["payload"] if each["source"] == "set_next_input"]


def ask(text: str, flags: str = "") -> str:
    return f"%%openrouter sandbox/echo -f code {flags}\n{text}"


def test_whole_python_becomes_one_cell(kernel: Kernel, sandbox: Sandbox) -> None:
    """The whole Python blocks are one new cell, in order; what is not whole, or another language, is not in it."""
    request = kernel.send(ask(MIXED), cell_id="a")
    (payload,) = kernel.finish(request)["payload"]

    assert (payload["source"], payload["text"], payload["replace"]) == ("set_next_input", JOINED, False)
    assert "Block 3 is bash: %openrouter insert 3 makes it a %%bash cell." in kernel.printed(request)
    assert kernel.value("'x' in globals()") is False
    system = [each.body for each in sandbox.requests if each.body][-1]["messages"][0]
    assert system["role"] == "system"
    assert "```python" in system["content"]


def test_a_cell_is_offered_once(start: Start) -> None:  # noqa: F811
    """Run again with the same code nothing is offered, with other code it is; a kept answer offers nothing."""
    kernel = start()
    assert offered(kernel, ask(TWO), "a") == [JOINED]
    assert offered(kernel, ask(TWO), "a") == []
    assert offered(kernel, ask("```python\nz = 3\n```"), "a") == ["z = 3"]
    kernel.close()

    again = start()
    assert offered(again, ask("```python\nz = 3\n```"), "a") == []
    assert again.value("_answer.replayed_utc is not None")
    assert offered(again, ask("```python\nz = 3\n```", "--fresh"), "a") == []
    assert offered(again, ask("```python\nz = 4\n```", "--fresh"), "a") == ["z = 4"]


def test_words_are_not_code(kernel: Kernel) -> None:
    """An answer without a fence is code only if it is; a lone word or number, prose and broken code are not."""
    assert offered(kernel, ask("import os\nos.getcwd()"), "a") == ["import os\nos.getcwd()"]
    for number, text in enumerate(("yes", "42", "Use a loop, please.", "```python\nfor\n```", "```text\nx = 1\n```")):
        assert offered(kernel, ask(text), f"b{number}") == []
    assert offered(kernel, "%%openrouter sandbox/echo\n```python\nx = 1\n```", "c") == []  # it was not asked to be code


def test_insert(kernel: Kernel) -> None:
    """`insert N` puts one block next, another language under its magic, also what is not whole; a wrong N is said."""
    kernel.run(ask(MIXED))
    assert offered(kernel, "%openrouter insert", "a") == ["x = 1"]
    assert offered(kernel, "%openrouter insert 3", "b") == ["%%bash\nls {a,b}"]
    assert offered(kernel, "%openrouter insert 4", "c") == ["not whole ("]
    assert offered(kernel, "%openrouter insert 5", "d") == ["%%sql\nselect 1"]
    assert "There is no block 9: the last answer has 5 blocks" in kernel.run("%openrouter insert 9")["evalue"]
    assert "the number of a block" in kernel.run("%openrouter insert all")["evalue"]


def test_only_one_cell_a_run(kernel: Kernel) -> None:
    """A cell that asks twice offers one: a front end takes one, and would drop the other silently."""
    twice = "".join(f"get_ipython().run_cell_magic('openrouter', 'sandbox/echo -f code', 'q = {n}')\n" for n in (1, 2))
    assert offered(kernel, twice, "a") == ["q = 1"]


def test_nothing_is_offered_where_nobody_is(environment: dict[str, str], tmp_path: Path) -> None:
    """In a headless run no cell is made, and the answer is what it is in any other."""
    cells = ["%load_ext or_magic", ask(TWO), "print(_answer.code)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "n.ipynb")
    code = (
        "import nbformat, sys\nfrom nbclient import NotebookClient\n"
        "n = nbformat.read(sys.argv[1], as_version=4)\nNotebookClient(n, kernel_name='python3').execute()\n"
        "print(len(n.cells), n.cells[2].outputs[0].text)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "n.ipynb")], env=environment, capture_output=True)

    assert NotebookClient is not None
    assert run.stdout.decode().startswith("3 ['x = 1', ")


def test_html_is_source_unless_it_is_trusted(kernel: Kernel) -> None:
    """`-f html` shows the source; with `--trust` a page too, in a frame that cannot reach the notebook."""
    page = '<b>hi</b><script>parent.document.title = "x"</script>'
    request = kernel.send(f"%%openrouter sandbox/echo -f html\n{page}")
    kernel.finish(request)
    plain = [each["content"]["data"] for each in kernel.published(request, "display_data", "update_display_data")]
    request = kernel.send(f"%%openrouter sandbox/echo -f html --trust\n{page}")
    kernel.finish(request)
    trusted = [each["content"]["data"] for each in kernel.published(request, "display_data", "update_display_data")]

    assert not any("<iframe" in each.get("text/html", "") or "<script" in each.get("text/html", "") for each in plain)
    (frame,) = [each["text/html"] for each in trusted if "<iframe" in each.get("text/html", "")]
    assert 'sandbox="allow-scripts"' in frame
    assert "allow-same-origin" not in frame
    assert "<script" not in frame  # it is inside srcdoc, escaped
    assert "&lt;script&gt;parent.document" in frame


def test_text_and_json_are_shown_as_they_are(kernel: Kernel) -> None:
    """Plain text is not typeset, JSON is shown in lines; the exact text stays beside it."""
    request = kernel.send("%%openrouter sandbox/echo -f text\n**not bold** <i>$x$</i>")
    kernel.finish(request)
    text = kernel.published(request, "update_display_data")[-2]["content"]["data"]
    request = kernel.send('%%openrouter sandbox/echo -f json\nHere: {"a": {"b": [1, 2]}}')
    kernel.finish(request)
    json = kernel.published(request, "update_display_data")[-2]["content"]["data"]

    assert "**not bold** &lt;i&gt;$x$&lt;/i&gt;" in text["text/html"]
    assert json["text/plain"] == 'Here: {"a": {"b": [1, 2]}}'
    assert "Here" not in json["text/html"].partition("</style>")[2]
    assert kernel.value("_answer.json()") == {"a": {"b": [1, 2]}}


def test_images_are_asked_of_models_that_make_them(kernel: Kernel, sandbox: Sandbox) -> None:
    """`-f image` asks for images; a model that makes none is refused before anything is sent."""
    reply = kernel.run("%%openrouter sandbox/echo -f image\na cat")
    assert reply["evalue"].startswith("sandbox/echo makes no images. Nothing was sent.")
    kernel.run("%%openrouter auto -f image\na cat")
    assert [each.body for each in sandbox.requests if each.body][-1]["modalities"] == ["image", "text"]
