"""What a notebook remembers, on disk. Knows no HTTP and no notebook front end.

Nothing is imported here. Whoever needs the store imports `or_magic.ledger.store` at that moment, which reads and writes
a file through Python's own sqlite3; SQLAlchemy is imported only where tables are made, and for a server.
"""

from __future__ import annotations
