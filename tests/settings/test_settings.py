"""Who wins among those who set something, and to whom a key may go."""

from __future__ import annotations

from pathlib import Path

import pytest

from or_magic.errors import CommandError, MissingKeyError
from or_magic.settings.layers import Setting, Settings


def test_the_nearest_layer_wins() -> None:
    """The cell's flag, the notebook, %config, the environment, the default: the first that says something wins."""
    environment: dict[str, str] = {}
    config: dict[str, str] = {}
    settings = Settings(environment, lambda: config)

    assert settings.model() == Setting("openrouter/auto", "default")
    environment["OR_MAGIC_MODEL"] = "e/e"
    assert settings.model() == Setting("e/e", "OR_MAGIC_MODEL")
    config["model"] = "c/c"
    assert settings.model() == Setting("c/c", "%config")
    settings.notebook["model"] = "n/n"
    assert settings.model() == Setting("n/n", "%openrouter model")
    assert settings.model("f/f") == Setting("f/f", "this cell")


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        pytest.param({"OPENROUTER_API_KEY": "sk-1"}, "sk-1", id="to openrouter.ai"),
        pytest.param(
            {"OPENROUTER_API_KEY": "sk-1", "OPENROUTER_BASE_URL": "https://x.example/v1"},
            "sk-1",
            id="to its own address",
        ),
        pytest.param({"OPENROUTER_BASE_URL": "http://127.0.0.1:1/v1"}, "sk-or-none", id="a dummy to this machine"),
    ],
)
def test_a_key_goes_to_its_own_address(environment: dict[str, str], sent: str) -> None:
    """The key of the environment goes to the environment's address; this machine gets a dummy."""
    assert Settings(environment).key().value == sent


def test_a_key_goes_nowhere_else() -> None:
    """Where the notebook asks another address, the environment's key stays at home."""
    settings = Settings({"OPENROUTER_API_KEY": "sk-or-secret"})

    settings.notebook["base_url"] = "https://other.example/v1"

    with pytest.raises(MissingKeyError, match=r"No key for https://other\.example"):
        settings.key()
    settings.notebook["base_url"] = "http://127.0.0.1:8/v1"
    assert settings.key().value == "sk-or-none"


@pytest.mark.parametrize(
    "url", ["openrouter.ai/api", "ftp://x/y", "http://openrouter.ai/v1", "https://", "https://x:port", "https://[::1"]
)
def test_addresses_that_cannot_be_asked(url: str) -> None:
    """What is no address, or would carry the key in the clear, is refused before anything is sent."""
    with pytest.raises(CommandError, match="OPENROUTER_BASE_URL"):
        Settings({"OPENROUTER_BASE_URL": url}).base_url()


def test_a_key_hides_in_every_repr() -> None:
    """A debugger or a verbose traceback that prints a setting prints no key."""
    settings = Settings({"OPENROUTER_API_KEY": "sk-or-secret"})
    settings.give_key("sk-or-secret")

    assert "secret" not in f"{settings.key()!r} {vars(settings)['_keys']!r}"


class _Counted(dict):  # type: ignore[type-arg]
    """An environment that counts how often each name is read."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.looks: dict[str, int] = {}

    def __getitem__(self, name: str) -> str:
        self.looks[name] = self.looks.get(name, 0) + 1
        return str(super().__getitem__(name))


def test_all_is_resolved_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolve stats the settings file once and reads %config and each variable once; nothing in it changes later."""
    file = tmp_path / "settings.toml"
    file.write_text('retries = 5\n[aliases]\nfast = "a/b"\n')
    environment = _Counted({"OR_MAGIC_SETTINGS": str(file), "OR_MAGIC_SEED": "7", "OR_MAGIC_MODEL": "fast"})
    configs: list[int] = []
    settings = Settings(environment, lambda: configs.append(1) or {"top_k": "4"})
    stats: list[object] = []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **options: stats.append(path) or stat(path, **options))

    resolved = settings.resolve(parameters={"temperature": 0.2})
    settings.notebook["top_k"] = "9"

    assert (len(stats), len(configs), set(environment.looks.values())) == (1, 1, {1})
    assert resolved.model == Setting("a/b", "OR_MAGIC_MODEL: fast")
    assert {name: chosen.value for name, chosen in resolved.parameters.items()} == {
        "temperature": 0.2,
        "top_k": 4,
        "seed": 7,
    }
    assert (resolved.timeouts.retries, resolved.options["retries"], resolved.options["live"]) == (5, 5, True)
    assert (resolved.service, dict(resolved.aliases)) == ("https://openrouter.ai", {"fast": "a/b"})
    with pytest.raises(MissingKeyError, match=r"No key for https://openrouter\.ai"):
        resolved.key()


def test_a_resolved_key_stays_with_its_origin() -> None:
    """What was resolved holds the key of its own address, whatever is set afterwards."""
    settings = Settings({"OPENROUTER_API_KEY": "sk-or-secret"})

    resolved = settings.resolve()
    settings.notebook["base_url"] = "https://other.example/v1"

    assert resolved.key().value == "sk-or-secret"
    assert "secret" not in repr(resolved)
    with pytest.raises(MissingKeyError):
        settings.resolve().key()
