"""JSON that tells whether it is what was written."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def checked_json(body: Mapping[str, Any]) -> str:
    """Returns `body` as JSON, with its checksum.

    Args:
        body: what JSON holds, by names other than "checksum".
    """
    # What is read back counts: there are no tuples in it, and all names are text.
    body = json.loads(json.dumps(body))
    return json.dumps({"checksum": _checksum(body), **body}, indent=1) + "\n"


def read_checked_json(text: bytes) -> dict[str, Any]:
    """Returns what `checked_json` was given.

    Args:
        text: what it returned, as bytes in UTF-8.

    Raises:
        ValueError: if it is not what was written.
    """
    try:
        body = json.loads(text)
        checksum = body.pop("checksum")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ValueError("is not what was written") from error
    if checksum != _checksum(body):
        raise ValueError("differs from what was written (checksum)")
    return body


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
