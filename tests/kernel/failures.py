"""Cells that fail as people's cells do, and what somebody who is to help would need to see of each.

The variables hold values that nobody else should see: ``SECRET`` texts and numbers that begin with 98765.
"""

from __future__ import annotations

from typing import NamedTuple

MODULE = '''\
"""A module of the user, in the style of scikit-learn."""
import numpy as np

RATES = {"a": 0.5}


class Ridge:
    def fit(self, X, y):
        self.coef_ = np.linalg.solve(X.T @ X, X.T @ y)
        return self

    def predict(self, X):
        if not hasattr(self, "coef_"):
            raise RuntimeError("This Ridge instance is not fitted yet. Call 'fit' first.")
        if X.shape[1] != len(self.coef_):
            raise ValueError(f"X has {X.shape[1]} features, but Ridge is expecting {len(self.coef_)} features.")
        return X @ self.coef_


def greeting(person):
    return "Dear " + person["name"]


def rate(kind):
    try:
        return RATES[kind]
    except KeyError as error:
        raise LookupError("no rate of that kind") from error
'''

SETUP = """
import json, numpy as np, pandas as pd, ridge_like
df = pd.DataFrame({
    'customer': ['SECRET-Ada', 'SECRET-Bob', 'SECRET-Cyd'],
    'amount': ['12', 'SECRET-7', '9'],
    'paid': [98765.43, 98765.44, 98765.45],
    'day': ['2026-01-02', 'SECRET-DAY', '2026-01-04'],
})
prices = np.full((3, 4), 98765.43)
weights = np.full((5,), 98765.44)
token = 'SECRET-TOKEN-1'
people = {'SECRET-Ada': {'name': None}, 'SECRET-Bob': {}}
limits = [98765.43, 98765.44]
model = ridge_like.Ridge()
def share(part, whole):
    rest = whole - part
    return part / (rest - rest)
def clean(rows):
    note = token
    return [parse(row) for row in rows]
def parse(row):
    return int(row)
"""


class Case(NamedTuple):
    """A cell that fails, and texts that must be in the question about it."""

    cell: str
    needs: tuple[str, ...]


CASES = {
    "pandas: a column mistyped": Case("df['amout'].sum()", ("KeyError: 'amout'", "df: ", "amount (str)", "3 rows x 4")),
    "pandas: not a number": Case("df['amount'].astype(int)", ("invalid literal for int()", "'…'", "pandas")),
    "pandas: no such key to merge": Case("df.merge(df, on='client')", ("KeyError: 'client'", "customer (str)")),
    "pandas: lengths": Case("df['x'] = [1, 2]", ("Length of values (2) does not match length of index (3)",)),
    "pandas: no date": Case("pd.to_datetime(df['day'])", ("ValueError: ", "day (str)")),
    "pandas: a label": Case("df.loc['first']", ("KeyError: 'first'", "index int64")),
    "numpy: shapes": Case("prices + weights", ("shapes (3,4) (5,)", "prices: numpy.ndarray, shape (3, 4)")),
    "numpy: singular": Case("np.linalg.inv(np.ones((2, 2)))", ("LinAlgError: Singular matrix", "numpy 2")),
    "numpy: out of bounds": Case("prices[7]", ("IndexError: index 7 is out of bounds for axis 0 with size 3",)),
    "numpy: reshape": Case("weights.reshape(2, 3)", ("cannot reshape array of size 5 into shape (2,3)", "shape (5,)")),
    "sklearn-like: not fitted": Case("model.predict(prices)", ("is not fitted", "def predict(self, X):", "model: ")),
    "sklearn-like: features": Case(
        "model.fit(np.eye(5), weights).predict(prices)",
        ("X has 4 features, but Ridge is expecting 5 features", "in predict: X: numpy.ndarray, shape (3, 4)"),
    ),
    "syntax: no colon": Case("for row in df\n    print(row)", ("SyntaxError: expected ':'", "line 1")),
    "syntax: not closed": Case("print(df.head(\nx = 1", ("SyntaxError: ", "print(df.head(")),
    "indentation": Case("if True:\nprint(token)", ("IndentationError: expected an indented block",)),
    "chained": Case("ridge_like.rate('b')", ("KeyError: 'b'", "direct cause", "LookupError", "def rate(kind):")),
    "while handling another": Case(
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    people['Dan']",
        ("ZeroDivisionError: division by zero", "While the above exception was handled", "KeyError: "),
    ),
    "in a function of a module": Case(
        "ridge_like.greeting(people[min(people)])",
        ("TypeError: can only concatenate str", "def greeting(person):", "in greeting: person: dict, 1 items"),
    ),
    "in a function of the notebook": Case(
        "share(1, 2)",
        ("ZeroDivisionError", "return part / (rest - rest)", "in share: rest: int", "def share(part, whole)"),
    ),
    "through several functions": Case(
        "clean([1, token])",
        ("invalid literal for int()", "def parse(row):", "def clean(rows):", "in parse: row: str, 14 long"),
    ),
    "an attribute mistyped": Case("df.customers.unique()", ("has no attribute 'customers'", "customer (str)")),
    "a name mistyped": Case("pricse.mean()", ("NameError: name 'pricse' is not defined",)),
    "an import mistyped": Case("import sklern", ("ModuleNotFoundError: No module named 'sklern'",)),
    "JSON": Case("json.loads('{' + token)", ("JSONDecodeError: Expecting property name", "token: str, 14 long")),
    "an assertion of one's own": Case(
        "assert limits[0] < 10, f'too large: {limits[0]}'",
        ("AssertionError: too large: …", "limits: list, 2 items of float"),
    ),
}
