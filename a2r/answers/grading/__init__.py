"""Grade an answer against a gold answer."""
