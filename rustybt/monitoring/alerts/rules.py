"""``alerts.yaml``: whom to tell, and of what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from rustybt.errors import HomeError
from rustybt.files import read_bounded
from rustybt.home import Home
from rustybt.monitoring.alerts.documents import parse_document
from rustybt.monitoring.alerts.errors import AlertRulesError
from rustybt.settings.env_file import read_env_file
from rustybt.settings.loading import ALERT_VARIABLE
from rustybt.trading.commands import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rustybt.trading.commands import Alert

MAX_BYTES: Final = 65_536
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_A_SECRET: Final = 12
"""Letters that a word in an address has at least if it may be a token."""
_STRICT: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
_ALL: Final = frozenset(Severity)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}$")]
Severities = Annotated[frozenset[Severity], Field(min_length=1)]


class Channel(BaseModel):
    """One way to reach *contact*: an Apprise *url*, and the *severities* that go there."""

    model_config = _STRICT

    url: Annotated[SecretStr, Field(min_length=1)]
    contact: Annotated[str, Field(min_length=1, max_length=100)]
    severities: Severities = _ALL


class Rule(BaseModel):
    """Alerts that people get: of *kinds* whose message has *contains* in it.

    *severity* replaces the one that the engine gave. The same alert again within *repeat_after*
    seconds is not told again.
    """

    model_config = _STRICT

    kinds: Annotated[frozenset[Kind], Field(min_length=1)]
    contains: Annotated[str, Field(max_length=200)] = ""
    severity: Severity | None = None
    repeat_after: Annotated[int, Field(ge=0, le=86_400, strict=True)] = 900

    def matches(self, alert: Alert) -> bool:
        """Tell whether *alert* is one of those."""
        return alert.kind in self.kinds and self.contains in alert.message


class Rate(BaseModel):
    """At most *messages* messages within *seconds* to each channel; more come in the last one."""

    model_config = _STRICT

    messages: Annotated[int, Field(ge=1, le=1000, strict=True)] = 10
    seconds: Annotated[int, Field(ge=1, le=86_400, strict=True)] = 600


class AlertRules(BaseModel):
    """What ``alerts.yaml`` says; build it with :func:`load_alert_rules`."""

    model_config = _STRICT

    channels: dict[Name, Channel] = {}
    rules: dict[Name, Rule] = {}
    rate: Rate = Rate()

    def rule_for(self, alert: Alert) -> Rule | None:
        """Return the first rule that *alert* matches, ``None`` if nobody wants to hear of it."""
        return next((rule for rule in self.rules.values() if rule.matches(alert)), None)

    def channels_for(self, severity: Severity) -> tuple[str, ...]:
        """Return the names of the channels that alerts of *severity* go to."""
        return tuple(name for name, one in self.channels.items() if severity in one.severities)

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown anywhere: the addresses, and the words within them."""
        return tuple(part for one in self.channels.values() for part in _parts(one.url))


def load_alert_rules(home: Path, environ: Mapping[str, str]) -> AlertRules | None:
    """Return what ``config/alerts.yaml`` in *home* says; ``None`` if there is no such file.

    ``${ALERT_NAME}`` in an address stands for that variable of *environ*, or else of ``.env``.
    Raise :class:`AlertRulesError` with all problems at once; no problem quotes an address. Raise
    `HomeError` for a file that cannot be read.
    """
    file = Home(home).alerts_file
    if not file.exists():
        return None
    try:
        text = read_bounded(file, MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HomeError(f"cannot read {file}: it is not UTF-8") from error
    return parse_alert_rules(text, file.name, _variables(home, environ))


def parse_alert_rules(text: str, name: str, variables: Mapping[str, str]) -> AlertRules:
    """Return the rules in *text*, whose file is called *name*; see :func:`load_alert_rules`."""
    document = dict(parse_document(text, name))
    problems: list[str] = []
    channels = document.get("channels")
    if isinstance(channels, dict):
        document["channels"] = {
            key: _filled(f"channels.{key}", channel, variables, problems)
            for key, channel in channels.items()
        }
    # A section of which all lines are comments is there and empty.
    given = {key: value for key, value in document.items() if value is not None}
    try:
        rules = AlertRules.model_validate(given)
    except ValidationError as error:
        problems += _told(error)
        rules = AlertRules()
    problems += _unreachable(rules) if not problems else ()
    if problems:
        raise AlertRulesError(name, problems)
    return rules


def _variables(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that addresses may name, those of the environment over ``.env``'s."""
    env_file = Home(home).env_file
    written = read_env_file(env_file).assignments if env_file.exists() else ()
    own = {one.key: one.value for one in written if ALERT_VARIABLE.fullmatch(one.key)}
    given = {key: text for key, text in environ.items() if ALERT_VARIABLE.fullmatch(key)}
    return own | given


def _filled(place: str, channel: Any, variables: Mapping[str, str], problems: list[str]) -> Any:
    """Return *channel* with its address complete; add to *problems* the variables that lack."""
    if not isinstance(channel, dict) or not isinstance(channel.get("url"), str):
        return channel
    for name in _VARIABLE.findall(channel["url"]):
        if not ALERT_VARIABLE.fullmatch(name):
            problems.append(f"{place}.url: a variable's name must be ALERT_ and capitals")
        elif not variables.get(name):
            problems.append(f"{place}.url: {name} is set neither in the environment nor in .env")
    url = _VARIABLE.sub(lambda found: variables.get(found[1], ""), channel["url"])
    return channel | {"url": url}


def _unreachable(rules: AlertRules) -> Iterator[str]:
    """Yield what would be told to nobody, although there are channels."""
    if not rules.channels:
        return
    for name, rule in rules.rules.items():
        if rule.severity is not None and not rules.channels_for(rule.severity):
            yield f"rules.{name}: no channel takes alerts of severity {rule.severity}"


def _told(error: ValidationError) -> Iterator[str]:
    """Yield what is wrong, where, never with the value."""
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(_shown(part) for part in one["loc"])
        yield f"{place}: {one['msg']}"


def _shown(part: int | str) -> str:
    """Return a key fit for a message: an address may stand where a name should."""
    return str(part) if re.fullmatch(r"[\w\[\]-]{1,40}", str(part)) else "(something)"


def _parts(url: SecretStr) -> Iterator[str]:
    """Yield *url* and its longer words: a service's errors quote tokens alone."""
    text = url.get_secret_value()
    yield text
    _, _, rest = text.partition("://")
    yield from (word for word in re.split(r"[/:@?&=]", rest) if len(word) >= _A_SECRET)
