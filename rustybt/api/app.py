"""The application: which address gives which answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import Depends, FastAPI, HTTPException, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from rustybt.api import answers
from rustybt.api.bodies import SmallBodies
from rustybt.api.errors import ApiError
from rustybt.api.guard import Guard
from rustybt.api.live import add_page
from rustybt.api.metrics import exposition
from rustybt.api.models import HaltAnswer, HaltRequest, Health, Problem, Status, Verdict
from rustybt.api.watch import Watch
from rustybt.home import Home
from rustybt.trading.control import ControlError, NotRunningError, ask, socket_file
from rustybt.trading.control import Request as Wish

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.requests import Request

    from rustybt.settings import Settings

_PROMETHEUS: Final = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
_BEARER: Final = (Security(HTTPBearer(auto_error=False)),)
"""Says in the description that there is a token; the guard looks at it."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


def _problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Declare refusals of these codes."""
    return {code: {"model": Problem, "description": "Refused."} for code in codes}


def _never() -> bool:
    """Tell a stream to go on."""
    return False


def create_app(
    settings: Settings, clock: Callable[[], datetime], ends: Callable[[], bool] = _never
) -> FastAPI:
    """Return the application over the deployment that *settings* describe.

    *clock* gives the present time; *ends* tells streams that the server wants to end. Nothing is
    opened before the first request.
    """
    app = FastAPI(
        title="RustyBT",
        description="Health, figures and the last verdict of a deployment.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    watch, guard = Watch(settings, clock), Guard(settings.api_auth_token)
    _add_readings(app, watch, guard)
    _add_halt(app, settings, guard)
    add_page(app, watch, guard, ends)
    app.add_exception_handler(RequestValidationError, _refuse_malformed)
    app.add_middleware(SmallBodies)
    app.middleware("http")(_harden)
    return app


def _add_readings(app: FastAPI, watch: Watch, guard: Guard) -> None:
    """Let *app* tell how things stand."""
    seen = [Depends(guard.reading), *_BEARER]

    @app.get("/health", responses={503: {"model": Health, "description": "Something is not well."}})
    def health(response: Response) -> Health:
        """Tell whether all is well: 200, or 503. The one answer that needs no token."""
        found = answers.health(watch.view())
        response.status_code = 200 if found.status == "ok" else 503
        return found

    @app.get("/status", dependencies=seen, responses=_problems(401, 403))
    def status() -> Status:
        """Tell how the engine stands and what it holds."""
        return answers.status(watch.view())

    @app.get(
        "/metrics",
        dependencies=seen,
        responses={200: {"content": {_PROMETHEUS: {}}}, **_problems(401, 403)},
        response_class=Response,
    )
    def metrics() -> Response:
        """Give the figures in Prometheus's text format."""
        return Response(exposition(watch.view()), media_type=_PROMETHEUS)

    @app.get("/readiness", dependencies=seen, responses=_problems(401, 403, 404, 500))
    def readiness() -> Verdict:
        """Give the last verdict on readiness that was written into the home."""
        try:
            found = answers.verdict(Home(watch.settings.home))
        except ApiError as error:
            raise HTTPException(500, str(error)) from None
        if found is None:
            raise HTTPException(404, "there is no verdict in this home yet")
        return found


def _add_halt(app: FastAPI, settings: Settings, guard: Guard) -> None:
    """Let *app* halt the running engine."""

    @app.post(
        "/halt",
        dependencies=[Depends(guard.acting), *_BEARER],
        responses=_problems(400, 401, 403, 409, 413, 422, 502),
    )
    def halt(request: HaltRequest) -> HaltAnswer:
        """Trip the breaker of the running engine: it cancels orders and sends no more."""
        wish = Wish(command="halt", operator=request.operator, reason=request.reason)
        try:
            ask(socket_file(Home(settings.home)), wish)
        except NotRunningError:
            raise HTTPException(409, "no engine is running") from None
        except ControlError as error:
            raise HTTPException(502, str(error)) from None
        return HaltAnswer(accepted="halt", operator=request.operator, reason=request.reason)


async def _refuse_malformed(_request: Request, error: Exception) -> Response:
    """Say what is wrong with a request, without repeating what was in it."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these
    problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return JSONResponse({"detail": "; ".join(problems)}, status_code=422)


async def _harden(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """Let no answer be kept, framed, or taken for something else."""
    response: Response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
