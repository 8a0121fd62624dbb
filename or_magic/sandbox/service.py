"""What one running sandbox consists of, whoever looks at it: its endpoints, its control, or a test."""

from __future__ import annotations

from dataclasses import dataclass, field

from or_magic.sandbox.behaviour import Controls
from or_magic.sandbox.book import Book
from or_magic.sandbox.kept_answers import KeptAnswers
from or_magic.sandbox.received import RequestLog
from or_magic.sandbox.recordings import Recordings


@dataclass(frozen=True, slots=True)
class Service:
    """The book, the log, the controls, kept and recorded answers, and the token that opens the control endpoint."""

    controls: Controls
    token: str = field(repr=False)
    book: Book = field(default_factory=Book)
    requests: RequestLog = field(default_factory=RequestLog)
    kept_answers: KeptAnswers = field(default_factory=KeptAnswers)
    recordings: Recordings = field(default_factory=Recordings)
