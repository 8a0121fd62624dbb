"""The prompt box in a real JupyterLab: writing, sending, pasting, files, a kernel that is busy or gone."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image
from playwright.sync_api import expect

from .lab import LabPage

OpenNotebook = Callable[[str, NotebookNode], LabPage]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
MAKE = """
import hashlib, time
from or_magic.jupyter.panel.promptbox import PromptBox

heard, drafts, is_sleeping = [], [], False
shelf = ["sales", "sales_2025", "sailors", "icon"]

def note(*what):
    heard.append((*what, is_sleeping))
    box.estimate = f"{len(heard)} heard"

def send(text, files):
    note(text, [(each.name, each.size, each.mime, hashlib.sha256(each.data).hexdigest()) for each in files])

def names(request, prefix):
    box.offer(request, [(name, "DataFrame") for name in shelf if name.startswith(prefix)])

box = PromptBox(
    on_send=send, on_stop=lambda: note("stop"), on_cancel=lambda: note("cancel"),
    on_draft=drafts.append, on_names=names,
)
box
"""
PASTES = [  # what stands before the cursor, what is pasted, what stands behind, what it becomes
    ("see ", "{{ evil }} {{{x", "", "see \\{{ evil }} \\{{{x"),
    ("{", "{ evil }}", "", "\\{{ evil }}"),
    ("{{ a }}{", "{ evil }}", "", "{{ a }}\\{{ evil }}"),
    ("", "evil {", "{ x }}", "evil \\{{ x }}"),
    ("{{", "{{ evil", "", "{{\\{{ evil"),
    ("", "no braces\r\nhere", " }", "no braces\nhere }"),
    ("", "a {\r\n{{ b }}", "", "a {\n\\{{ b }}"),
    ("", 2000 * "<b>{{ x }} &amp;\n", "", 2000 * "<b>\\{{ x }} &amp;\n"),  # Chromium's own command takes seconds
]
_EXPRESSION = """async code => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code: '', store_history: false, user_expressions: {it: code}});
    const it = (await future.done).content.user_expressions.it;
    return it.data ? it.data['text/plain'] : `${it.ename}: ${it.evalue}`;
}"""
_GIVE_FILES = """([selector, event, files]) => {
    const transfer = new DataTransfer();
    for (const [name, type, content] of files) {
        const bytes = typeof content === 'number' ? new Uint8Array(content).fill(content % 251)
            : Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, {type}));
    }
    const init = {bubbles: true, cancelable: true};
    document.querySelector(selector).dispatchEvent(event === 'paste'
        ? new ClipboardEvent('paste', {...init, clipboardData: transfer})
        : new DragEvent('drop', {...init, dataTransfer: transfer}));
}"""
_TIME_SENDING = """() => {
    const send = WebSocket.prototype.send;
    window.__sending = [];
    let pressed = 0;
    window.addEventListener('keydown', () => { pressed = performance.now(); }, true);
    WebSocket.prototype.send = function (...words) {
        const result = send.apply(this, words);
        if (pressed) window.__sending.push(performance.now() - pressed);
        pressed = 0;
        return result;
    };
}"""


class Box:
    """The prompt box of a page, and the kernel behind it."""

    def __init__(self, lab: LabPage) -> None:
        self.lab, self.page = lab, lab.page
        self.root = lab.page.locator(".orm-prompt").first
        self.area = self.root.get_by_label("Prompt")
        self.heard_before = 0
        self.errors: list[str] = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def value(self) -> str:
        text: str = self.area.input_value()
        return text

    def kernel(self, code: str) -> Any:
        """What an expression is in the kernel."""
        return ast.literal_eval(self.page.evaluate(_EXPRESSION, code))

    def wait_until_heard(self) -> Any:
        """The next thing that a callback was told."""
        self.heard_before += 1
        self.page.get_by_text(f"{self.heard_before} heard", exact=True).first.wait_for()
        return self.kernel(f"heard[{self.heard_before - 1}]")

    def send(self, text: str = "") -> Any:
        """Types a text, sends it by the keyboard, and gives what the kernel was told."""
        self.area.focus()
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Control+Enter")
        return self.wait_until_heard()

    def paste(self, text: str) -> None:
        """A real paste from the clipboard."""
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.page.keyboard.press("Control+v")

    def give(self, event: str, *files: tuple[str, str, str | int]) -> None:
        """Pastes or drops files: name, type, and the bytes in base64 or a size."""
        self.page.evaluate(_GIVE_FILES, [".orm-prompt-text", event, files])

    def violations(self) -> list[str]:
        """The grave faults that axe finds in the box."""
        found = Axe().run(self.page, context=".orm-prompt").response["violations"]
        return [
            f"{each['id']}: {each['nodes'][0]['html']}" for each in found if each["impact"] in ("serious", "critical")
        ]


@pytest.fixture
def box(open_notebook: OpenNotebook, request: pytest.FixtureRequest) -> Iterator[Box]:
    """A prompt box in a notebook of its own."""
    cells = [new_code_cell(MAKE), new_code_cell("is_sleeping = True; time.sleep(4); is_sleeping = False")]
    lab = open_notebook(request.node.name.replace("[", "_").strip("]"), new_notebook(cells=cells, metadata=KERNEL))
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box = Box(lab)
    run(box, 0)
    box.area.wait_for()
    yield box
    # A kernel that was shut down hears nothing more, and the page says so in its console.
    assert [error for error in box.errors if "Cannot send" not in error] == []
    assert lab.outward == []


def run(box: Box, cell: int, *, is_awaited: bool = True) -> None:
    """Runs a cell by Lab's own command."""
    ran = "window.jupyterapp.commands.execute('notebook:run-cell')"
    box.page.evaluate(
        f"async cell => {{ window.jupyterapp.shell.currentWidget.content.activeCellIndex = cell; "
        f"window.__ran_cell = false; const ran = {ran}.then(() => {{ window.__ran_cell = true; }}); "
        f"{'await ran;' if is_awaited else ''} }}",
        cell,
    )


def png(width: int = 300, height: int = 200) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.browser
def test_the_exact_text_is_sent(box: Box) -> None:
    """Ctrl+Enter sends what is in the box to the letter, whatever the letters, and empties it."""
    text = "Ünïcode \u2028 and \u2029, 👩‍👩‍👧 𝔘, \ttab, \\n <b>&amp;</b> {{ sales }} \\{{ x }}\nsecond line  "

    sent = box.send(text)

    assert sent[:2] == (text, [])
    assert box.value() == ""
    box.page.wait_for_timeout(400)
    assert box.kernel("box.draft") == ""


@pytest.mark.browser
def test_earlier_prompts_come_back_inert(box: Box) -> None:
    """Up brings earlier prompts back, with what was live in them made inert, and Down leads to the draft again."""
    box.kernel("setattr(box, 'recall', ['first', 'about {{ sales }} and \\\\{{ x }}'])")
    box.kernel("setattr(box, 'estimate', 'recalled')")  # it is told behind the other one, and can be seen
    box.root.get_by_text("recalled").wait_for()
    box.area.focus()
    box.page.keyboard.type("draft")
    box.page.keyboard.press("Home")
    seen = []
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown"):
        box.page.keyboard.press(key)
        seen.append(box.value())

    assert seen[0] == "about \\{{ sales }} and \\{{ x }}"
    assert seen[1:] == ["first", "first", seen[0], "draft"]


@pytest.mark.browser
def test_what_is_pasted_is_inert(box: Box) -> None:
    """No `{{` that a paste brings, or makes with what stands beside it, is live; and the browser can undo it."""
    box.area.focus()
    seen, undone = [], []
    for before, pasted, after, _ in PASTES:
        box.page.keyboard.press("Control+a")
        box.page.keyboard.press("Delete")
        box.page.keyboard.insert_text(before + after)
        for _ in after:
            box.page.keyboard.press("ArrowLeft")
        box.paste(pasted)
        box.page.wait_for_function(
            "old => document.querySelector('.orm-prompt-text').value !== old", arg=before + after
        )
        seen.append(box.value())
        box.page.keyboard.press("Control+z")
        undone.append(box.value())

    assert seen == [becomes for *_, becomes in PASTES]
    assert undone == [before + after for before, _, after, _ in PASTES]


@pytest.mark.soak
@pytest.mark.browser
def test_what_is_dropped_is_inert(box: Box) -> None:
    """Text that is dragged into the box from elsewhere in the page comes where it is dropped, and inert."""
    box.area.focus()
    box.page.keyboard.insert_text("{")
    box.page.evaluate("""() => {
        const source = Object.assign(document.createElement('p'), {textContent: '{ evil }} {{ x }}'});
        source.style.cssText = 'position: fixed; top: 300px; left: 600px; z-index: 9; user-select: text';
        document.body.append(source);
        const range = document.createRange();
        range.selectNodeContents(source);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
    }""")
    source, target = box.page.locator("body > p").bounding_box(), box.area.bounding_box()
    assert source is not None
    assert target is not None
    box.page.mouse.move(source["x"] + 20, source["y"] + 8)
    box.page.mouse.down()
    box.page.mouse.move(source["x"] + 40, source["y"] + 10, steps=3)
    box.page.mouse.move(target["x"] + 200, target["y"] + 20, steps=5)
    box.page.mouse.up()
    box.page.wait_for_function("() => document.querySelector('.orm-prompt-text').value.length > 1")

    assert box.value() == "\\{{ evil }} \\{{ x }}"


@pytest.mark.browser
@pytest.mark.parametrize("event", ["paste", "drop"])
def test_files_arrive_as_they_are(box: Box, event: str) -> None:
    """A picture and a large file arrive with the same bytes, the picture with a small one of itself to look at."""
    picture, size = png(), 2_600_000
    box.give(event, ("shot.png", "image/png", base64.b64encode(picture).decode()), ("big.bin", "", size))
    box.root.get_by_text("2.6 MB", exact=True).wait_for()
    width = box.root.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)")
    cards = box.kernel("[(card['name'], card['kind'], card['thumb'][:22]) for card in box.attachments]")
    box.root.get_by_label("Remove shot.png").focus()
    sent = box.send("What is this?")

    assert width == 96
    assert cards == [("shot.png", "image", "data:image/png;base64,"), ("big.bin", "file", "")]
    assert sent[1] == [
        ("shot.png", len(picture), "image/png", hashlib.sha256(picture).hexdigest()),
        ("big.bin", size, "", hashlib.sha256(bytes([size % 251]) * size).hexdigest()),
    ]
    expect(box.root.locator("li.orm-prompt-card")).to_have_count(0)


@pytest.mark.soak
@pytest.mark.browser
def test_a_prompt_waits_for_its_files(box: Box) -> None:
    """What is sent while a file is still on its way goes out with the file."""
    box.give("paste", ("big.bin", "", 5_000_000))
    sent = box.send("Read this")

    assert [each[:2] for each in sent[1]] == [("big.bin", 5_000_000)]


@pytest.mark.soak
@pytest.mark.browser
def test_too_large_files_are_refused(box: Box) -> None:
    """A file of 21 MB is refused with its size and the limit, and an eleventh with the number."""
    box.give("paste", ("film.mp4", "video/mp4", 21_000_000))
    too_large = box.root.get_by_role("alert").inner_text()
    box.give("paste", *((f"{number}.txt", "text/plain", 10) for number in range(11)))
    box.root.get_by_label("Remove 9.txt").wait_for()
    box.page.wait_for_function("() => !document.querySelector('.orm-prompt').innerText.includes('on its way')")

    assert too_large == "film.mp4 has 21 MB; an attachment may have 20 MB."
    assert "10.txt is one too many" in box.root.get_by_role("alert").inner_text()
    assert box.kernel("len(box.attachments)") == 10


@pytest.mark.browser
def test_a_file_is_attached_and_removed_by_the_keyboard(box: Box) -> None:
    """The Attach button opens the browser's own dialog, and the card's button takes the file away again."""
    box.page.on("filechooser", lambda _: None)  # else Playwright asks for the event too late to get it
    box.area.focus()
    box.page.keyboard.press("Tab")
    with box.page.expect_file_chooser() as chosen:
        box.page.keyboard.press("Enter")
    chosen.value.set_files({"name": "notes.md", "mimeType": "text/markdown", "buffer": b"# Notes"})
    away = box.root.get_by_label("Remove notes.md")
    away.wait_for()
    box.page.wait_for_function("() => !document.querySelector('.orm-prompt').innerText.includes('on its way')")
    away.press("Enter")
    away.wait_for(state="detached")

    assert box.kernel("box.attachments") == []


@pytest.mark.browser
def test_names_are_completed_by_the_keyboard(box: Box) -> None:
    """Within `{{` names are offered; arrows choose, Tab and Enter take, Escape closes the list and nothing else."""
    options, keys = box.page.get_by_role("listbox", name="Names").get_by_role("option"), box.page.keyboard
    box.area.focus()
    keys.type("Look at {{ sa")
    expect(options).to_have_count(3)  # what was offered for "s" is gone
    shown = [options.nth(number).inner_text().split()[0] for number in range(options.count())]
    keys.press("ArrowDown")
    active = box.area.get_attribute("aria-activedescendant")
    chosen = box.page.locator(f"[id='{active}'][aria-selected=true]").inner_text().split()[0]
    open_faults = box.violations()
    keys.press("Tab")
    keys.type(" }} and {{ i")
    options.first.wait_for()
    keys.press("Escape")
    options.first.wait_for(state="hidden")
    keys.type("c")
    options.first.wait_for()
    keys.press("Enter")

    assert shown == ["sales", "sales_2025", "sailors"]
    assert chosen == "sales_2025"
    assert open_faults == []
    assert box.value() == "Look at {{ sales_2025 }} and {{ icon"
    assert box.area.evaluate("area => area === document.activeElement")


@pytest.mark.soak
@pytest.mark.browser
def test_stop_takes_the_place_of_send(box: Box) -> None:
    """While an answer is on its way the button stops it, nothing is sent, and one can write on."""
    box.kernel("setattr(box, 'is_busy', True)")
    box.root.get_by_role("button", name="Stop").wait_for()
    box.area.focus()
    box.page.keyboard.type("next")
    box.page.keyboard.press("Control+Enter")
    hint = box.root.get_by_role("status").last.inner_text()
    box.root.get_by_role("button", name="Stop").click()
    told = box.wait_until_heard()
    box.kernel("setattr(box, 'is_busy', False)")
    box.root.get_by_role("button", name="Send").wait_for()
    box.page.keyboard.press("Escape")
    sent = box.send()

    assert "An answer is on its way" in hint
    assert told[0] == "stop"
    assert sent[0] == "next"


@pytest.mark.soak
@pytest.mark.browser
def test_editing_is_said_and_cancelled(box: Box) -> None:
    """A banner says what is edited, the box holds it inert and has the keyboard, and Cancel tells the kernel."""
    box.kernel("box.put('about {{ sales }}')")
    box.kernel("setattr(box, 'editing', 'Editing question 12: sending makes another branch')")
    box.root.get_by_text("Editing question 12").wait_for()
    box.page.wait_for_function("() => document.activeElement.matches('.orm-prompt-text')")
    value = box.value()
    box.root.get_by_label("Cancel editing").click()
    told = box.wait_until_heard()
    box.kernel("box.clear()")
    box.page.wait_for_function("() => document.querySelector('.orm-prompt-text').value === ''")

    assert value == "about \\{{ sales }}"
    assert told[0] == "cancel"


@pytest.mark.soak
@pytest.mark.browser
def test_two_views_show_one_draft(box: Box) -> None:
    """A box that is displayed twice shows the same text in both, and the kernel is told it once."""
    box.page.evaluate("""() => {
        const panel = window.jupyterapp.shell.currentWidget;
        panel.content.widgets[1].model.sharedModel.setSource('box');
    }""")
    run(box, 1)
    second = box.page.get_by_label("Prompt").nth(1)
    second.wait_for()
    box.area.focus()
    box.page.keyboard.type("the same")
    box.page.wait_for_function("() => document.querySelectorAll('.orm-prompt-text')[1].value === 'the same'")
    second.focus()
    box.page.keyboard.press("End")
    box.page.keyboard.type("!")
    box.page.wait_for_timeout(500)

    assert box.value() == "the same!"
    assert box.kernel("box.draft") == "the same!"
    assert box.kernel("drafts")[-1] == "the same!"


@pytest.mark.soak
@pytest.mark.browser
def test_the_draft_outlives_the_page(box: Box) -> None:
    """After the page was loaded again the box holds what was written in it, and its files."""
    box.area.focus()
    box.page.keyboard.type("half a thought")
    box.give("paste", ("a.txt", "text/plain", 10))
    box.page.wait_for_timeout(500)
    box.lab.saved()
    box.page.evaluate("() => { window.onbeforeunload = null; }")
    box.page.goto(box.page.url.replace("?reset", "?x"))
    box.area.wait_for()

    assert box.value() == "half a thought"
    assert box.root.get_by_label("Remove a.txt").count() == 1


@pytest.mark.soak
@pytest.mark.browser
def test_a_busy_kernel_hears(box: Box) -> None:
    """What is sent while a cell runs is heard before the cell has ended, twice in a row."""
    run(box, 1, is_awaited=False)
    box.page.wait_for_function("() => document.querySelectorAll('.jp-InputPrompt')[1].innerText.includes('*')")
    box.page.wait_for_timeout(300)
    box.area.focus()
    for text in ("first", "second"):
        box.page.keyboard.type(text)
        box.page.keyboard.press("Control+Enter")
        box.heard_before += 1
        box.page.get_by_text(f"{box.heard_before} heard", exact=True).wait_for()
    still_runs = not box.page.evaluate("window.__ran_cell")
    box.page.wait_for_function("() => window.__ran_cell")

    assert still_runs
    assert box.kernel("heard") == [("first", [], True), ("second", [], True)]


@pytest.mark.soak
@pytest.mark.browser
def test_a_deaf_kernel_is_told_of(box: Box) -> None:
    """A message that nobody acknowledges is told of, goes out when the kernel hears, and the line goes."""
    box.kernel("vars(box.comm).__setitem__('_reply_subshell_id', None)")  # the main shell, as VS Code's would be
    run(box, 1, is_awaited=False)
    box.area.focus()
    box.page.keyboard.type("patience")
    box.page.keyboard.press("Control+Enter")
    busy = box.root.get_by_text("The kernel is busy with a cell; this goes out when it is heard.")
    busy.wait_for()
    sent = box.wait_until_heard()
    busy.wait_for(state="detached")

    assert sent[0] == "patience"


@pytest.mark.soak
@pytest.mark.browser
@pytest.mark.parametrize("end", ["session.kernel.restart()", "shutdown()"], ids=["restarted", "shut-down"])
def test_a_kernel_that_is_gone_is_told_of(box: Box, end: str) -> None:
    """Without its kernel, of which a shutdown shows once something is to go out, the box says so and keeps its text."""
    box.area.focus()
    box.page.keyboard.type("not lost")
    box.page.evaluate(f"async () => {{ await window.jupyterapp.shell.currentWidget.sessionContext.{end}; }}")
    box.page.keyboard.press("Control+Enter")
    box.root.get_by_role("alert").get_by_text("This panel's kernel is gone.").wait_for()
    box.errors = [error for error in box.errors if "debugger state" not in error]  # Lab's own, of each restart

    assert box.value() == "not lost"
    assert box.root.get_by_role("button", name="Send").is_disabled()


@pytest.mark.soak
@pytest.mark.browser
def test_a_box_that_is_closed_goes(box: Box) -> None:
    """A box that the kernel closes leaves the page."""
    box.kernel("box.close()")

    box.area.wait_for(state="hidden")


@pytest.mark.soak
@pytest.mark.browser
def test_only_saving_goes_through(box: Box) -> None:
    """Within the box Ctrl+S saves the notebook, and no other shortcut of JupyterLab acts."""
    cells = box.page.locator(".jp-Notebook .jp-Cell")
    count = cells.count()
    box.area.focus()
    for key in ("a", "b", "d", "d", "Escape", "x", "Enter", "Shift+Enter", "Control+b", "Control+Shift+c"):
        box.page.keyboard.press(key)
    is_dirty = "() => window.jupyterapp.shell.currentWidget.context.model.dirty"
    assert box.page.evaluate(is_dirty)
    box.page.keyboard.press("Control+s")
    box.page.wait_for_function(f"() => !({is_dirty})()")

    assert box.value() == "abddx\n\n"
    assert cells.count() == count
    assert box.root.get_attribute("data-lm-suppress-shortcuts") == "true"


@pytest.mark.soak
@pytest.mark.browser
@pytest.mark.parametrize("theme", THEMES)
def test_nothing_bars_the_way(box: Box, theme: str) -> None:
    """In a light and a dark theme, empty, full and with an error, axe finds nothing grave."""
    box.page.evaluate(
        "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", THEMES[theme]
    )
    is_light = str(theme == "light").lower()
    box.page.wait_for_function("is => document.body.dataset.jpThemeLight === is", arg=is_light)
    empty = box.violations()
    box.give("paste", ("shot.png", "image/png", base64.b64encode(png()).decode()), ("notes.txt", "text/plain", 10))
    box.kernel(
        "[setattr(box, *pair) for pair in {'notice': 'No', 'notice_kind': 'error', 'is_busy': True, "
        "'estimate': 'about $0.02', 'editing': 'Editing question 12'}.items()]"
    )
    box.root.get_by_role("button", name="Stop").wait_for()
    box.root.get_by_label("Remove notes.txt").wait_for()

    assert empty == []
    assert box.violations() == []


@pytest.mark.soak
@pytest.mark.browser
def test_a_key_sends_at_once(box: Box, record_property: Callable[[str, object], None]) -> None:
    """The message is out before the key's event ends; how long that took is a property of the test's report."""
    box.page.evaluate(_TIME_SENDING)
    box.area.focus()
    for number in range(5):
        box.page.keyboard.insert_text(f"question {number} " + 2000 * "word ")
        box.page.wait_for_timeout(500)
        box.page.evaluate("() => { window.__sending = []; }")
        box.page.keyboard.press("Control+Enter")
        box.wait_until_heard()
        record_property("ms", box.page.evaluate("window.__sending[0]"))

    assert box.heard_before == 5
