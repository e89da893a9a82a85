"""API keys: made once, kept as hashes, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from a2r.errors import ConfigError

PREFIX = "a2r-"
SCHEME = "sha256:"
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
HASH = re.compile(r"sha256:[0-9a-f]{64}")


def new_key() -> str:
    """A key of 256 random bits: too many to guess, so that a fast hash of it is safe to keep."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What is kept of a key."""
    return SCHEME + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def add_key(path: Path, name: str) -> str:
    """Make a key, add its hash to a file under a name, and return it: it is nowhere else.

    Raises:
        ConfigError: the name is taken or no name, or the file cannot be read or written.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"key name {name!r}: use letters, digits, '.', '_' and '-', 64 at most")
    known = dict(_read(path)) if path.exists() else {}
    if name in known:
        raise ConfigError(f"{path}: there is a key {name!r} already: remove its line first")
    key = new_key()
    _write(path, known | {name: hash_key(key)})
    return key


@dataclass
class ApiKeyStore:
    """The keys of a file, read again when it changes."""

    path: Path
    _hashes: Mapping[str, str] = field(default_factory=dict)
    _seen: tuple[int, ...] | None = None

    def load(self) -> None:
        """Read the file, if it is not the one that was read last.

        Raises:
            ConfigError: it cannot be read, or is no file of keys.
        """
        try:
            told = self.path.stat()
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}") from error
        # A file put in the place of another may be as long, and of the same time.
        seen = (told.st_ino, told.st_mtime_ns, told.st_ctime_ns, told.st_size)
        if self._seen != seen:
            self._hashes = _read(self.path)
            self._seen = seen

    def lookup(self, key: str) -> str | None:
        """The name of a key, or `None` if it is unknown; every known one is compared."""
        given = hash_key(key)
        found = None
        for name, known in self._hashes.items():
            if hmac.compare_digest(given, known):
                found = name
        return found


def _read(path: Path) -> dict[str, str]:
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: is no YAML of names and hashes") from error
    keys = {} if data is None else data
    if not isinstance(keys, dict):
        raise ConfigError(f"{path}: is no YAML of names and hashes")
    for name, known in keys.items():
        if not isinstance(known, str) or not HASH.fullmatch(known):
            # What stands there may be a key itself, and is not repeated.
            raise ConfigError(f"{path}: {name}: is no hash 'sha256:…'; see 'a2r keys new'")
    return {str(name): known for name, known in keys.items()}


def _write(path: Path, keys: Mapping[str, str]) -> None:
    beside = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        place = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(place, "w", encoding="utf-8") as file:
            # One that was left behind keeps the mode that it had.
            os.fchmod(place, 0o600)
            yaml.safe_dump(dict(keys), file, sort_keys=False)
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
