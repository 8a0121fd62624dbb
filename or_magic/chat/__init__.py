"""From a question to a recorded answer. Knows no screen: what it needs of the place it runs in is `host.Host`."""
