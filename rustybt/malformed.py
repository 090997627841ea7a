"""What reading JSON raises that strangers may have written, or a disk may have damaged."""

from __future__ import annotations

from typing import Final

import msgspec

MALFORMED: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""msgspec's own errors, text that is no UTF-8 (no error of msgspec), and nesting without end."""
