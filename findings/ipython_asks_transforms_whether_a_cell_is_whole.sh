#!/usr/bin/env bash
# IPython 9.18.1: a function in `input_transformers_cleanup` runs not only before a cell is executed, but also each time
# the terminal asks whether what was typed so far is whole (`check_complete`). One that adds lines to a cell magic that
# stands alone thereby ends it: Enter behind `%%magic` runs it at once, and its body cannot be typed. Only a function
# with the attribute `has_side_effects` is left out of that question.
# Seen: ("incomplete", ...) without it, ("complete", ...) with it, ("incomplete", ...) with it and the attribute.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q --disable-pip-version-check 'ipython==9.18.1'
IPYTHONDIR="$folder/ipython" "$folder/venv/bin/python" - <<'PY'
from IPython.core.interactiveshell import InteractiveShell


def give_body(lines: list[str]) -> list[str]:
    is_alone = len(lines) == 1 and lines[0].startswith("%%bash")
    return [*lines, "\n", "\n"] if is_alone else lines


shell = InteractiveShell.instance()
seen = [shell.check_complete("%%bash\n")[0]]
shell.input_transformers_cleanup.append(give_body)
seen.append(shell.check_complete("%%bash\n")[0])
give_body.has_side_effects = True
seen.append(shell.check_complete("%%bash\n")[0])
print(seen)
assert seen == ["incomplete", "complete", "incomplete"], seen
PY
echo "as described"
