"""An answer that extraction found in a text."""

from a2r.answers.types import ExtractionMethod

# The position in the text, the answer, and the method.
Candidate = tuple[int, str, ExtractionMethod]
