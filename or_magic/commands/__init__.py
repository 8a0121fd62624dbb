"""The subcommands of ``%openrouter``. They need no shell and no Jupyter: `context.NotebookContext` is all they know."""
