"""What a packet filter lets in, read from the rules in force: nftables, and iptables (so ufw too).

A rule that is not understood is taken for one that says yes: what is reported as open may be
narrower in truth, never wider. Formats: ``nft -j list ruleset`` (libnftables-json(5)) and
``iptables-save`` (iptables(8), iptables-extensions(8)).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

ANY = "any"


@dataclass(frozen=True, order=True)
class Opening:
    """What is let in: *ports* of *protocol*, from *source*; each may be ``any``."""

    protocol: str = ANY
    ports: str = ANY
    source: str = ANY

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing at all is refused."""
        return self == Opening()

    def __str__(self) -> str:
        beyond = "" if self.source == ANY else f" from {self.source}"
        return f"{self.ports}/{self.protocol}{beyond}"


class Verdict(Enum):
    """What becomes of a packet that a rule is about."""

    ACCEPT = "accept"
    DENY = "deny"
    RETURN = "return"
    NONE = "none"


@dataclass(frozen=True)
class Rule:
    """A rule: what it is about, and what it does.

    *harmless* is about answers, loopback and the like; *narrowed* has conditions beside those of
    *opening*, so that not each packet of the opening is meant. *target* is the chain it leads to,
    for good if it *stays* there.
    """

    opening: Opening = Opening()
    verdict: Verdict = Verdict.NONE
    target: str = ""
    stays: bool = False
    harmless: bool = False
    narrowed: bool = False

    @property
    def is_about_all(self) -> bool:
        """Tell whether every packet is meant."""
        return self.opening.is_everything and not self.harmless and not self.narrowed


@dataclass
class Chain:
    """Rules in their order; *policy* is what is done behind the last, in a chain of the kernel."""

    rules: list[Rule] = field(default_factory=list)
    policy: Verdict = Verdict.NONE


@dataclass(frozen=True)
class Filter:
    """What one filter does with what comes in: refuse by default, and what it lets in."""

    name: str
    denies: bool
    openings: tuple[Opening, ...]


@dataclass(frozen=True)
class Inbound:
    """What one family of addresses lets in, all filters taken together."""

    filters: tuple[Filter, ...]

    @property
    def denies(self) -> bool:
        """Tell whether a filter refuses what is not expressly allowed."""
        return any(each.denies for each in self.filters)

    @property
    def openings(self) -> tuple[Opening, ...]:
        """Return what may come in: each filter has to agree, so the tightest one is the bound."""
        tight = [each.openings for each in self.filters if each.denies]
        return min(tight, key=len) if tight else (Opening(),)


def judged(name: str, chain: Chain, chains: Mapping[str, Chain]) -> Filter:
    """Return what the filter does whose first chain is *chain*; *chains* are those it may lead to.

    Raise ValueError if a rule leads to a chain that is not there.
    """
    found: list[Opening] = []
    ended = _walk(chain, chains, Opening(), found, depth=0)
    denies = ended is Verdict.DENY or (ended is not Verdict.ACCEPT and chain.policy is Verdict.DENY)
    if any(each.is_everything for each in found):
        denies = False
    return Filter(name, denies, tuple(sorted(set(found))))


def _walk(
    chain: Chain, chains: Mapping[str, Chain], within: Opening, found: list[Opening], depth: int
) -> Verdict:
    """Add to *found* what *chain* lets in; return what it does with whatever is left."""
    if depth > len(chains):
        raise ValueError("the rules lead round in a circle")
    may_return = False
    for rule in chain.rules:
        opening = narrower(within, rule.opening)
        verdict = rule.verdict
        if rule.target:
            verdict = _led(rule, opening, chains, found, depth)
            if rule.stays and verdict is Verdict.NONE:
                verdict = Verdict.RETURN
        elif verdict is Verdict.ACCEPT and not rule.harmless:
            found.append(opening)
        if rule.is_about_all and verdict is not Verdict.NONE:
            return Verdict.RETURN if may_return else verdict
        may_return |= verdict is Verdict.RETURN
    return Verdict.RETURN if may_return else Verdict.NONE


def _led(
    rule: Rule, opening: Opening, chains: Mapping[str, Chain], found: list[Opening], depth: int
) -> Verdict:
    """Return what becomes of a packet in the chain that *rule* leads to."""
    if rule.target not in chains:
        raise ValueError(f"a rule leads to the chain {rule.target!r}, which is not there")
    inner: list[Opening] = []
    ended = _walk(chains[rule.target], chains, opening, inner, depth + 1)
    if not rule.harmless:
        found += inner
    # What comes back from another chain goes on behind the rule that led there.
    return Verdict.NONE if ended is Verdict.RETURN else ended


def narrower(outer: Opening, inner: Opening) -> Opening:
    """Return what both are about; of two ports or sources the inner is the one that counts."""
    return Opening(
        *(
            mine if mine != ANY else theirs
            for mine, theirs in (
                (inner.protocol, outer.protocol),
                (inner.ports, outer.ports),
                (inner.source, outer.source),
            )
        )
    )


def undeclared(openings: Iterable[Opening], declared: Iterable[str]) -> list[str]:
    """Return the *openings* that are not within *declared*, such as ``22/tcp`` or ``80-81/tcp``."""
    known = [_span(each) for each in declared]
    return [str(each) for each in openings if not all(_is_known(one, known) for one in _each(each))]


def _each(opening: Opening) -> Iterator[tuple[str, int, int]]:
    for ports in opening.ports.split(","):
        yield _span(f"{ports}/{opening.protocol}")


def _span(text: str) -> tuple[str, int, int]:
    """Return protocol, first and last port of ``22/tcp``; any port is all of them."""
    ports, _, protocol = text.partition("/")
    if ports == ANY:
        return protocol, 0, 65535
    first, _, last = ports.replace(":", "-").partition("-")
    return protocol, int(first), int(last or first)


def _is_known(wanted: tuple[str, int, int], known: Sequence[tuple[str, int, int]]) -> bool:
    protocol, first, last = wanted
    return any(
        protocol == each and lowest <= first and last <= highest for each, lowest, highest in known
    )


def about(rule: Rule, **changes: str) -> Rule:
    """Return *rule* with a narrower opening."""
    return replace(rule, opening=replace(rule.opening, **changes))
