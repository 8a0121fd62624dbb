"""Whole sessions in the panel, in a real JupyterLab against the sandbox, with the network blocked."""

from __future__ import annotations

import base64
import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from or_magic.ledger.catalog_cache import CatalogCache
from or_magic.ledger.store import Ledger
from or_magic.sandbox import Sandbox
from or_magic.sandbox.behaviour import StreamError
from tests.faults.server import CLOSE, DONE, OPEN_HEAD, serve
from tests.jupyter.hostile_texts import HOSTILE

from .lab import Lab
from .panel_page import OpenNotebook, opened
from .test_in_lab import everywhere, is_typed

pytestmark = pytest.mark.browser

PASTE = """(field, bytes) => {
    const file = new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], 'dot.png', {type: 'image/png'});
    const data = new DataTransfer();
    data.items.add(file);
    field.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
}"""


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(file, "PNG")
    return file.getvalue()


def asked(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The chat requests so far."""
    return [each.body for each in sandbox.requests if each.body and "messages" in each.body]


def test_an_answer_grows_is_stopped_and_gone_on_with(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """Ctrl+Enter sends, the answer grows, Stop keeps what came and closes the connection, Continue brings the rest."""
    page = opened(open_notebook, "panel_stop", model="sandbox/essay")
    page.send("Tell me about streaming")
    page.see("Why answers are streamed")
    length = len(page.items().last.inner_text())
    page.page.wait_for_function(
        "length => document.querySelector('.orm-panel .orm-item').innerText.length > length + 300", arg=length
    )

    page.panel().get_by_role("button", name="Stop", exact=True).click()
    page.wait()
    page.see("Stopped.")

    expect(page.items().last).not_to_contain_text("Stopping")
    assert page.run("print(_answer.ending, len(_answer.text) > 300)").strip() == "stopped True"
    charge = sandbox.charges.find(page.run("print(_answer.id)").strip())
    assert charge is not None, "the service still writes"
    assert charge.cancelled
    page.press("Continue")
    page.see("Stop this text while it grows")
    page.wait()
    page.page.wait_for_function("() => document.querySelectorAll('.orm-panel .orm-item').length === 1")
    assert page.run("print(_answer.ending)").strip() == "complete"
    assert (page.complaints, page.lab.outward, page.lab.dangers()) == ([], [], [])


def test_branches(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """Edit and send makes another branch, the arrows go from one to the other, and the model is told the one shown."""
    page = opened(open_notebook, "panel_branches")
    page.ask("first question")
    page.ask("second question")
    page.press("Edit", 0)
    page.see("Editing question 1")
    page.holds("first question")
    page.send("another question")
    page.see("2 of 2")
    page.wait()
    expect(page.items()).to_have_count(1)
    expect(page.items().first).to_contain_text("another question")

    page.panel().get_by_role("button", name="The branch before").click()
    page.see("second question")
    page.see("1 of 2")
    page.ask("third question")

    messages = [message["content"] for message in asked(sandbox)[-1]["messages"] if message["role"] == "user"]
    assert messages == ["first question", "second question", "third question"]
    page.press("Undo")
    page.see("Taken out: 1 question.")
    expect(page.items()).to_have_count(2)
    page.panel().get_by_role("button", name="Redo").click()
    page.see("third question")
    assert (page.complaints, page.lab.outward) == ([], [])


def test_an_image_is_pasted(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """An image that is pasted is shown small, goes along, and is the very one that the service gets."""
    page = opened(open_notebook, "panel_image", model="sandbox/vision")
    data = png()
    page.box().evaluate(PASTE, base64.b64encode(data).decode())
    page.panel().get_by_role("button", name=re.compile("Remove dot.png")).wait_for()
    page.ask("What is this?")

    parts = asked(sandbox)[-1]["messages"][-1]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    sent = Image.open(io.BytesIO(base64.b64decode(urls[0].partition(",")[2])))
    assert (len(urls), sent.size, sent.convert("RGB").getpixel((5, 5))) == (1, (40, 30), (0, 0, 128))
    assert page.items().last.locator("img").count() >= 1
    assert (page.complaints, page.lab.outward) == ([], [])


def test_what_goes_wrong(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """A refused budget, a 429 that is waited out, a break in the stream and a rejected key: each one line, all kept."""
    page = opened(open_notebook, "panel_wrong", model="sandbox/essay")
    page.run("%openrouter budget 0.000001")
    page.send("too dear")
    page.see("budget")
    assert page.panel().locator("[role=alert]").first.inner_text().count("\n") == 0
    page.holds("too dear")  # what was written is not lost
    page.run("%openrouter budget off")
    sandbox.fail_next(429, "Rate limited", headers={"Retry-After": "1"})
    page.send("patience")
    page.see("Asked again")
    page.see("Why answers are streamed")
    page.wait()
    sandbox.behave(stream_error=StreamError(after_events=30, message="the provider fell over"))
    page.ask("break")
    page.see("the provider fell over")
    sandbox.behave(stream_error=None)
    sandbox.fail_next(401, "User not found.")
    page.send("who am I")
    page.see("refused the key")
    page.see("2 of 2")  # what failed is no part of the conversation: the next question takes its place
    page.wait()

    page.panel().get_by_role("button", name="The branch before").click()
    page.see("the provider fell over")
    expect(page.items().last).to_contain_text("How an answer arrives")  # what had arrived is not lost
    page.press("Run again")
    page.see("3 of 3")
    page.wait()
    assert page.run("print(_answer.ending)").strip() == "complete"
    assert (page.complaints, page.lab.outward) == ([], [])


def test_tools_are_approved_by_buttons(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """A call waits for a button: refused, it is not run; allowed, it is run in the main thread and the model told."""
    tool = "import threading\n\ndef rainfall(month: str = 'June') -> str:\n    'How much rain fell.'\n"
    tool += "    return f'71.5 in {threading.current_thread().name}'"
    page = opened(open_notebook, "panel_tools", tool, model="sandbox/tools")
    page.panel().get_by_role("button", name="Settings").click()
    page.panel().get_by_label("rainfall", exact=True).check()
    page.see("1 tool")
    page.send("How much rainfall?")
    page.see("The model wants to run")
    assert page.run("1 + 1") == "", "the kernel is blocked"
    page.panel().get_by_role("button", name="Do not run it").click()
    page.wait()
    page.see("not run: The user did not allow this call.")
    page.send("How much rainfall now?")
    page.see("The model wants to run")
    page.panel().get_by_role("button", name="Run it", exact=True).click()
    page.wait()
    page.see("71.5 in MainThread")

    tools = [m["content"] for m in asked(sandbox)[-1]["messages"] if m["role"] == "tool"]
    assert tools[-1] == "71.5 in MainThread"
    page.send("How much rainfall next?")
    page.see("The model wants to run")
    page.panel().locator(".orm-approval").get_by_role("button", name="Stop", exact=True).click()
    page.wait()
    page.see("The tool was not run.")
    assert (page.complaints, page.lab.outward) == ([], [])


def test_magics_and_panel_are_one_conversation(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """Two panels and cells take turns: each sees what the others asked, the model, the thread and the settings."""
    page = opened(open_notebook, "panel_both", "%openrouter panel")
    page.ask("from the panel", 1)
    page.see("from the panel", 0)
    page.run("%openrouter ask from a cell")
    page.see("from a cell", 0)
    page.see("from a cell", 1)
    page.ask("and again", 0)
    said = [m["content"] for m in asked(sandbox)[-1]["messages"] if m["role"] == "user"]
    assert said == ["from the panel", "from a cell", "and again"]

    page.run("%openrouter model sandbox/json")
    page.page.wait_for_function(
        "() => [...document.querySelectorAll('.orm-panel .orm-field input')]"
        ".filter(field => field.value === 'sandbox/json').length === 2"
    )
    page.run("%openrouter fork ideas")
    page.page.wait_for_function(
        "() => [...document.querySelectorAll('.orm-threads select')]"
        ".every(field => field.selectedOptions[0].textContent === 'ideas')"
    )
    page.panel().locator(".orm-threads select").select_option("main")
    page.page.wait_for_function(
        "() => document.querySelectorAll('.orm-threads select')[1].selectedOptions[0].textContent === 'main'"
    )
    assert "main" in page.run("%openrouter threads")
    assert page.run("%openrouter undo").strip()
    page.page.wait_for_function(
        "() => document.querySelectorAll('.orm-panel')[1].querySelectorAll('.orm-item').length === 2"
    )
    assert (page.complaints, page.lab.outward) == ([], [])


def test_while_a_cell_runs(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """A question is sent, answered and stopped while a cell keeps the kernel busy."""
    page = opened(open_notebook, "panel_busy", model="sandbox/essay")
    page.page.evaluate(
        "source => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;"
        " window.__busy = true; k.requestExecute({code: source}).done.then(() => { window.__busy = false; }); }",
        "import time\nfor _ in range(80): time.sleep(0.1)",
    )
    page.send("Tell me about streaming")
    page.see("What travels over the line")
    page.panel().get_by_role("button", name="Stop", exact=True).click()
    page.wait()
    page.see("Stopped.")

    assert page.page.evaluate("() => window.__busy"), "it was heard only when the cell had ended"
    assert (page.complaints, page.lab.outward) == ([], [])


def test_what_is_made_of_an_answer(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """Its text is copied, a block of code put into a new cell and not run, it is bound to a name, and forked from."""
    page = opened(open_notebook, "panel_made", model="sandbox/coder")
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.ask("def double(x): write it")
    page.press("Copy")
    page.see("Copied.")
    text = page.page.evaluate("() => navigator.clipboard.readText()")
    assert text == page.run("print(_answer.text, end='')")
    page.press("Bind")
    page.see("is the answer now")
    name = re.search(r"(answer_\d+) is the answer", page.panel().inner_text())
    assert name is not None
    assert page.run(f"print({name[1]}.text == _answer.text)").strip() == "True"
    code = page.run("print(_answer.code[0], end='')")
    page.items().last.get_by_role("button", name="To next cell").first.click()
    page.see("The code is in the cell below.")
    sources = [cell.source for cell in page.lab.saved().cells]
    assert sources[-1].strip() == code.strip()
    assert page.lab.saved().cells[-1].execution_count is None
    page.press("Fork here")
    page.see("goes on from here")
    assert "main-fork" in page.run("%openrouter threads")
    assert (page.complaints, page.lab.outward) == ([], [])


def test_no_hostile_text_acts_in_the_panel(open_notebook: OpenNotebook) -> None:
    """Every family of hostile texts, in questions, answers, thoughts, sources, calls, names, errors: nothing acts."""
    texts = ["\n\n".join(family.values()) for family in HOSTILE.values()]
    with serve(*[(OPEN_HEAD + everywhere(text) + DONE,) for text in texts]) as server:
        page = opened(open_notebook, "panel_hostile", f"%openrouter set base_url {server.base_url}")
        for number, text in enumerate(texts, 1):
            page.box().fill(text.replace("{{", "\\{{"))
            page.box().press("Control+Enter")
            page.see(f"{number} of {number}" if number > 1 else "Run again")
            page.wait()
        page.press("Edit")
        page.see("Editing question")
        dangers = page.lab.dangers()
        buttons = page.panel().locator(".orm-item button:not([data-orm]):not(.orm-code-bar button)").count()

        assert server.questions == len(texts)
        assert (dangers, buttons, page.lab.outward) == ([], 0, [])
        assert page.page.locator(".jp-Dialog").count() == 0


FADED_IN = """() => Promise.all(document.getAnimations()
    .filter(each => each.effect.getComputedTiming().iterations !== Infinity)
    .map(each => each.finished)).then(() => undefined)"""
ACTING = """() => [
    ...(window.__ran === undefined ? [] : ['window.__ran']),
    ...[...document.querySelectorAll('.orm-panel *')].filter(each =>
        each.matches('iframe, object, embed, script, form, [href^="javascript"], [data-commandlinker-command]')
        || (each.matches('img') && !/^data:image/.test(each.getAttribute('src')))
        || [...each.attributes].some(attribute => /^on/.test(attribute.name)))
        .map(each => each.outerHTML.slice(0, 200)),
]"""


def test_no_hostile_name_acts_in_the_panel(open_notebook: OpenNotebook, lab: Lab) -> None:
    """Names of models, ids, threads, keys of a dict and files are text: in the table, card, lists, fields, notices."""
    names = [" ".join(text.split())[:70] for family in HOSTILE.values() for text in list(family.values())[:4]]
    names = [name for name in names if name.isprintable() and is_typed(name)]
    with serve((CLOSE,)) as server:
        models = [{"id": f"evil/{n}", "name": name} for n, name in enumerate(names)]
        models += [{"id": name, "name": name} for name in names[:20]]
        ledger = Ledger.open(str(lab.root.parent / "ledger.sqlite"))
        body = json.dumps({"data": models}).encode()
        CatalogCache(ledger.store).keep(server.origin, "/models", body, datetime.now(UTC))
        ledger.close()
        tag = "<img src=x onerror=window.__ran=1>"
        page = opened(
            open_notebook,
            "panel_names",
            f"d = {{'{tag}': 1}}\nrun = get_ipython().run_line_magic",
            f"%openrouter set base_url {server.base_url}",
            f"run('openrouter', 'fork {tag}')",
            f"run('openrouter', 'set temperature 0.2'); run('openrouter', 'system {tag}')",
        )
        page.panel().get_by_role("button", name="Browse").click()
        rows = page.panel().locator("tbody tr")
        rows.first.wait_for()
        page.panel().locator("select.dt-input").first.select_option("100")
        page.page.wait_for_function("() => document.querySelectorAll('.orm-panel tbody tr').length > 30")
        rows.nth(3).click()
        page.panel().locator(".orm-card").wait_for()
        page.panel().get_by_role("combobox", name="Model", exact=True).fill(tag)
        page.panel().get_by_role("combobox", name="Model", exact=True).press("Enter")
        page.panel().locator(".orm-bad").wait_for()
        page.box().click()
        page.page.keyboard.type("{{ d['")
        page.panel().locator(".orm-prompt-names [role=option]").first.wait_for()
        page.page.keyboard.press("Escape")
        page.panel().get_by_role("button", name="Settings").click()

        assert tag in page.panel().locator(".orm-threads select").inner_text().replace("\xa0", " ")
        assert (page.page.evaluate(ACTING), page.lab.outward) == ([], [])
        assert page.page.locator(".jp-Dialog").count() == 0


def test_values_of_the_user(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """A name between braces is its value, Tab completes it, a call is refused in one line, a schema makes a value."""
    page = opened(open_notebook, "panel_values", "import pandas as pd\nrainfall = pd.DataFrame({'mm': [71.5, 3.25]})")
    page.box().click()
    page.page.keyboard.type("Sum up {{ rain")
    page.panel().get_by_role("option", name=re.compile("rainfall")).wait_for()
    page.page.keyboard.press("Tab")
    page.page.keyboard.type(" }}")
    page.holds("Sum up {{ rainfall }}")
    page.box().press("Control+Enter")
    page.see("71.5")
    page.wait()
    assert "3.25" in asked(sandbox)[-1]["messages"][-1]["content"]

    page.send("{{ rainfall.sum() }}")
    page.see("is more than names")
    page.holds("{{ rainfall.sum() }}")
    page.run("%openrouter model sandbox/json")
    page.panel().get_by_role("button", name="Settings").click()
    page.panel().get_by_label("answer as").fill("name: str, born: date")
    page.panel().get_by_label("answer as").press("Tab")
    page.see("answer as name: str, born: date")
    page.ask("Who?")
    assert page.run("print(type(_answer.value.born).__name__)").strip() == "date"
    assert (page.complaints, page.lab.outward) == ([], [])


def test_the_end_of_a_kernel_and_of_a_panel(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """Shown twice it is one; closed it leaves the conversation as plain HTML; a new kernel shows what was asked."""
    page = opened(open_notebook, "panel_ends", "from or_magic import Panel\npanel = Panel()\npanel")
    page.ask("remember me", 1)
    page.see("remember me", 0)
    page.page.wait_for_function(
        "() => { const left = [...document.querySelectorAll('.orm-left')];"
        " return left.length === 2 && left.every(each => each.textContent.includes('remember me')); }"
    )
    file = page.lab.saved()
    left = [output.data["text/html"] for output in file.cells[2].outputs if "text/html" in output.get("data", {})]
    assert "remember me" in left[-1]
    expect(page.page.locator(".orm-left").first).to_be_hidden()
    page.page.evaluate(
        "() => { window.__restarted = false; window.jupyterapp.shell.currentWidget.sessionContext"
        ".restartKernel().then(() => { window.__restarted = true; }); }"
    )
    page.page.wait_for_function("() => window.__restarted")
    page.see("This panel's kernel is gone", 1)
    page.lab.run_all()
    page.lab.wait_until_run()
    page.see("remember me", 1)
    page.ask("and now", 1)
    said = [m["content"] for m in asked(sandbox)[-1]["messages"] if m["role"] == "user"]
    assert said == ["remember me", "and now"]
    page.run("panel.close()")
    page.page.wait_for_function("() => document.querySelectorAll('.orm-panel').length === 1")
    assert (page.complaints, page.lab.outward) == ([], [])


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing(open_notebook: OpenNotebook, sandbox: Sandbox, theme: str) -> None:
    """No violation of serious or critical rank in a panel with all its parts open, in a light and a dark theme."""
    tool = "def rainfall() -> float:\n    return 71.5"
    page = opened(open_notebook, f"panel_axe_{theme[-4:]}", tool, model="sandbox/tools")
    page.page.evaluate("theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", theme)
    is_light = str(theme.endswith("Light")).lower()
    page.page.wait_for_function("is => document.body.dataset.jpThemeLight === is", arg=is_light)
    page.ask("hello")
    page.run("%openrouter model sandbox/essay")
    page.ask("tell me")
    page.run("%openrouter budget 1")
    page.run("%openrouter model sandbox/tools")
    page.panel().get_by_role("button", name="Settings").click()
    page.panel().get_by_label("rainfall", exact=True).check()
    page.see("1 tool")
    page.panel().get_by_role("button", name="Browse").click()
    page.panel().locator("tbody tr").first.wait_for()
    page.items().first.locator("summary").first.click()
    page.send("rainfall")
    page.see("The model wants to run")
    page.page.evaluate(FADED_IN)

    found = Axe().run(page.page, context={"include": [[".orm-panel"]]}).response["violations"]
    told = [
        (each["id"], node["html"][:200])
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
    assert told == []


def test_without_any_magic(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """A budget, a thread and a key are set by buttons alone; the key is in no widget and no file."""
    page = opened(open_notebook, "panel_buttons")
    page.panel().get_by_label("Set a budget").click()
    page.panel().get_by_label("Budget of this notebook in USD").fill("0.5")
    page.panel().get_by_role("button", name="Set", exact=True).click()
    page.see("may spend $0.50")
    page.see("of $0.50")
    page.panel().get_by_label("More for threads and the key").click()
    page.panel().get_by_label("Name of the new thread").fill("other ideas")
    page.panel().get_by_role("button", name="New thread").click()
    page.see("Thread other ideas begins")
    page.ask("in the other thread")
    assert "* other ideas" in page.run("%openrouter threads")
    page.panel().get_by_label("More for threads and the key").click()
    page.panel().get_by_label("Key of the service").fill("sk-or-very-secret")
    page.panel().get_by_role("button", name="Use this key").click()
    page.see("is set for this kernel")

    states = "import ipywidgets\nprint('very-secret' in str(ipywidgets.Widget.get_manager_state(drop_defaults=True)))"
    assert page.run(states).strip() == "False"
    assert "very-secret" not in page.page.content()
    assert "very-secret" not in str(page.lab.saved())
    assert (page.complaints, page.lab.outward) == ([], [])


def test_reading_while_it_arrives(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """The view follows the end, stays where a reader has scrolled to, and nothing around it moves."""
    page = opened(open_notebook, "panel_scroll", model="sandbox/essay")
    talk = page.panel().locator(".orm-conversation")
    places = [page.box().bounding_box()["y"]]
    page.send("Tell me about streaming")
    page.page.wait_for_function("() => document.querySelector('.orm-conversation').scrollTop > 200")
    places.append(page.box().bounding_box()["y"])
    talk.hover()
    page.page.mouse.wheel(0, -2000)
    page.page.wait_for_function("() => document.querySelector('.orm-conversation').scrollTop === 0")
    page.see("What it costs")
    page.wait()
    places.append(page.box().bounding_box()["y"])

    assert talk.evaluate("talk => talk.scrollTop") == 0, "it was taken away from the reader"
    assert max(places) - min(places) < 2, f"the box moved: {places}"
    page.run("%openrouter model sandbox/echo")
    page.ask("short")
    at_end = "talk => talk.scrollHeight - talk.scrollTop - talk.clientHeight < 40"
    page.page.wait_for_function(f"() => ({at_end})(document.querySelector('.orm-conversation'))")
    assert (page.complaints, page.lab.outward) == ([], [])


def test_the_keyboard_reaches_everything(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """Tab goes through every control in order, each with a visible focus; a menu opens, is used and closes by keys."""
    page = opened(open_notebook, "panel_keys")
    page.ask("```python\\nprint(1)\\n```")
    page.panel().get_by_role("combobox", name="Model").focus()
    names: list[str] = []
    for _ in range(40):
        name, is_seen = page.page.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.getAttribute('aria-label') || e.textContent.trim() || e.placeholder || e.tagName,"
            " s.outlineStyle !== 'none' || s.boxShadow !== 'none' || e.matches('input, textarea, select')]; }"
        )
        assert is_seen, f"no visible focus: {name}"
        names.append(name)
        page.page.keyboard.press("Tab")
        if not page.page.evaluate("() => !!document.activeElement.closest('.orm-panel')"):
            break
    wanted = [
        "Browse",
        "Redo",
        "Settings",
        "Conversation",
        "Run again",
        "Edit",
        "Copy",
        "Prompt",
        "Attach files",
        "Send",
    ]
    told = " | ".join(names)
    places = [next((n for n, name in enumerate(names) if each in name), -1) for each in wanted]
    assert places == sorted(places), told
    assert -1 not in places, told

    page.items().last.locator("summary[aria-label^=More]").focus()
    page.page.keyboard.press("Enter")
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.see("goes on from here")
    expect(page.items().last.locator("details.orm-menu[open]")).to_have_count(0)
    assert (page.complaints, page.lab.outward) == ([], [])


def test_shown_twice_and_loaded_anew(open_notebook: OpenNotebook, sandbox: Sandbox) -> None:
    """A panel in two outputs is one, with one draft; a page that is loaded anew shows it as it was, and it answers."""
    page = opened(open_notebook, "panel_twice", "from or_magic import Panel\npanel = Panel()\npanel", "panel")
    page.ask("remember me", 0)
    for number in range(3):
        page.see("remember me", number)
    page.box(0).fill("a draft")
    page.page.wait_for_function("() => document.querySelectorAll('.orm-prompt-text')[1].value === 'a draft'")
    assert page.box(2).input_value() == "", "another panel has a box of its own"
    heard = (
        "import time\nfor _ in range(100):\n    if panel.box.draft: break\n    time.sleep(0.05)\nprint(panel.box.draft)"
    )
    assert page.run(heard).strip() == "a draft"
    page.lab.saved()
    page.lab.open_again()

    page.see("remember me", 1)
    page.page.wait_for_function("() => document.querySelectorAll('.orm-prompt-text')[1]?.value === 'a draft'")
    page.ask("after it", 0)
    expect(page.items(0)).to_have_count(2)
    assert (page.complaints, page.lab.outward) == ([], [])
