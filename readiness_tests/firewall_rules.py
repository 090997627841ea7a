"""Read what nftables and iptables print into the rules of :mod:`readiness_tests.firewall`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from readiness_tests.firewall import ANY, Chain, Filter, Inbound, Rule, Verdict, about, judged

FAMILIES: Final = {"ip": ("ip", "inet"), "ip6": ("ip6", "inet")}
_VERDICTS: Final = {
    "accept": Verdict.ACCEPT,
    "drop": Verdict.DENY,
    "reject": Verdict.DENY,
    "return": Verdict.RETURN,
}
_ICMP: Final = {"icmp", "icmpv6", "ipv6-icmp", "1", "58"}
_ANSWERS: Final = {"established", "related"}
_NO_CONDITION: Final = {"counter", "log", "comment"}
_MULTICAST: Final = ("224.", "ff02:", "ff05:")
_SAVED_BY_IPTABLES: Final = "filter"


def inbound(ruleset: str, saved: Mapping[str, str]) -> dict[str, Inbound]:
    """Return what comes in over ``ip`` and ``ip6``.

    *ruleset* is what ``nft -j list ruleset`` prints, empty if there is no nftables; *saved* holds
    by family what ``iptables-save`` and ``ip6tables-save`` print, empty likewise. Rules that
    iptables keeps in nftables are read from iptables, which can tell what they say. Raise
    ValueError if a text is none of these.
    """
    found: dict[str, Inbound] = {}
    for family in FAMILIES:
        own = saved.get(family, "")
        first = _by_nftables(ruleset, family, is_saved="*filter" in own)
        found[family] = Inbound((*first, *_by_iptables(own)))
    return found


# -- nftables --------------------------------------------------------------------------------


def _by_nftables(ruleset: str, family: str, *, is_saved: bool) -> Iterator[Filter]:
    if not ruleset.strip():
        return
    tables: dict[tuple[str, str], dict[str, Chain]] = {}
    first: list[tuple[tuple[str, str], str]] = []
    for entry in json.loads(ruleset)["nftables"]:
        if found := entry.get("chain"):
            table = (found["family"], found["table"])
            policy = _VERDICTS.get(found.get("policy", ""), Verdict.NONE)
            tables.setdefault(table, {})[found["name"]] = Chain(policy=policy)
            if found.get("hook") == "input" and found.get("type") == "filter":
                first.append((table, found["name"]))
        elif found := entry.get("rule"):
            chains = tables[found["family"], found["table"]]
            chains[found["chain"]].rules += _rules(found["expr"])
    for table, name in first:
        if table[0] in FAMILIES[family] and not (is_saved and table == (family, "filter")):
            yield judged(f"nftables {table[1]} {name}", tables[table][name], tables[table])


def _rules(expressions: list[dict[str, Any]]) -> Iterator[Rule]:
    """Yield the rules that one rule of nftables is: a map of verdicts is several."""
    rule = Rule()
    for expression in expressions:
        ((name, value),) = expression.items()
        if name == "match":
            rule = _matched(rule, value)
        elif name == "vmap":
            yield from _mapped(rule, value)
        elif name in _VERDICTS:
            yield replace(rule, verdict=_VERDICTS[name])
        elif name in ("jump", "goto"):
            yield replace(rule, target=value["target"], stays=name == "goto")
        elif name not in _NO_CONDITION:  # whatever it asks, it lets fewer packets through
            rule = replace(rule, narrowed=True)


def _mapped(rule: Rule, vmap: dict[str, Any]) -> Iterator[Rule]:
    data = vmap["data"]
    for key, verdict in data["set"] if isinstance(data, dict) else ():
        match = {"op": "==", "left": vmap["key"], "right": key}
        ((name, value),) = verdict.items()
        narrowed = replace(_matched(rule, match), narrowed=True)
        if name in ("jump", "goto"):
            yield replace(narrowed, target=value["target"], stays=name == "goto")
        else:
            yield replace(narrowed, verdict=_VERDICTS.get(name, Verdict.NONE))
    if not isinstance(data, dict):  # a map with a name, whose content is elsewhere
        yield replace(rule, verdict=Verdict.ACCEPT, narrowed=True)


def _matched(rule: Rule, match: dict[str, Any]) -> Rule:
    """Return *rule* with one condition more."""
    left, values = match["left"], _values(match["right"])
    if match["op"] not in ("==", "in"):
        return replace(rule, narrowed=True)
    key = (left.get("meta") or left.get("ct") or {}).get("key", "")
    payload = left.get("payload", {})
    protocol, asked = payload.get("protocol", ""), payload.get("field", "")
    if key in ("iif", "iifname"):
        return replace(rule, harmless=rule.harmless or values == ["lo"], narrowed=True)
    if "ct" in left and key == "state":
        return replace(rule, harmless=rule.harmless or set(values) <= _ANSWERS, narrowed=True)
    if protocol in _ICMP or (key == "l4proto" or asked in ("protocol", "nexthdr")):
        kinds = [protocol] if protocol in _ICMP else values
        if set(kinds) <= _ICMP:
            return replace(rule, harmless=True, narrowed=True)
        return about(rule, protocol=kinds[0]) if len(kinds) == 1 else rule
    if asked == "dport" and protocol in ("tcp", "udp"):
        return about(rule, protocol=protocol, ports=",".join(values))
    if asked == "dport" and protocol == "th":
        return about(rule, ports=",".join(values))
    if asked == "saddr":
        return about(rule, source=",".join(values))
    if asked == "daddr" and all(each.startswith(_MULTICAST) for each in values):
        return replace(rule, harmless=True, narrowed=True)
    return replace(rule, narrowed=True)


def _values(right: object) -> list[str]:
    """Return the values of one side of a match as texts, ranges with a dash."""
    if isinstance(right, dict):
        if "set" in right:
            return _values(right["set"])
        if "range" in right:
            first, last = right["range"]
            return [f"{first}-{last}"]
        if "prefix" in right:
            return [f"{right['prefix']['addr']}/{right['prefix']['len']}"]
        return [json.dumps(right)]
    if isinstance(right, list):
        return [text for each in right for text in _values(each)]
    return [str(right)]


# -- iptables --------------------------------------------------------------------------------


def _by_iptables(saved: str) -> Iterator[Filter]:
    chains: dict[str, Chain] = {}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif table == _SAVED_BY_IPTABLES and line.startswith(":"):
            name, policy, *_ = line[1:].split()
            chains[name] = Chain(policy=_VERDICTS.get(policy.lower(), Verdict.NONE))
        elif table == _SAVED_BY_IPTABLES and line.startswith("-A "):
            words = shlex.split(line)
            chains[words[1]].rules.append(_rule(words[2:]))
    if "INPUT" in chains:
        yield judged("iptables INPUT", chains["INPUT"], chains)


_IGNORED: Final = {"-m", "--comment", "--reject-with", "--log-prefix", "--log-level"}


def _rule(words: list[str]) -> Rule:
    """Return the rule that the *words* behind the chain's name are."""
    rule, pairs = Rule(), iter(words)
    for option in pairs:
        if option == "!":  # all but what follows: it cannot be said in fewer packets
            next(pairs, "")
            next(pairs, "")
            rule = replace(rule, narrowed=True)
            continue
        value = "" if option in _FLAGS else next(pairs, "")
        rule = _asked(rule, option, value)
    return rule


_NOTED: Final = {"LOG", "NFLOG", "AUDIT"}
_FLAGS: Final = {"--syn", "--rcheck", "--set", "--update", "--log-uid"}


def _asked(rule: Rule, option: str, value: str) -> Rule:
    """Return *rule* with what one option says."""
    if option in ("-j", "-g"):
        return _done(rule, value, stays=option == "-g")
    if option in _IGNORED:
        return rule
    if option in ("--dport", "--dports"):
        return about(rule, ports=value.replace(":", "-"))
    if option == "-s":
        return about(rule, source=value)
    if option == "-p" and value not in _ICMP:
        return about(rule, protocol=ANY if value == "all" else value)
    return replace(rule, harmless=rule.harmless or _is_harmless(option, value), narrowed=True)


def _done(rule: Rule, value: str, *, stays: bool) -> Rule:
    """Return *rule* with what becomes of its packets."""
    if value.lower() in _VERDICTS:
        return replace(rule, verdict=_VERDICTS[value.lower()])
    return rule if value in _NOTED else replace(rule, target=value, stays=stays)


def _is_harmless(option: str, value: str) -> bool:
    """Tell whether packets of this sort reach no service from outside."""
    match option:
        case "-i":
            return value == "lo"
        case "--ctstate" | "--state":
            return {each.lower() for each in value.split(",")} <= _ANSWERS
        case "-p":
            return value in _ICMP
        case "-d":
            return value.startswith(_MULTICAST)
    return False
