"""IPython and the browser: magics, and views that only draw."""

from __future__ import annotations
