"""Reads YAML of plain values, with libyaml where it is there: the same content about ten times as fast."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_plain_yaml(text: str) -> Any:
    """The content of a document. Raises yaml.YAMLError where it is no YAML."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader
