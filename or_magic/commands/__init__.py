"""The subcommands of ``%openrouter``. They need no shell and no Jupyter: what they work with is `context.Context`."""
