"""API keys: created by `a2r keys new`, stored as hashes, compared in constant time."""

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
    """A new key. Its 256 random bits cannot be guessed, so a fast hash of it is safe to store."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """The hash of a key, as the key file stores it."""
    return SCHEME + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def add_key(path: Path, name: str) -> str:
    """Create a key, add its hash to the key file, and return the key, which is not stored.

    Raises:
        ConfigError: the name is invalid or in use, or the file cannot be read or written.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"invalid key name {name!r}: use up to 64 letters, digits, '.', '_' and '-'"
        )
    hashes = dict(_read(path)) if path.exists() else {}
    if name in hashes:
        raise ConfigError(f"{path}: there is a key {name!r} already: remove its line first")
    key = new_key()
    _write(path, hashes | {name: hash_key(key)})
    return key


@dataclass
class ApiKeyStore:
    """The keys of a file, which is read again when it changes."""

    path: Path
    _hashes: Mapping[str, str] = field(default_factory=dict)
    _version: tuple[int, ...] | None = None

    def load(self) -> None:
        """Read the file, unless it has not changed since the last call.

        Raises:
            ConfigError: the file cannot be read, or is not a key file.
        """
        try:
            stat = self.path.stat()
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}") from error
        # A file that replaces another may have the same size and modification time.
        version = (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
        if self._version != version:
            self._hashes = _read(self.path)
            self._version = version

    def lookup(self, key: str) -> str | None:
        """The name of a key, or `None` if it is unknown; all known keys are compared."""
        key_hash = hash_key(key)
        owner = None
        for name, known in self._hashes.items():
            if hmac.compare_digest(key_hash, known):
                owner = name
        return owner


def _read(path: Path) -> dict[str, str]:
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: expected a YAML mapping of names to hashes") from error
    hashes = {} if data is None else data
    if not isinstance(hashes, dict):
        raise ConfigError(f"{path}: expected a YAML mapping of names to hashes")
    for name, value in hashes.items():
        if not isinstance(value, str) or not HASH.fullmatch(value):
            # The value may be a key in clear: the message must not repeat it.
            raise ConfigError(
                f"{path}: {name}: expected a hash 'sha256:…'; create keys with 'a2r keys new'"
            )
    return {str(name): value for name, value in hashes.items()}


def _write(path: Path, hashes: Mapping[str, str]) -> None:
    temporary = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            # A file left behind by a crash has kept its old mode.
            os.fchmod(descriptor, 0o600)
            yaml.safe_dump(dict(hashes), file, sort_keys=False)
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
