"""Find the final answer in a text."""
