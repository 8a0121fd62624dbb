#!/usr/bin/env bash
# SQLAlchemy 2.1.9, SQLite: a KeyboardInterrupt that falls while a statement runs closes the driver's connection, also one
# that the caller made and lends by `creator`. Who holds it for longer finds it closed, and a clean-up of the caller's
# ("ROLLBACK if in_transaction") then raises an error that hides the interrupt. After an Exception it stays open.
# Seen: after ValueError it is open; after KeyboardInterrupt "Cannot operate on a closed database."
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q --disable-pip-version-check 'SQLAlchemy==2.1.9'
"$folder/venv/bin/python" - <<'PY'
import sqlite3

import sqlalchemy as sa


def after(kind: type[BaseException]) -> str:
    lent = sqlite3.connect(":memory:", check_same_thread=False)
    engine = sa.create_engine("sqlite://", creator=lambda: lent, poolclass=sa.StaticPool)

    def interrupt(*_: object) -> None:
        raise kind

    try:
        with engine.begin() as connection:
            sa.event.listen(engine, "do_execute", interrupt)
            connection.execute(sa.text("SELECT 1"))
    except kind:
        pass
    try:
        return f"open, in_transaction={lent.in_transaction}"
    except sqlite3.ProgrammingError as error:
        return str(error)


seen = {kind.__name__: after(kind) for kind in (ValueError, KeyboardInterrupt)}
print(seen)
assert seen["ValueError"] == "open, in_transaction=False", seen
assert seen["KeyboardInterrupt"] == "Cannot operate on a closed database.", seen
PY
echo "as described"
