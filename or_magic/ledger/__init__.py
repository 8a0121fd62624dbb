"""What a notebook remembers, on disk. Knows no HTTP and no notebook front end.

Nothing is imported here: SQLAlchemy takes half a second, so whoever needs the store imports
`or_magic.ledger.store` at that moment.
"""

from __future__ import annotations
