"""What runs beside a session: the HTTP interface, where the deployment wants it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rustybt.cli.output import warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rustybt.settings import Settings
    from rustybt.system.session import Session


@contextlib.contextmanager
def api_beside(settings: Settings, session: Session) -> Iterator[None]:
    """Serve the API while *session* runs, if API_ENABLED; trading goes on where that fails."""
    with contextlib.ExitStack() as stack:
        if settings.api_enabled:
            problem = _begin(settings, session, stack)
            if problem:
                session.log.say("error", "the API is not served", reason=problem)
                warn(f"the API is not served: {problem}")
        yield


def _begin(settings: Settings, session: Session, stack: contextlib.ExitStack) -> str:
    """Begin to serve; return why that is not possible."""
    from rustybt.api.errors import ApiError

    try:
        from rustybt.api.beside import ApiProcess

        stack.enter_context(ApiProcess(settings, session.log.say))
    except ApiError as error:
        return str(error)
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed (install RustyBT with the extra api)"
    return ""
