"""Every error a user can meet, as one tree.

Each message is one line: what happened, and what to do next. In a notebook cell or a terminal IPython that line is
all that is shown (`_render_traceback_`), yet the cell is an error, so that "Run All", nbclient and papermill stop. In a
script they are ordinary exceptions.

::

    OrMagicError                 anything below, except a stop
    ├── CommandError             a flag, a subcommand or a cell that cannot be taken as it was typed
    ├── MissingKeyError          there is no key for the address that would be asked
    ├── StoreError               what is kept on disk cannot be opened or read
    └── ServiceError             the service, or the way to it, said no
        ├── AuthenticationError  the key is missing, wrong or revoked
        ├── ModelNotFoundError   no such model
        ├── NotReachableError    nobody answers at that address
        ├── TimedOutError        connected, but nothing came in time
        └── TruncatedError       the answer broke off before its end
    Stopped                      the user stopped the answer (a KeyboardInterrupt, not an OrMagicError)
"""

from __future__ import annotations


class _OneLine:
    """What makes IPython show an exception as its message alone, also under ``%xmode Verbose``."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class OrMagicError(_OneLine, Exception):
    """Base of all errors of this package."""


class CommandError(OrMagicError):
    """A flag, a subcommand or a cell cannot be taken as it was typed."""


class MissingKeyError(OrMagicError):
    """No key is set for the address that would be asked."""


class StoreError(OrMagicError):
    """The store on disk cannot be opened, read or written."""


class ServiceError(OrMagicError):
    """The service refused, failed or could not be understood.

    Attributes:
        status: HTTP status, or the code of an error inside a stream; None where there was none.
        generation_id: the service's id of the answer, where one had been given out.
        may_be_charged: False where it is certain that nothing was charged: nothing was sent, or the service refused.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        generation_id: str | None = None,
        may_be_charged: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.generation_id = generation_id
        self.may_be_charged = may_be_charged


class AuthenticationError(ServiceError):
    """The key is missing, wrong or revoked (HTTP 401)."""


class ModelNotFoundError(ServiceError):
    """The service knows no model of that id (HTTP 400 or 404)."""


class NotReachableError(ServiceError):
    """No connection could be made, so nothing was sent and nothing is charged."""


class TimedOutError(ServiceError):
    """The connection stands but nothing came in time."""


class TruncatedError(ServiceError):
    """The answer broke off before its end; what had arrived is kept."""


class Stopped(_OneLine, KeyboardInterrupt):
    """The user stopped the answer; what had arrived is kept."""
