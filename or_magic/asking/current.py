"""On whose behalf Python asks: of the notebook that has loaded the extension, else of this process."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from or_magic.asking.session import Session


def current_session() -> Session:
    """The session that a call in Python belongs to."""
    desk = loaded_desk()
    if desk is None:
        return _script_session()
    session: Session = desk.session
    return session


def loaded_desk() -> Any:
    """The desk of the notebook that has loaded the extension; None where none has."""
    if "or_magic.jupyter.magics" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    magics = shell.magics_manager.registry.get("OpenRouterMagics") if shell is not None else None
    return None if magics is None else magics.desk


@functools.cache
def _script_session() -> Session:
    from or_magic.asking.session import Session

    return Session()
