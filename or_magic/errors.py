"""Every error a user can meet, as one tree.

Each message is one line: what happened, and what to do next. In a notebook cell or a terminal IPython that line is
all that is shown (`_render_traceback_`), yet the cell is an error, so that "Run All", nbclient and papermill stop. In a
script they are ordinary exceptions.

::

    OrMagicError                 anything below, except a stop
    ├── CommandError             a flag, a subcommand or a cell that cannot be taken as it was typed
    ├── BudgetError              a budget does not allow the question; nothing was sent
    ├── MissingKeyError          there is no key for the address that would be asked
    ├── NotFoundError            the answer does not hold what is looked for in it
    ├── SchemaError              the answer does not fit the schema that it was asked to fit
    ├── ToolError                calls of tools lead no further
    ├── StoreError               what is kept on disk cannot be opened or read
    └── ServiceError             the service, or the way to it, said no
        ├── AuthenticationError  the key is missing, wrong or revoked
        ├── CreditsError         the account has not enough credits
        ├── KeyLimitError        the key has spent what it may
        ├── PermissionDeniedError  this key, region or guardrail does not allow it
        │   └── ModerationError  the prompt was flagged
        ├── ModelNotFoundError   no such model
        ├── NoEndpointsError     the model exists, but no provider serves this request
        ├── InvalidRequestError  the request as it is cannot be answered
        │   └── ContextLengthError  it is longer than the model can take
        ├── RateLimitError       too many requests
        ├── ProviderError        the provider behind the service failed
        ├── UnavailableError     the service itself is down or overloaded
        ├── NotReachableError    nobody answers at that address; nothing was sent
        ├── TimedOutError        connected, but nothing came in time
        └── TruncatedError       the answer broke off before its end
    Stopped                      the user stopped the answer (a KeyboardInterrupt, not an OrMagicError)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class _OneLine:
    """What makes IPython show an exception as its message alone, also under ``%xmode Verbose``."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class OrMagicError(_OneLine, Exception):
    """Base of all errors of this package."""


class CommandError(OrMagicError):
    """A flag, a subcommand or a cell cannot be taken as it was typed."""


class BudgetError(OrMagicError):
    """A budget does not allow the question, whatever it costs at most. Nothing was sent.

    Attributes:
        may_be_free_later: whether the rest is held back by questions under way, and not spent.
    """

    may_be_free_later = False


class MissingKeyError(OrMagicError):
    """No key is set for the address that would be asked."""


class SchemaError(OrMagicError):
    """The answer does not fit the schema that it was asked to fit. Its text is kept."""


class ToolError(OrMagicError):
    """The calls of tools lead no further: too many steps, too many failures, or nobody there to approve one."""


class NotFoundError(OrMagicError, ValueError):
    """The answer does not hold what is looked for in it: JSON, a table."""


class StoreError(OrMagicError):
    """The store on disk cannot be opened, read or written."""


class ServiceError(OrMagicError):
    """The service refused, failed or could not be understood.

    Attributes:
        status: HTTP status, or the code of an error inside a stream; None where there was none.
        generation_id: the service's id of the answer, where one had been given out.
        may_be_charged: False where it is certain that nothing was charged: nothing was sent, or the service refused.
        retry_after_s: after how many seconds the service would like to be asked again; None where it does not tell.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        generation_id: str | None = None,
        may_be_charged: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.generation_id = generation_id
        self.may_be_charged = may_be_charged
        self.retry_after_s = retry_after_s


class AuthenticationError(ServiceError):
    """The key is missing, wrong or revoked (HTTP 401)."""


class CreditsError(ServiceError):
    """The account has not enough credits (HTTP 402).

    Attributes:
        affordable_tokens: how many tokens of answer the credits would still pay; None where it does not tell.
        is_in_flight: credits are only held back by other requests under way, and will be free again.
    """

    affordable_tokens: int | None = None
    is_in_flight: bool = False


class KeyLimitError(ServiceError):
    """The key has spent what it may (HTTP 403 or 402); the account may have more."""


class PermissionDeniedError(ServiceError):
    """This key, account, region or guardrail does not allow the request (HTTP 403)."""


class ModerationError(PermissionDeniedError):
    """The prompt was flagged.

    Attributes:
        reasons: why, in the moderator's words.
        flagged_input: the beginning of what was flagged; "" where it does not tell.
    """

    reasons: tuple[str, ...] = ()
    flagged_input: str = ""


class ModelNotFoundError(ServiceError):
    """The service knows no model of that id (HTTP 400 or 404).

    Attributes:
        nearest: ids that look like it, best first; () where the catalog is not at hand.
    """

    nearest: tuple[str, ...] = ()


class NoEndpointsError(ServiceError):
    """The model exists, but no provider of it can or may serve this request (HTTP 404).

    Attributes:
        excluded_by: what ruled them out, such as ``max_price`` or ``data_policy:zdr``; () where it does not tell.
    """

    excluded_by: tuple[str, ...] = ()


class InvalidRequestError(ServiceError):
    """The request as it is cannot be answered (HTTP 400, 405, 409, 410, 412, 413, 422)."""


class ContextLengthError(InvalidRequestError):
    """The request is longer than the model can take.

    Attributes:
        limit_tokens: what the model takes; None where it does not tell.
        requested_tokens: what was asked of it; None where it does not tell.
    """

    limit_tokens: int | None = None
    requested_tokens: int | None = None


class RateLimitError(ServiceError):
    """Too many requests (HTTP 429): of this account, or of all users of a provider together.

    Attributes:
        resets_at: when the limit is lifted (aware, UTC); None where it does not tell.
    """

    resets_at: datetime | None = None


class ProviderError(ServiceError):
    """The provider behind the service failed (HTTP 502, or any status that it gave).

    Attributes:
        provider: its name; "" where it does not tell.
    """

    provider: str = ""


class UnavailableError(ServiceError):
    """The service itself is down, overloaded or broken (HTTP 500, 503, 504, 524, 529)."""


class NotReachableError(ServiceError):
    """No connection could be made, so nothing was sent and nothing is charged."""


class TimedOutError(ServiceError):
    """The connection stands but nothing came in time (or HTTP 408)."""


class TruncatedError(ServiceError):
    """The answer broke off before its end; what had arrived is kept."""


class Stopped(_OneLine, KeyboardInterrupt):
    """The user stopped the answer; what had arrived is kept."""
