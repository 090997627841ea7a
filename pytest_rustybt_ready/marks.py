"""``ready``: the decorators that make a test a check of the checklist.

``@ready.security("2.2.3")`` claims an item, ``@ready.security("2.2.2", "2.2.3")`` several, and the
bare ``@ready.security`` makes a supporting check, which blocks its section when it fails. All of
them carry the marks ``readiness`` and ``ready_security``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar, cast, overload

import pytest

P = ParamSpec("P")
C = TypeVar("C", bound=Callable[..., object])
T = TypeVar("T")

MARK = "readiness"
PREFIX = "ready_"
CONTROLS = "__ready_controls__"

# Key and title of the sections in the package's checklist. They are here, not read from it, since
# marks must be known in every run and reading the checklist takes time.
SECTIONS = {
    "testing": "Testing and quality assurance",
    "security": "Security",
    "configuration": "Configuration",
    "performance": "Performance",
    "monitoring": "Monitoring and alerting",
    "recovery": "Backup and disaster recovery",
    "validation": "Validation",
    "documentation": "Documentation",
    "compliance": "Compliance",
    "sign_off": "Final sign-off",
    "post_deployment": "Post-deployment",
}


class Control(NamedTuple):
    """A way to break a sandbox under which the check must fail.

    ``case`` limits it to the parametrised case with that id; None means all cases.
    """

    function: Callable[..., object]
    case: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the control's function."""
        return str(getattr(self.function, "__name__", self.function))

    @property
    def claim(self) -> str:
        """Return the first line of the control's docstring, or its name in words."""
        doc = (self.function.__doc__ or "").strip()
        return doc.splitlines()[0] if doc else self.name.replace("_", " ")


class Check(Protocol[P]):
    """A test that claims items, and with which negative controls can be registered."""

    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Run the check."""

    @overload
    def fails_when(self, control: C, /) -> C: ...

    @overload
    def fails_when(self, *, case: str) -> Callable[[C], C]: ...


class Marker(Protocol):
    """What ``@ready.<section>(…)`` gives: it marks a test, or every test of a class."""

    @overload
    def __call__(self, check: type[T], /) -> type[T]: ...

    @overload
    def __call__(self, check: Callable[P, None], /) -> Check[P]: ...


class SectionMark:
    """The decorator of one section."""

    def __init__(self, key: str) -> None:
        self.key = key

    @overload
    def __call__(self, check: type[T], /) -> type[T]: ...

    @overload
    def __call__(self, check: Callable[P, None], /) -> Check[P]: ...

    @overload
    def __call__(self, *ids: str) -> Marker: ...

    def __call__(self, *args: Any) -> Any:
        """Claim the items called *args*, or mark a supporting check when given the test itself."""
        if len(args) == 1 and callable(args[0]):
            return self._mark(args[0], ())
        if not args or not all(isinstance(arg, str) for arg in args):
            raise TypeError(
                f"ready.{self.key}: expected item ids as text, such as "
                f"@ready.{self.key}('2.2.3'), or bare use; found {args!r}"
            )
        return lambda check: self._mark(check, args)

    def _mark(self, check: Callable[P, None], ids: tuple[str, ...]) -> Check[P]:
        check = getattr(pytest.mark, PREFIX + self.key).with_args(*ids)(check)
        check = pytest.mark.readiness(check)
        marked = cast("Any", check)
        if not isinstance(check, type):  # a class marks all its tests; controls belong to each one
            vars(check).setdefault(CONTROLS, [])
            marked.fails_when = _registrar(check)
        return cast("Check[P]", check)


class Ready:
    """Gives the decorator of each section by name; ``ready.section(key)`` gives any other."""

    if TYPE_CHECKING:
        testing: SectionMark
        security: SectionMark
        configuration: SectionMark
        performance: SectionMark
        monitoring: SectionMark
        recovery: SectionMark
        validation: SectionMark
        documentation: SectionMark
        compliance: SectionMark
        sign_off: SectionMark
        post_deployment: SectionMark

    def section(self, key: str) -> SectionMark:
        """Return the decorator of a section that a checklist of your own defines."""
        return SectionMark(key)


for _key in SECTIONS:
    setattr(Ready, _key, SectionMark(_key))

ready = Ready()


def controls_of(check: object) -> tuple[Control, ...]:
    """Return the negative controls registered with the test function *check*."""
    return tuple(getattr(check, CONTROLS, ()))


def _registrar(check: object) -> Callable[..., Any]:
    def fails_when(control: C | None = None, /, *, case: str | None = None) -> Any:
        if control is None:
            return lambda function: _register(check, Control(function, case))
        return _register(check, Control(control, case))

    return fails_when


def _register(check: object, control: Control) -> Callable[..., object]:
    if not hasattr(control.function, "__code__"):
        raise TypeError(
            f"a control is a function that breaks a sandbox; found {control.function!r}"
        )
    controls: list[Control] = vars(check)[CONTROLS]
    if any(known.name == control.name for known in controls):
        raise ValueError(f"two controls of one check are called {control.name!r}: rename one")
    controls.append(control)
    return control.function
