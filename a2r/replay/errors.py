"""What goes wrong with recordings."""

from __future__ import annotations

from a2r.errors import A2RError


class RecordingError(A2RError):
    """A file, a line or a field of a recording that cannot be used."""

    exit_code = 2
