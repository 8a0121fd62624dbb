"""The thread that does what callbacks hand over: in order, the newest of its kind alone, and no longer than needed."""

from __future__ import annotations

import functools
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from or_magic.errors import Stopped
from or_magic.jupyter.panel.worker import Worker

WAIT_S = 20


def settle(work: Worker) -> None:
    """Waits until all that was handed over is done."""
    done = threading.Event()
    work.do(done.set)
    assert done.wait(WAIT_S)


class Held:
    """Work whose thread is busy until it is let go."""

    def __init__(self, **options: Any) -> None:
        self.work, self.begun, self._may_go = Worker(**options), threading.Event(), threading.Event()
        self.work.do(self._hold)
        assert self.begun.wait(WAIT_S)

    def _hold(self) -> None:
        self.thread = threading.current_thread()
        self.begun.set()
        self._may_go.wait(WAIT_S)

    def let_go(self) -> None:
        self._may_go.set()


def thread_of(work: Worker) -> threading.Thread:
    """The thread that does the jobs."""
    found: list[threading.Thread] = []
    work.do(lambda: found.append(threading.current_thread()))
    settle(work)
    return found[0]


def fails(error: BaseException) -> Callable[[], object]:
    """A job that raises."""

    def job() -> None:
        raise error

    return job


def test_in_order() -> None:
    """Jobs are done one after another in the order in which they came, all in one daemon thread with a name."""
    work, done = Worker(), list[Any]()
    for number in range(100):
        work.do(lambda number=number: done.append((number, threading.get_ident())))  # type: ignore[misc]
    settle(work)

    assert [number for number, _ in done] == list(range(100))
    thread = thread_of(work)
    assert {ident for _, ident in done} == {thread.ident}
    assert (thread.daemon, thread.name) == (True, "or_magic panel")


def new_threads(before: list[threading.Thread]) -> list[str]:
    """The names of the threads that were not there before."""
    return [thread.name for thread in threading.enumerate() if thread not in before]


def test_no_thread_before_the_first() -> None:
    """Work that was given nothing has no thread, nor has it one when it was closed before."""
    before = threading.enumerate()
    work = Worker()
    assert "or_magic panel" not in new_threads(before)

    work.close()
    work.do(fails(AssertionError()))
    assert "or_magic panel" not in new_threads(before)


def test_nobody_waits() -> None:
    """Who hands a job over does not wait for it, whatever is being done."""
    held, done = Held(), threading.Event()
    held.work.do(done.set)
    assert not done.is_set()

    held.let_go()
    assert done.wait(WAIT_S)


def test_from_many_threads() -> None:
    """What many threads hand over at once is done once each, and what one hands over in its order."""
    work, done, middleware = Worker(), list[tuple[int, int]](), threading.Barrier(8)

    def hand_over(who: int) -> None:
        middleware.wait(WAIT_S)
        for number in range(50):
            work.do(functools.partial(done.append, (who, number)))

    threads = [threading.Thread(target=hand_over, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    settle(work)

    for who in range(8):
        assert [number for each, number in done if each == who] == list(range(50))


def test_the_newest() -> None:
    """Of jobs of one kind that have not begun the newest alone is done, in its own place; the others are all done."""
    held, done = Held(), list[str]()
    for name, key in (("a1", "a"), ("plain", ""), ("b1", "b"), ("a2", "a"), ("plain", ""), ("b2", "b")):
        held.work.do(lambda name=name: done.append(name), newest=key)  # type: ignore[misc]
    held.let_go()
    settle(held.work)

    assert done == ["plain", "a2", "plain", "b2"]


def test_one_that_has_begun() -> None:
    """A job that has begun ends; one of the same kind that comes meanwhile is done after it."""
    work, done, begun, may_end = Worker(), list[str](), threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        may_end.wait(WAIT_S)
        done.append("first")

    work.do(first, newest="look")
    assert begun.wait(WAIT_S)
    work.do(lambda: done.append("second"), newest="look")
    may_end.set()
    settle(work)

    assert done == ["first", "second"]


def test_the_same_job_twice() -> None:
    """The same function, handed over twice before it begins, is done once; later again."""
    held, done = Held(), list[int]()
    job = lambda: done.append(1)  # noqa: E731  # one and the same
    held.work.do(job, newest="look")
    held.work.do(job, newest="look")
    held.let_go()
    settle(held.work)
    assert done == [1]

    held.work.do(job, newest="look")
    settle(held.work)
    assert done == [1, 1]


def test_a_job_that_hands_over_another() -> None:
    """A job may hand over more; it is done after what was there before."""
    work, done, ended = Worker(), list[str](), threading.Event()

    def first() -> None:
        work.do(lambda: (done.append("third"), ended.set()))
        done.append("first")

    work.do(first)
    assert ended.wait(WAIT_S)
    assert done == ["first", "third"]


@pytest.mark.parametrize(
    "error", [ValueError("x"), Stopped("Stopped."), SystemExit(1), KeyboardInterrupt(), GeneratorExit()], ids=repr
)
def test_an_error(error: BaseException) -> None:
    """What a job raises, whatever it is, is told, and the next one is done in the same thread."""
    told: list[BaseException] = []
    work = Worker(told.append)
    thread = thread_of(work)

    work.do(fails(error))
    work.do(fails(error), newest="look")
    settle(work)

    assert told == [error, error]
    assert thread_of(work) is thread


def test_an_error_that_cannot_be_told() -> None:
    """Where telling it fails too the thread goes on; without anybody to tell, nothing happens."""
    work = Worker(lambda error: 1 / 0)
    work.do(fails(ValueError("x")))
    settle(work)

    silent = Worker()
    silent.do(fails(ValueError("x")))
    settle(silent)


@pytest.mark.parametrize("newest", ["", "look"])
def test_closing(newest: str) -> None:
    """Who closes it lets what has begun end; what has not begun is dropped, and what comes later; the thread ends."""
    held, done = Held(), list[int]()
    held.work.do(lambda: done.append(1), newest=newest)
    held.work.close()
    held.work.close()
    held.work.do(lambda: done.append(2), newest=newest)
    held.let_go()
    held.thread.join(WAIT_S)

    assert not held.thread.is_alive()
    assert done == []


def test_work_that_nobody_has_any_more() -> None:
    """Work that is let go of keeps no thread alive, nor does its thread keep it; what was handed over is done."""
    done = threading.Event()
    work = Worker()
    thread, gone = thread_of(work), weakref.ref(work)
    work.do(done.set)
    del work
    gc.collect()

    assert gone() is None
    assert done.wait(WAIT_S)
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_job_is_let_go_of() -> None:
    """A job that was done is not kept until the next one comes."""

    class Thing:
        def job(self) -> None:
            pass

    work, thing = Worker(), Thing()
    gone = weakref.ref(thing)
    work.do(thing.job)
    work.do(thing.job, newest="look")
    settle(work)
    settle(work)
    del thing
    gc.collect()

    assert gone() is None
