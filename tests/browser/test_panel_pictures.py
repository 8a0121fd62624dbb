"""``make pictures``: the panel in five states, three widths and two themes, as PNG files in ``docs/pictures``."""

from __future__ import annotations

import pytest

from or_magic.sandbox import Sandbox

from .panel_page import OpenNotebook, PanelPage, opened
from .test_pictures import FOLDER, THEMES

WIDTHS = (360, 800, 1400)
LONG = (
    ("sandbox/memory", "My barometer reads 1013 hPa."),
    ("sandbox/coder", "Write a function that turns hPa into mmHg."),
    ("sandbox/reasoner", "Is that high or low?"),
)
_DARK = "theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }"
_CLIPPED = """() => {
    const right = document.querySelector('.orm-conversation').getBoundingClientRect().right;
    return [...document.querySelectorAll('.orm-conversation :is(p, pre, li), .orm-asked')]
        .filter(each => each.getBoundingClientRect().right > right).map(each => each.textContent.slice(0, 60));
}"""
_FULL_WIDTH = "() => { window.jupyterapp.shell.collapseLeft(); window.jupyterapp.shell.collapseRight(); }"


def prepared(page: PanelPage, sandbox: Sandbox, state: str) -> None:
    """Brings the panel into a state that is worth a picture."""
    if state == "streaming":
        sandbox.behave(pace=15)
        page.send("How does an answer arrive?")
        page.see("the first token")
    elif state == "long":
        for model, text in LONG:
            page.run(f"%openrouter model {model}")
            page.ask(text)
        page.press("Run again")
        page.see("2 of 2")
        page.wait()
        page.run("%openrouter set temperature 0.2")
    elif state == "error":
        page.ask("Is anybody there?")
        sandbox.fail_next(401, "User not found.")
        page.send("And now?")
        page.see("refused the key")
        page.wait()
    elif state == "spent":
        page.ask("What does a barometer measure?")
        page.run("%openrouter budget 0.000001")
        page.send("And a hygrometer?")
        page.see("Nothing was sent")


@pytest.mark.pictures
@pytest.mark.parametrize("state", ["empty", "streaming", "long", "error", "spent"])
def test_panel_pictures(open_notebook: OpenNotebook, sandbox: Sandbox, state: str) -> None:
    """The panel as it is with nothing asked, while an answer arrives, after many, after a failure, without money."""
    page = opened(open_notebook, f"panel_{state}", model="sandbox/essay" if state == "streaming" else "sandbox/memory")
    page.page.evaluate(_FULL_WIDTH)
    try:
        prepared(page, sandbox, state)
        FOLDER.mkdir(parents=True, exist_ok=True)
        for theme, name in THEMES.items():
            page.page.evaluate(_DARK, name)
            is_light = str(theme == "light").lower()
            page.page.wait_for_function("is => document.body.dataset.jpThemeLight === is", arg=is_light)
            for width in WIDTHS:
                page.page.set_viewport_size({"width": width, "height": 1000})
                page.page.wait_for_timeout(400)  # the page lays itself out anew
                page.panel().scroll_into_view_if_needed()
                assert page.page.evaluate(_CLIPPED) == []
                page.panel().screenshot(path=FOLDER / f"panel_{state}_{width}_{theme}.png")
    finally:
        sandbox.behave(pace=400)
    assert page.complaints == []
