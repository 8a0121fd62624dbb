"""The branches of a thread: versions of a question, attempts that did not end well, and the ways between them."""

from __future__ import annotations

import pytest

from or_magic.errors import CommandError, StoreError
from or_magic.ledger.audit import verify
from or_magic.ledger.databases import insertion
from or_magic.ledger.records import Progress, TurnId
from or_magic.ledger.store import Ledger, this_process
from or_magic.ledger.threads import Branches, BranchPoint, Threads
from or_magic.types import Ending, Message, ToolCall, ToolResultPart

from .samples import arrived, ask, question

BOOK = "/book.ipynb"


def say(ledger: Ledger, text: str = "hi", ending: Ending = "complete", **more: object) -> TurnId:
    """A question of the panel, which has no cell."""
    of_panel = {"notebook": BOOK, "thread": "main", "cell_id": None, "prompt": Message.of_text("user", text)}
    return ask(ledger, ending=ending, **(of_panel | more))


def calls(ledger: Ledger, **more: object) -> TurnId:
    """A question whose answer calls a tool."""
    return say(ledger, progress=arrived("", others=(ToolCall("c1", "add", "{}"),)), **more)


def gives(ledger: Ledger, ending: Ending = "complete", **more: object) -> TurnId:
    """The step that follows: what the tool gave, and the answer to it."""
    return say(ledger, ending=ending, prompt=Message("tool", (ToolResultPart("c1", "3"),)), **more)


def spots(ledger: Ledger, thread: str | None = None, shown: TurnId | None = None) -> list[BranchPoint]:
    return Branches(ledger).branch_points(BOOK, thread, shown)


def go_to(ledger: Ledger, turn: TurnId, thread: str | None = None) -> TurnId | None:
    return Branches(ledger).go_to(BOOK, turn, thread)


def alone(*turns: TurnId) -> list[BranchPoint]:
    """Questions of one turn and one version each."""
    return [BranchPoint((turn,), (turn,)) for turn in turns]


def test_a_notebook_that_never_asked(ledger: Ledger) -> None:
    """Where nothing was asked there are no questions, and no way to any; a thread that is not there has none either."""
    assert spots(ledger) == spots(ledger, "draft") == []
    with pytest.raises(StoreError, match=r"There is no turn 7 in this thread\. Look again: %openrouter history\."):
        go_to(ledger, 7)
    say(ledger)
    assert spots(ledger, "draft") == []


def test_a_path(ledger: Ledger) -> None:
    """The questions stand in the order in which they were asked; one under way is among them."""
    first, second = say(ledger), say(ledger)
    third = ledger.open_turn(question(notebook=BOOK, thread="main", cell_id=None)).id

    assert spots(ledger) == alone(first, second, third)
    assert spots(ledger, "main") == spots(ledger)
    assert Branches(ledger).branch_points("/other.ipynb", None) == []


def test_an_empty_thread(ledger: Ledger) -> None:
    """A thread without a question has no spots, whatever the others of its notebook have."""
    say(ledger)
    Threads(ledger).begin(BOOK, "ideas", None, None)

    assert spots(ledger) == []
    assert len(spots(ledger, "main")) == 1


def test_versions_of_a_question(ledger: Ledger) -> None:
    """What takes the place of a question is a version of it, also of the first; what followed the old one is gone."""
    first, second, third = (say(ledger) for _ in range(3))
    newer = say(ledger, replaces=second)
    newest = say(ledger, replaces=newer)

    assert spots(ledger) == [BranchPoint((first,), (first,)), BranchPoint((newest,), (second, newer, newest))]

    anew = say(ledger, replaces=first)
    assert spots(ledger) == [BranchPoint((anew,), (first, anew))]
    assert third not in Threads(ledger).path(BOOK)
    assert verify(ledger) == []


def test_what_is_sent_along_with_a_version(ledger: Ledger) -> None:
    """What takes the place of a question is asked with what came before it, and knows how many answers came after."""
    first, second = say(ledger), say(ledger)
    say(ledger, cell_id="c9")

    history_slice = ledger.outlook(question(notebook=BOOK, thread="main", cell_id=None, replaces=second)).history

    assert [exchange.turn_id for exchange in history_slice.context] == [first]
    assert (history_slice.previous, history_slice.later) == (first, 1)


def test_the_named_turn_counts_and_not_the_cell(ledger: Ledger) -> None:
    """Where a turn is named, it is replaced, and not the one that the same cell made before."""
    first, second = say(ledger, cell_id="a"), say(ledger, cell_id="b")
    newer = say(ledger, cell_id="b", replaces=first)

    assert spots(ledger) == [BranchPoint((newer,), (first, newer))]
    assert second not in Threads(ledger).path(BOOK)


def test_a_turn_that_is_not_on_the_path(ledger: Ledger) -> None:
    """A turn that was undone takes no place: what would replace it is asked at the end, where it belongs too."""
    first, second = say(ledger), say(ledger)
    Threads(ledger).undo(BOOK)
    newer = say(ledger, replaces=second)

    assert spots(ledger) == [BranchPoint((first,), (first,)), BranchPoint((newer,), (second, newer))]


@pytest.mark.parametrize("ending", ["failed", "stopped"])
def test_a_version_that_did_not_end_well(ledger: Ledger, ending: Ending) -> None:
    """The thread gets back what it had; the version is counted, and shown where somebody goes to it."""
    first, second = say(ledger), say(ledger)
    attempt = say(ledger, ending=ending, replaces=first)

    assert spots(ledger) == [BranchPoint((first,), (first, attempt)), *alone(second)]
    assert Threads(ledger).path(BOOK) == [first, second]

    assert go_to(ledger, attempt) == attempt
    assert spots(ledger, shown=attempt) == [BranchPoint((attempt,), (first, attempt))]
    assert go_to(ledger, first) is None
    assert spots(ledger) == [BranchPoint((first,), (first, attempt)), *alone(second)]


def test_steps_with_tools(ledger: Ledger) -> None:
    """A question stands with its steps with tools; its versions are questions, never steps."""
    first = say(ledger)
    begins = calls(ledger)
    step, last = gives(ledger, progress=arrived("", others=(ToolCall("c1", "add", "{}"),))), gives(ledger)
    newer = calls(ledger, replaces=begins)
    ends = gives(ledger)

    assert spots(ledger) == [*alone(first), BranchPoint((newer, ends), (begins, newer))]

    assert go_to(ledger, begins) is None
    assert spots(ledger) == [*alone(first), BranchPoint((begins, step, last), (begins, newer))]


def test_a_step_that_did_not_end_well(ledger: Ledger) -> None:
    """A step with tools that failed is no attempt of a question: the question stands as far as it came."""
    begins = calls(ledger)
    gives(ledger, ending="failed")

    assert spots(ledger) == alone(begins)


@pytest.mark.parametrize("ending", ["failed", "stopped"])
def test_an_attempt_is_shown_where_it_is_the_newest(ledger: Ledger, ending: Ending) -> None:
    """What did not end well stands at the end until something else was asked there; then it is one version of it."""
    first = say(ledger)
    attempt = say(ledger, ending=ending)
    assert spots(ledger) == [*alone(first), *alone(attempt)]

    another = say(ledger, ending=ending)
    assert spots(ledger) == [*alone(first), BranchPoint((another,), (attempt, another))]

    well = say(ledger)
    assert spots(ledger) == [*alone(first), BranchPoint((well,), (attempt, another, well))]


def test_an_attempt_at_the_beginning(ledger: Ledger) -> None:
    """In a thread whose first question failed that is shown; one of another thread is not."""
    attempt = say(ledger, ending="failed")
    Threads(ledger).begin(BOOK, "ideas", None, None)

    assert spots(ledger, "main") == alone(attempt)
    assert spots(ledger, "ideas") == []


def test_an_attempt_of_a_dead_kernel(ledger: Ledger) -> None:
    """What a kernel left behind that was killed is shown like what was stopped."""
    opened = ledger.open_turn(question(notebook=BOOK, thread="main", cell_id=None))
    ledger.checkpoint(opened.id, Progress(text="half"))
    with ledger.store.writing() as transaction:
        transaction.run("UPDATE turns SET owner = :owner", {"owner": f"{this_process().split('/')[0]}/999999999/1.0"})

    ledger.mark_interrupted()

    assert ledger.turn(opened.id).state == "interrupted"
    assert spots(ledger) == alone(opened.id)


def test_an_attempt_that_is_asked_for(ledger: Ledger) -> None:
    """An attempt that somebody went to stands there although another is newer; one of elsewhere changes nothing."""
    first = say(ledger)
    attempt, another = say(ledger, ending="stopped"), say(ledger, ending="failed")

    assert go_to(ledger, attempt) == attempt
    assert spots(ledger, shown=attempt) == [*alone(first), BranchPoint((attempt,), (attempt, another))]
    assert (
        spots(ledger, shown=first)
        == spots(ledger, shown=99)
        == [*alone(first), BranchPoint((another,), (attempt, another))]
    )


def test_going_to_a_version_and_what_is_behind_it(ledger: Ledger) -> None:
    """Who goes to a version gets what followed it, to the newest end; who goes back finds all that was there."""
    first, second, third = (say(ledger) for _ in range(3))
    newer = say(ledger, replaces=second)
    follows = say(ledger)
    thirds = say(ledger, replaces=follows)
    branches = (second, newer)

    assert go_to(ledger, second) is None
    assert spots(ledger) == [*alone(first), BranchPoint((second,), branches), *alone(third)]

    assert go_to(ledger, newer) is None
    assert spots(ledger) == [*alone(first), BranchPoint((newer,), branches), BranchPoint((thirds,), (follows, thirds))]
    assert verify(ledger) == []


def test_an_end_that_did_not_end_well(ledger: Ledger) -> None:
    """The way to a version ends before what failed behind it, which is shown there as the newest."""
    first = say(ledger)
    attempt = say(ledger, ending="failed")
    newer = say(ledger, replaces=first)

    assert go_to(ledger, first) is None
    assert Threads(ledger).path(BOOK) == [first]
    assert spots(ledger) == [BranchPoint((first,), (first, newer)), *alone(attempt)]


def test_after_undo_and_redo(ledger: Ledger) -> None:
    """What was undone is shown no more, and comes back as it was; where somebody went elsewhere, nothing is redone."""
    first, second = say(ledger), say(ledger)
    newer = say(ledger, replaces=second)
    ways = Threads(ledger)
    before = spots(ledger)

    ways.undo(BOOK)
    assert spots(ledger) == alone(first)
    ways.redo(BOOK)
    assert spots(ledger) == before

    ways.undo(BOOK, 2)
    assert spots(ledger) == []
    assert go_to(ledger, second) is None
    assert spots(ledger) == [*alone(first), BranchPoint((second,), (second, newer))]
    with pytest.raises(CommandError, match="nothing to redo"):
        ways.redo(BOOK)


def test_an_attempt_after_an_undo(ledger: Ledger) -> None:
    """After an undo the newest of what was asked there decides: an answer that was undone is not shown, nor an
    attempt before it.
    """
    say(ledger, ending="failed")
    well = say(ledger)
    Threads(ledger).undo(BOOK)
    assert spots(ledger) == []

    attempt = say(ledger, ending="stopped")
    assert spots(ledger)[0].steps == (attempt,)
    assert spots(ledger)[0].branches[-2:] == (well, attempt)


def test_a_fork(ledger: Ledger) -> None:
    """A thread that goes on from another shows the shared questions and its own, of which the other's is a version."""
    first, second = say(ledger), say(ledger)
    Threads(ledger).begin(BOOK, "side", first, None)
    own = say(ledger, thread="side")

    assert spots(ledger, "side") == [*alone(first), BranchPoint((own,), (second, own))]
    assert spots(ledger, "main") == [*alone(first), BranchPoint((second,), (second, own))]


def test_a_shared_question_asked_again_in_a_fork(ledger: Ledger) -> None:
    """It is a version of the shared one: the fork can go back to that, and the other thread stays as it is."""
    first, second = say(ledger), say(ledger)
    Threads(ledger).begin(BOOK, "side", second, None)
    again = say(ledger, thread="side", replaces=second)

    assert spots(ledger, "side") == [*alone(first), BranchPoint((again,), (second, again))]
    assert go_to(ledger, second, "side") is None
    assert spots(ledger, "side") == [*alone(first), BranchPoint((second,), (second, again))]
    assert spots(ledger, "main") == [*alone(first), BranchPoint((second,), (second, again))]


def test_going_over_a_fork(ledger: Ledger) -> None:
    """A fork goes to a version of a shared question and back to what was asked in it; the other thread stays."""
    first = say(ledger)
    newer = say(ledger, replaces=first)
    second = say(ledger)
    Threads(ledger).begin(BOOK, "side", newer, None)
    own = say(ledger, thread="side")
    branches = (first, newer)

    assert go_to(ledger, first) is None
    assert spots(ledger) == [BranchPoint((first,), branches)]
    assert go_to(ledger, newer) is None
    assert spots(ledger) == [BranchPoint((newer,), branches), BranchPoint((own,), (second, own))]
    assert spots(ledger, "main") == [BranchPoint((newer,), branches), BranchPoint((second,), (second, own))]
    assert go_to(ledger, first, "main") is None
    assert (spots(ledger, "main"), spots(ledger)[-1].steps) == ([BranchPoint((first,), branches)], (own,))


def test_a_thread_that_is_not_there(ledger: Ledger) -> None:
    """Who goes by a turn in a thread that is not there is told so, and nothing moves."""
    first = say(ledger)

    with pytest.raises(StoreError, match=f"There is no turn {first} in this thread"):
        go_to(ledger, first, "draft")
    with pytest.raises(StoreError, match="There is no turn 99 in this thread"):
        go_to(ledger, 99)
    assert spots(ledger) == alone(first)


def test_a_long_thread(file_ledger: Ledger) -> None:
    """A path that is longer than one query can name is whole, and each question knows its versions."""
    first, count = say(file_ledger), 1_050
    with file_ledger.store.writing() as transaction:
        row = vars(transaction.rows("SELECT * FROM turns")[0])
        copies = [row | {"id": id, "previous": id - 1} for id in range(first + 1, first + count)]
        transaction.run_many(insertion("turns", tuple(row)), copies)
        transaction.run("UPDATE threads SET tip = :tip", {"tip": copies[-1]["id"]})
    newer = say(file_ledger, replaces=copies[-1]["id"])

    found = spots(file_ledger)
    assert found[:-1] == alone(*range(first, first + count - 1))
    assert found[-1] == BranchPoint((newer,), (copies[-1]["id"], newer))
