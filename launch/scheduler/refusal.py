# SPDX-License-Identifier: Apache-2.0
"""The one error of msn-launch: what, where, and what to do, on one line."""
from __future__ import annotations

USAGE = 2
CONFIGURATION = 78


def printable(text: str) -> str:
    """With line breaks and control characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Refusal(Exception):
    """Ends msn-launch before anything is written or submitted; `code` is its exit code."""

    def __init__(self, what: str, where: str, remedy: str, code: int = USAGE):
        super().__init__(printable(f"{what} ({where}): {remedy}"))
        self.code = code


def one_line(text: str, where: str, code: int = USAGE) -> str:
    """The text, if it can stand on a line of a script."""
    for character in text:
        if ord(character) < 0x20 or ord(character) == 0x7F:
            raise Refusal(f"a line break or control character in {text!r}", where, "take it out", code)
    return text
