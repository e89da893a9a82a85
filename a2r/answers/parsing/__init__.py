"""Parse the text of an answer into an expression tree."""
