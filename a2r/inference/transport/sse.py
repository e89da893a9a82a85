"""Reading a stream of server-sent events whose data is JSON, many events at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

DONE = b"[DONE]"
DATA = b"data:"
BOUNDARY = b"\n\n"
MAX_BOUNDARY_BYTES = len(DONE + b"\r\n\r\n")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 8 << 20
JSON_ERRORS = (ValueError, RecursionError)


@dataclass
class EventDecoder:
    """Turns the bytes of a stream into the JSON values of its events.

    Bytes are kept until `batch` of them are there, since decoding many events in one call costs a
    fraction of decoding each; a batch of 1 decodes whatever is complete. Comments, blank events
    and all three line ends of the standard are understood (WHATWG HTML, section 9.2). `done` says
    that the stream said so itself, `malformed` that an event was no JSON: what came before it is
    returned, and nothing after it is read.
    """

    batch: int = 1
    done: bool = False
    malformed: bool = False
    _pending: bytes = b""

    def feed(self, data: bytes) -> list[Any]:
        """Take the next bytes; returns the values of the events that are complete and due."""
        self._pending += data
        if (
            len(self._pending) < self.batch
            and DONE not in self._pending[-len(data) - MAX_BOUNDARY_BYTES :]
        ):
            return []
        if b"\r" in self._pending:
            self._pending = _normalize_line_ends(self._pending)
        complete, boundary, rest = self._pending.rpartition(BOUNDARY)
        if not boundary:
            # What goes on for megabytes without an end is no event.
            self.malformed = len(self._pending) > MAX_EVENT_BYTES
            return []
        self._pending = rest
        return self._parse_events(complete)

    def finish(self) -> list[Any]:
        """The values of what is still held, at the end of the stream or where it broke off."""
        complete, _, rest = _normalize_line_ends(self._pending).rpartition(BOUNDARY)
        self._pending = b""
        values = self._parse_events(complete)
        malformed = self.malformed
        values += self._parse_events(rest)
        # The last event may have been cut in two, which makes it no malformed one.
        self.malformed = malformed
        return values

    def _parse_events(self, text: bytes) -> list[Any]:
        if self.done or self.malformed:
            return []
        payloads = []
        text = text.removeprefix(BYTE_ORDER_MARK)
        for line in text.split(b"\n"):
            if not line.startswith(DATA):
                continue
            payload = line[len(DATA) :].strip()
            if payload == DONE:
                self.done = True
                break
            if payload:
                payloads.append(payload)
        try:
            values: list[Any] = json.loads(b"[" + b",".join(payloads) + b"]")
        except JSON_ERRORS:
            return self._parse_each_event(text)
        return values

    def _parse_each_event(self, text: bytes) -> list[Any]:
        values: list[Any] = []
        for event in text.split(BOUNDARY):
            lines = [line[len(DATA) :] for line in event.split(b"\n") if line.startswith(DATA)]
            payload = b"\n".join(lines).strip()
            if payload == DONE:
                break
            if not payload:
                continue
            try:
                values.append(json.loads(payload))
            except JSON_ERRORS:
                self.malformed = True
                break
        return values


def _normalize_line_ends(data: bytes) -> bytes:
    # A carriage return at the very end may be half of a line end that is still to come.
    tail = b"\r" if data.endswith(b"\r") else b""
    whole = data[: len(data) - len(tail)]
    return whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + tail
