#!/usr/bin/env bash
# SQLAlchemy 2.0.44, SQLite: a Column whose `key` differs from its name. A row of `select(table)` is named by the
# column's *name*, an insert by its *key*; and an insert of a list of dicts drops the name silently, where the same dict
# as `.values()` is refused ("Unconsumed column names"). A row that is read and written back so loses that column.
# Seen: mapping keys ['purse']; values() -> CompileError; list of dicts -> NULL is stored, no error.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q --disable-pip-version-check 'SQLAlchemy==2.0.44'
"$folder/venv/bin/python" - <<'PY'
import sqlalchemy as sa

table = sa.Table("t", sa.MetaData(), sa.Column("purse", sa.Text, key="scope"))
engine = sa.create_engine("sqlite://")
with engine.begin() as connection:
    table.create(connection)
    connection.execute(sa.insert(table).values({"scope": "mine"}))
    row = dict(connection.execute(sa.select(table)).mappings().one())
    print("a row is named", list(row))
    try:
        connection.execute(sa.insert(table).values(row))
        refused = False
    except sa.exc.CompileError as error:
        refused = True
        print("values() refuses:", str(error).splitlines()[0])
    connection.execute(sa.insert(table), [row, row])
    kept = connection.execute(sa.select(table)).all()
print("kept after the list of dicts:", kept)
assert list(row) == ["purse"], row
assert refused
assert kept == [("mine",), (None,), (None,)], kept
PY
echo "as described"
