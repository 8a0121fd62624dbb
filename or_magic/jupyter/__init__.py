"""IPython and the browser: magics, and views that only draw."""
