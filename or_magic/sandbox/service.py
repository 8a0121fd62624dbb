"""What one running sandbox consists of, whoever looks at it: its endpoints, its control, or a test."""

from __future__ import annotations

from dataclasses import dataclass, field

from or_magic.sandbox.behaviour import Controls
from or_magic.sandbox.book import Book
from or_magic.sandbox.received import RequestLog


@dataclass(frozen=True, slots=True)
class Service:
    """The book, the log and the controls, and the token that opens the control endpoint."""

    controls: Controls
    token: str = field(repr=False)
    book: Book = field(default_factory=Book)
    requests: RequestLog = field(default_factory=RequestLog)
