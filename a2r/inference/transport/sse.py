"""A decoder for streams of server-sent events with JSON data."""

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
    """Decodes the bytes of a stream into the JSON values of its events.

    Bytes are buffered until there are `batch` of them, since decoding many events at once takes a
    fraction of the CPU; a batch of 1 decodes every complete event. Comments, blank events and all
    three line ends of the standard are supported (WHATWG HTML, section 9.2). `done` is set by
    `[DONE]`, `malformed` by an event that is an incomplete JSON object: the events before it are
    returned, those after it are ignored. Other data that is not JSON is skipped. An event of the
    type `error` becomes an object with the key `error`.
    """

    batch: int = 1
    done: bool = False
    malformed: bool = False
    _pending: bytes = b""

    def feed(self, data: bytes) -> list[Any]:
        """Add bytes; return the values of the events that are complete and due."""
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
            # An event of this size is not a chat completion chunk.
            self.malformed = len(self._pending) > MAX_EVENT_BYTES
            return []
        self._pending = rest
        return self._parse_events(complete)

    def finish(self) -> list[Any]:
        """Return the values of the buffered events at the end of the stream, clean or not."""
        complete, _, rest = _normalize_line_ends(self._pending).rpartition(BOUNDARY)
        self._pending = b""
        values = self._parse_events(complete)
        malformed = self.malformed
        values += self._parse_events(rest)
        # The last event may be incomplete, which does not make it malformed.
        self.malformed = malformed
        return values

    def _parse_events(self, text: bytes) -> list[Any]:
        if self.done or self.malformed:
            return []
        payloads, is_plain = [], True
        text = text.removeprefix(BYTE_ORDER_MARK)
        for line in text.split(b"\n"):
            if not line.startswith(DATA):
                is_plain = is_plain and (not line or line.startswith(b":"))
                continue
            payload = line[len(DATA) :].strip()
            if payload == DONE:
                self.done = True
                break
            if payload:
                payloads.append(payload)
        if is_plain:
            try:
                values: list[Any] = json.loads(b"[" + b",".join(payloads) + b"]")
            except JSON_ERRORS:
                pass
            else:
                return values
        return self._parse_each_event(text)

    def _parse_each_event(self, text: bytes) -> list[Any]:
        values: list[Any] = []
        for event in text.split(BOUNDARY):
            payload, is_error = _event_payload(event)
            if payload == DONE:
                break
            if not payload:
                continue
            try:
                value = parse_json(payload)
            except JSON_ERRORS:
                if is_error:
                    values.append({"error": payload.decode("utf-8", "replace")})
                elif payload.startswith(b"{"):
                    self.malformed = True
                    break
                # Any other text is no part of a chunk: a server's sign of life, such as `ping`.
                continue
            values.append(_as_error(value) if is_error else value)
        return values


def parse_json(data: bytes) -> Any:
    """The value of JSON in UTF-8 in which invalid bytes are replaced, as in event streams.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    try:
        return json.loads(data)
    except UnicodeDecodeError:
        return json.loads(data.decode("utf-8", "replace"))


def _event_payload(event: bytes) -> tuple[bytes, bool]:
    """Return the data of an event, and whether the event is an error.

    Servers also send errors as `event: error`, in a field `error`, or as JSON without any field.
    """
    data: list[bytes] = []
    errors: list[bytes] = []
    bare: list[bytes] = []
    named_error = False
    for line in event.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value)
        elif name == b"error":
            errors.append(value)
        elif name == b"event":
            named_error = value.strip() == b"error"
        elif bare or line.lstrip().startswith(b"{"):
            bare.append(line)
    lines = errors or data or bare
    return b"\n".join(lines).strip(), bool(errors) or named_error


def _as_error(value: Any) -> Any:
    is_error = isinstance(value, dict) and (value.get("error") or value.get("object") == "error")
    return value if is_error else {"error": value}


def _normalize_line_ends(data: bytes) -> bytes:
    # A carriage return at the end may be the first half of a line end.
    tail = b"\r" if data.endswith(b"\r") else b""
    head = data[: len(data) - len(tail)]
    return head.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + tail
