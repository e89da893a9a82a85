"""A run as the deltas of a chat reply: its progress as reasoning, its result as content."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from a2r.errors import NoAnswerError
from a2r.events import (
    AnyEvent,
    RunFinished,
    SampleFinished,
    SampleProgress,
    SynthesisDelta,
    SynthesisRestarted,
    SynthesisStarted,
)
from a2r.interfaces.chat.progress_text import ProgressText
from a2r.interfaces.chat.reply_content import finished_result, reply_content
from a2r.result import Result

# Separates content that is no longer valid, but cannot be taken back, from the content after it.
INTERRUPTED = "\n\n---\n\n"


@dataclass(frozen=True, kw_only=True)
class Delta:
    """One step of the stream: progress, content, or in the last one the result."""

    reasoning: str = ""
    content: str = ""
    result: Result | None = None


@dataclass
class _StreamedContent:
    """The content so far. Streamed text cannot be taken back, so new text is compared with it.

    `current` is the streamed text after the last separator; `restarted` is the text of a restarted
    attempt as long as it repeats `current`.
    """

    current: str = ""
    restarted: str | None = None

    @property
    def started(self) -> bool:
        """Whether any content has been streamed."""
        return bool(self.current)

    def add(self, text: str) -> str:
        """The content to stream for new text of the running attempt."""
        if self.restarted is None:
            self.current += text
            return text
        self.restarted += text
        if self.current.startswith(self.restarted):
            return ""
        complete, self.restarted = self.restarted, None
        return self._replace(complete)

    def restart(self) -> None:
        """Start the attempt again from its first token."""
        self.restarted = "" if self.current else None

    def finish(self, complete: str) -> str:
        """The content to stream so that all of it ends with the complete text of the result."""
        # Only whitespace differs, such as a last newline: nothing to repeat.
        if self.current.strip() == complete.strip() and not complete.startswith(self.current):
            return ""
        return self._replace(complete)

    def _replace(self, complete: str) -> str:
        previous, self.current = self.current, complete
        if complete.startswith(previous):
            return complete[len(previous) :]
        return f"{INTERRUPTED}{complete}"


@dataclass
class _DeltaBuilder:
    """Turns events into deltas; with `answer_alone`, all content comes in one piece at the end.

    Clients show the deltas as blocks of reasoning and of content, a new one where the kind changes:
    progress and thinking after the first content are left out, so that there is one of each.
    """

    answer_alone: bool
    progress: ProgressText = field(default_factory=ProgressText)
    content: _StreamedContent = field(default_factory=_StreamedContent)
    streaming: bool = False

    def on_event(self, event: AnyEvent) -> list[Delta]:
        reasoning = self.progress.line(event)
        new = [Delta(reasoning=reasoning)] if reasoning and not self.content.started else []
        match event:
            case SynthesisStarted():
                self.streaming = event.result and not self.answer_alone
            case SynthesisRestarted() if self.streaming:
                self.content.restart()
            case SynthesisDelta() if self.streaming:
                if event.retracts:
                    self.content.restart()
                if event.text and (text := self.content.add(event.text)):
                    new.append(Delta(content=text))
            case RunFinished():
                new += self.finish(event.result)
        return new

    def finish(self, result: Result) -> list[Delta]:
        rest = self.content.finish(reply_content(result, answer_alone=self.answer_alone))
        last = [Delta(content=rest)] if rest else []
        return [*last, Delta(result=result)]


async def hold_until_reply(
    events: AsyncGenerator[AnyEvent, None],
) -> AsyncGenerator[AnyEvent, None]:
    """The events of a run, delayed until a sample starts to answer.

    A run without any reply raises its error before the first event, so that a caller can fall back
    to another model: what it has yielded, it could not take back.

    Args:
        events: the events of the run; they are closed with this generator.

    Raises:
        NoAnswerError: no sample finished.
    """
    held: list[AnyEvent] | None = []
    async with aclosing(events) as running:
        try:
            async for event in running:
                if held is None:
                    yield event
                    continue
                held.append(event)
                if _is_reply(event):
                    for earlier in held:
                        yield earlier
                    held = None
        except NoAnswerError as error:
            if finished_result(error) is not None:
                for event in held or ():
                    yield event
            raise


def _is_reply(event: AnyEvent) -> bool:
    match event:
        case SampleFinished():
            is_complete = event.sample.status not in ("failed", "cancelled")
            return is_complete and bool(event.sample.text)
        case SampleProgress() | SynthesisDelta() | RunFinished():
            return True
        case _:
            return False


async def deltas(
    events: AsyncGenerator[AnyEvent, None], *, answer_alone: bool = False
) -> AsyncGenerator[Delta, None]:
    """The deltas of a run: first those with reasoning, then those with content, then the result.

    The synthesizer's text is streamed as it is generated. If the synthesizer restarts with a
    different text, the streamed text turns out to be thinking, or another text becomes the result,
    a line `---` and the complete new text follow.

    Args:
        events: the events of the run; they are closed with this generator.
        answer_alone: the content is only the answer, in one piece at the end.

    Raises:
        NoAnswerError: no sample finished, and not because of `max_tokens` or a content filter.
    """
    builder = _DeltaBuilder(answer_alone=answer_alone)
    try:
        async for event in events:
            for delta in builder.on_event(event):
                yield delta
    except NoAnswerError as error:
        result = finished_result(error)
        if result is None:
            raise
        for delta in builder.finish(result):
            yield delta
    finally:
        await events.aclose()
