"""Errors that people can act on: each names the file, field or topic, the value, and what to do."""

from __future__ import annotations

from pathlib import Path


class DynofaError(Exception):
    """Base of all errors raised on purpose by this package."""


class ConfigError(DynofaError, ValueError):
    """A configuration, family, profile or board file cannot be used."""

    def __init__(self, file: str | Path, field: str, message: str) -> None:
        super().__init__(f"{file}: {field}: {message}" if field else f"{file}: {message}")
        self.file = str(file)
        self.field = field


class InvalidImage(DynofaError, ValueError):
    """An image message that must not be interpreted. `reason` is a short key for counting."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RefusedMessage(DynofaError, ValueError):
    """A well-formed message whose content is refused whole; the previous content stays in force."""
