"""Prices and spending as pictures: drawn by the front end where it can, with a PNG beside for all others.

A chart is Vega-Lite. JupyterLab draws version 5 by itself, without the network, so the specification is given as that
(altair makes it; its own renderers fetch version 6 from the network); GitHub, nbconvert and the rest take the PNG. The
background is clear and the letters are gray, which reads on a light page and on a dark one.
"""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any

from or_magic.errors import CommandError

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from or_magic.catalog.table import ModelTable
    from or_magic.chat.costs import Costs

_MIME, _SCHEMA, _VERSION = (
    "application/vnd.vegalite.v5+json",
    "https://vega.github.io/schema/vega-lite/v5.json",
    "5.20",
)
_INK, _ACCENT, _PALE = "#868e96", "#e8590c", "#4c78a8"
_WIDTH, _HEIGHT = 600, 330
_CHEAPEST = 0.004  # USD per million tokens: where what is free stands on a scale of powers of ten
_NEAR, _EDGE = (0.22, 3.0), 0.5  # powers of ten, and points of intelligence, within which two names would meet
_PROMPT_PART = 0.75  # of the tokens of a typical question


class Chart:
    """A chart that shows itself in a cell; `altair` is the altair chart, to be changed, and `png` the picture."""

    def __init__(self, chart: alt.LayerChart | alt.Chart, title: str) -> None:
        self.altair = chart
        self._title = title

    @property
    def specification(self) -> dict[str, Any]:
        """The chart as Vega-Lite, version 5."""
        specification: dict[str, Any] = self.altair.to_dict()
        return specification | {"$schema": _SCHEMA}

    def png(self, scale: float = 1.5) -> bytes:
        """The picture.

        Raises:
            CommandError: vl-convert is not installed.
        """
        try:
            import vl_convert
        except ImportError:
            raise CommandError("Pictures of charts take vl-convert: pip install 'or_magic[charts]'.") from None
        drawn: bytes = vl_convert.vegalite_to_png(self.specification, vl_version=_VERSION, scale=scale)
        return drawn

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {_MIME: self.specification, "text/plain": f"<chart: {self._title}>"}
        with contextlib.suppress(CommandError):  # JupyterLab draws it without a picture too
            bundle["image/png"] = base64.b64encode(self.png()).decode()
        return bundle

    def __repr__(self) -> str:
        return f"<chart: {self._title}>"


def price_context(table: ModelTable) -> Chart:
    """What a typical question costs against how much a model can read: a dot each; hover or click for the model."""
    alt = _altair()
    rows = _priced(table).dropna(subset=["context"])
    chosen = alt.selection_point(fields=["id"], empty=False)
    dots = (
        _base(rows)
        .mark_circle(size=55)
        .encode(
            x=alt.X(
                "context:Q",
                title="context, tokens",
                scale=alt.Scale(type="log", nice=False, padding=12),
                axis=alt.Axis(format="~s", tickCount=6),
            ),
            y=_price_axis("y"),
            color=_chosen(chosen, alt.value(_PALE)),
            opacity=alt.condition(chosen, alt.value(1), alt.value(0.55)),
            tooltip=_tooltip(),
        )
        .add_params(chosen)
    )
    names = (
        _base(rows)
        .mark_text(dy=-9, color=_INK)
        .encode(x="context:Q", y="shown_price:Q", text=alt.condition(chosen, "id:N", alt.value("")))
    )
    return _finished(dots + names, f"price against context, {len(rows):,} models")


def price_intelligence(table: ModelTable) -> Chart:
    """What a typical question costs against measured intelligence; the models that no other beats at both are named."""
    alt = _altair()
    rows = _priced(table).dropna(subset=["intelligence"])
    rows = rows[rows["variant"] == ""]
    if rows.empty:
        raise CommandError("None of these models has a measured intelligence: nothing can be drawn.")
    best = pareto(rows)
    chosen = alt.selection_point(fields=["id"], empty=False)
    x = _price_axis("x")
    y = alt.Y("intelligence:Q", title="intelligence index", scale=alt.Scale(zero=False))
    dots = (
        _base(rows)
        .mark_circle(size=55)
        .encode(x=x, y=y, color=_chosen(chosen, alt.value(_PALE)), opacity=alt.value(0.5), tooltip=_tooltip())
        .add_params(chosen)
    )
    line = _base(best).mark_line(interpolate="step-after", color=_ACCENT, opacity=0.6).encode(x=x, y=y)
    points = _base(best).mark_circle(size=80, color=_ACCENT).encode(x=x, y=y, tooltip=_tooltip())
    return _finished(dots + line + points + _names(best, x, y), f"price against intelligence, {len(rows):,} models")


def price_history(prices: pd.DataFrame, id: str) -> Chart:
    """What a model has cost, day by day; a step where the price changed."""
    alt = _altair()
    rows = prices.reset_index().melt("day", var_name="price", value_name="usd")
    rows["price"] = rows["price"].str.removesuffix("_usd_per_m")
    lines = (
        _base(rows)
        .mark_line(interpolate="step-after", point=True)
        .encode(
            x=alt.X("day:T", title=None),
            y=alt.Y("usd:Q", title="USD per million tokens"),
            color=alt.Color("price:N", title=None, scale=alt.Scale(range=[_ACCENT, _PALE])),
            tooltip=[alt.Tooltip("day:T"), alt.Tooltip("price:N"), alt.Tooltip("usd:Q", title="USD per million")],
        )
    )
    return _finished(lines, f"prices of {id} over {len(prices):,} days")


def spending(costs: Costs) -> Chart:
    """What was spent a day (UTC), by model: bars; hover for the sum and the answers."""
    alt = _altair()
    paid = costs.df()
    if paid.empty:
        raise CommandError("No answer was asked for yet: nothing can be drawn.")
    day = paid["asked"].dt.tz_convert("UTC").dt.strftime("%Y-%m-%d")
    amounts = paid["cost_usd"].map(lambda cost: 0.0 if cost is None else float(cost))
    rows = paid.assign(day=day, usd=amounts, model=paid["model"].fillna("not told"))
    sums = rows.groupby(["day", "model"]).agg(usd=("usd", "sum"), answers=("usd", "size")).reset_index()
    bars = (
        _base(sums)
        .mark_bar(size=min(44, round(0.8 * _WIDTH / max(sums["day"].nunique(), 1))))
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=-35)),
            y=alt.Y("sum(usd):Q", title="USD"),
            color=alt.Color("model:N", title=None, sort="-y"),
            order=alt.Order("usd:Q", sort="descending"),
            tooltip=[alt.Tooltip("day:O"), alt.Tooltip("model:N"), alt.Tooltip("usd:Q", title="USD"), "answers:Q"],
        )
    )
    return _finished(bars, f"spending over {sums['day'].nunique():,} days")


def _names(best: pd.DataFrame, x: Any, y: Any) -> Any:
    """The names beside the best models; one that would cover another is left out. At the left edge they stand right."""
    import numpy as np

    place = np.log10(best["shown_price"])
    is_close = (place.shift(-1) - place < _NEAR[0]) & (best["intelligence"].shift(-1) - best["intelligence"] < _NEAR[1])
    named = best[~is_close]
    left = np.log10(named["shown_price"]) < place.min() + _EDGE
    to_left = _base(named[~left]).mark_text(align="right", dx=-8, dy=-6, color=_INK).encode(x=x, y=y, text="short:N")
    to_right = _base(named[left]).mark_text(align="left", dx=8, dy=10, color=_INK).encode(x=x, y=y, text="short:N")
    return to_left + to_right


def pareto(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other beats at both price and intelligence, the cheapest first."""
    ordered = rows.sort_values(["shown_price", "intelligence"], ascending=[True, False], kind="stable")
    return ordered[ordered["intelligence"] > ordered["intelligence"].cummax().shift(fill_value=float("-inf"))]


def _priced(table: ModelTable) -> pd.DataFrame:
    """The models that have a price, with that of a typical question: three prompt tokens to one of the answer.

    Raises:
        CommandError: there are none.
    """
    import pandas as pd

    blended = _PROMPT_PART * table["prompt_usd_per_m"] + (1 - _PROMPT_PART) * table["completion_usd_per_m"]
    rows = pd.DataFrame(table[["name", "context", "intelligence", "variant"]]).assign(price=blended)
    rows["in"], rows["out"] = table["prompt_usd_per_m"], table["completion_usd_per_m"]
    rows = rows[table["alias_of"] == ""].dropna(subset=["price"]).reset_index()
    if rows.empty:
        raise CommandError("There are no models with a price among these: nothing can be drawn.")
    rows["shown_price"] = rows["price"].clip(lower=_CHEAPEST)
    rows["short"] = rows["id"].str.rpartition("/")[2]
    rows["context"] = rows["context"].astype("float64")
    return rows


def _altair() -> Any:
    try:
        import altair
    except ImportError:
        raise CommandError("Charts take altair: pip install 'or_magic[charts]'.") from None
    return altair


def _base(rows: pd.DataFrame) -> Any:
    altair = _altair()
    # The values are put in: a chart in a saved notebook has nowhere else to get them from.
    return altair.Chart(altair.Data(values=_records(rows)))


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    import json

    records: list[dict[str, Any]] = json.loads(rows.to_json(orient="records", date_format="iso"))
    return records


def _price_axis(channel: str) -> Any:
    alt = _altair()
    axis = alt.X if channel == "x" else alt.Y
    title = "USD per million tokens of a typical question"
    scale = alt.Scale(type="log", nice=False, padding=12)
    return axis("shown_price:Q", title=title, scale=scale, axis=alt.Axis(format="~g", tickCount=6))


def _tooltip() -> list[Any]:
    alt = _altair()
    return [
        alt.Tooltip("id:N", title="model"),
        alt.Tooltip("in:Q", title="in, USD/M"),
        alt.Tooltip("out:Q", title="out, USD/M"),
        alt.Tooltip("context:Q", format=",.0f"),
        alt.Tooltip("intelligence:Q"),
    ]


def _chosen(chosen: Any, otherwise: Any) -> Any:
    alt = _altair()
    return alt.condition(chosen, alt.value(_ACCENT), otherwise)


def _finished(chart: Any, title: str) -> Chart:
    axis = {
        "labelColor": _INK,
        "titleColor": _INK,
        "gridColor": _INK,
        "gridOpacity": 0.18,
        "domainColor": _INK,
        "tickColor": _INK,
        "titleFontWeight": "normal",
    }
    legend = {"labelColor": _INK, "titleColor": _INK, "labelLimit": 260, "orient": "top"}
    whole = chart.properties(width=_WIDTH, height=_HEIGHT, background="transparent")
    whole = whole.configure(axis=axis, legend=legend, view={"stroke": None}, text={"color": _INK})
    return Chart(whole, title)
