"""On whose behalf Python asks: of the notebook that has loaded the extension, else of this process."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from or_magic.asking.session import Session


def current_session() -> Session:
    """The session that a call in Python belongs to."""
    if "or_magic.jupyter.magics" in sys.modules:
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        magics = shell.magics_manager.registry.get("OpenRouterMagics") if shell is not None else None
        if magics is not None:
            session: Session = magics.desk.session
            return session
    return _script_session()


@functools.cache
def _script_session() -> Session:
    from or_magic.asking.session import Session

    return Session()
