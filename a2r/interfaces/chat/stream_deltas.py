"""A run as the stream of a chat reply: its progress as reasoning, its result as content."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from a2r.errors import NoAnswerError
from a2r.events import (
    AnyEvent,
    RunFinished,
    SynthesisDelta,
    SynthesisRestarted,
    SynthesisStarted,
)
from a2r.interfaces.chat.progress_text import ProgressText
from a2r.interfaces.chat.reply_content import finished_result, reply_content
from a2r.result import Result

# Set between what was written in vain and what holds, where the former cannot be taken back.
INTERRUPTED = "\n\n---\n\n"


@dataclass(frozen=True, kw_only=True)
class Delta:
    """What is new: progress, content, or at the very end the result."""

    reasoning: str = ""
    content: str = ""
    result: Result | None = None


@dataclass
class _Written:
    """The content so far. What was sent cannot be taken back, so that it is matched instead.

    `sent` is what stands after the last line `---`; `again` is what a restarted attempt has
    written, as long as it repeats that.
    """

    sent: str = ""
    restarted: str | None = None

    def add(self, text: str) -> str:
        """What has to be sent for new text of the attempt under way."""
        if self.restarted is None:
            self.sent += text
            return text
        self.restarted += text
        if self.sent.startswith(self.restarted):
            return ""
        whole, self.restarted = self.restarted, None
        return self._become(whole)

    def restart(self) -> None:
        """The attempt begins anew."""
        self.restarted = "" if self.sent else None

    def end(self, whole: str) -> str:
        """What has to be sent so that the content ends with the whole text of the result."""
        # What the server's last pieces add around it, such as blanks, is no difference.
        if self.sent.strip() == whole.strip() and not whole.startswith(self.sent):
            return ""
        return self._become(whole)

    def _become(self, whole: str) -> str:
        sent, self.sent = self.sent, whole
        return whole[len(sent) :] if whole.startswith(sent) else f"{INTERRUPTED}{whole}"


@dataclass
class _Follower:
    """Turns events into deltas; with `whole`, content comes at the end, in one piece."""

    whole: bool
    progress: ProgressText = field(default_factory=ProgressText)
    written: _Written = field(default_factory=_Written)
    live: bool = False

    def follow(self, event: AnyEvent) -> list[Delta]:
        told = [Delta(reasoning=text)] if (text := self.progress.line(event)) else []
        match event:
            case SynthesisStarted():
                self.live = event.result and not self.whole
            case SynthesisRestarted() if self.live:
                self.written.restart()
            case SynthesisDelta() if self.live and event.text:
                if text := self.written.add(event.text):
                    told.append(Delta(content=text))
            case RunFinished():
                told += self.finish(event.result)
        return told

    def finish(self, result: Result) -> list[Delta]:
        rest = self.written.end(reply_content(result, answer_alone=self.whole))
        last = [Delta(content=rest)] if rest else []
        return [*last, Delta(result=result)]


async def deltas(
    events: AsyncGenerator[AnyEvent, None], *, answer_alone: bool = False
) -> AsyncGenerator[Delta, None]:
    """The deltas of a run, from its events; the last one has the result.

    The synthesizer's text comes as it is written. Where it has to be written again and differs,
    or something else becomes the result, that follows after a line `---`, whole. With
    `answer_alone` the content is the answer, at the end. Closing this closes the events.

    Raises:
        NoAnswerError: no sample finished, and not because of the limit of their tokens.
    """
    follower = _Follower(whole=answer_alone)
    try:
        async for event in events:
            for delta in follower.follow(event):
                yield delta
    except NoAnswerError as error:
        result = finished_result(error)
        if result is None:
            raise
        for delta in follower.finish(result):
            yield delta
    finally:
        await events.aclose()
