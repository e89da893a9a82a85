"""Track Markdown code in a text that arrives in pieces."""

from __future__ import annotations

from dataclasses import dataclass, field

MIN_FENCE = 3


@dataclass
class CodeTracker:
    """Where the end of a text so far is: in code or not, and where in its line.

    `line_blank` means that the line so far is blank, `previous` is the last character, `line` the
    number of the line. `span` is the length of the run of backticks that may have started inline
    code in this line, 0 without one. `fence` is the character of the run that started a fenced
    block, empty outside of one; `opened` counts the tags that the block has opened and not closed.
    """

    line_blank: bool = True
    previous: str = "\n"
    line: int = 0
    span: int = 0
    fence: str = ""
    opened: dict[str, int] = field(default_factory=dict)
    _fence_length: int = 0
    _fence_line: int = 0
    _run: str = ""
    _run_length: int = 0
    _run_starts_line: bool = False

    def add_text(self, text: str) -> None:
        """Add text within a line, without runs of backticks or tildes."""
        if not text:
            return
        self.end_run(text[0])
        self.line_blank = self.line_blank and text.isspace()
        self.previous = text[-1]

    def add_run(self, run: str) -> None:
        """Add a run of backticks or tildes, or a part of one."""
        if self._run != run[0]:
            self.end_run(run[0])
            self._run, self._run_length, self._run_starts_line = run[0], 0, self.line_blank
        self._run_length += len(run)
        self.line_blank = False
        self.previous = run[-1]

    def add_newlines(self, newlines: str) -> None:
        """Add ends of lines."""
        self.end_run("\n")
        self.line_blank, self.previous, self.span = True, "\n", 0
        self.line += len(newlines)

    def add_tag(self, name: str, *, opens: bool) -> bool:
        """Add a tag in a fenced block; return whether it closes one that the block opened."""
        count = self.opened.get(name, 0)
        if opens:
            self.opened[name] = count + 1
        elif count:
            self.opened[name] = count - 1
        return not opens and count > 0

    def end_run(self, following: str) -> None:
        """End a run of backticks or tildes, if there is one, before a character."""
        run, length, self._run = self._run, self._run_length, ""
        if not run:
            return
        if not self.fence:
            self._open(run, length)
        elif run == self.fence and length >= self._fence_length:
            # A run in the line of the fence makes that inline code.
            is_inline = self._fence_line == self.line
            if is_inline or (self._run_starts_line and following.isspace()):
                self.fence = ""

    def _open(self, run: str, length: int) -> None:
        if self._run_starts_line and length >= MIN_FENCE:
            self.fence, self._fence_length, self._fence_line = run, length, self.line
            self.opened = {}
        elif run == "`" and self.span == 0:
            self.span = length
        elif run == "`" and self.span == length:
            self.span = 0
