"""Extract the final answer from a text."""
