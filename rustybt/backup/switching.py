"""Exchange two folders in one step, as the kernel does it."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_HERE: Final = -100  # AT_FDCWD: paths are as they are
_EXCHANGE: Final = 2  # RENAME_EXCHANGE, renameat2(2)


def exchange(one: Path, other: Path) -> None:
    """Let each of two paths, which both exist, name what the other named; never neither.

    Raise ``OSError`` if the file system cannot do that; nothing is changed then.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
