"""What the built-in checklist says: complete, consistent, and readable by a human."""

from __future__ import annotations

import re
import time
import tomllib
from collections import Counter
from decimal import Decimal
from importlib import resources
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from pytest_rustybt_ready.checklist import Checklist, Item, Section
from pytest_rustybt_ready.checklist_file import built_in
from pytest_rustybt_ready.values import Kind, Stage

SECTIONS = {
    1: "testing",
    2: "security",
    3: "configuration",
    4: "performance",
    5: "monitoring",
    6: "recovery",
    7: "validation",
    8: "documentation",
    9: "compliance",
    10: "sign_off",
    11: "post_deployment",
}

# The sort of proof of each item, subsection by subsection: one word an item, + where it takes two.
KINDS = {
    "1.1": "code code code code code record code",
    "1.2": "code code code code code code",
    "1.3": "code code code code engine",
    "2.1": "code code code code engine signed",
    "2.2": "host host host code code+record host",
    "2.3": "host host host host engine host",
    "3.1": "host host host host engine engine",
    "3.2": "host host record engine engine host",
    "3.3": "host host host host engine engine",
    "3.4": "host host host host engine",
    "4.1": "record engine engine engine code code",
    "4.2": "host record engine record",
    "4.3": "host host host engine engine",
    "5.1": "engine host host host engine+host engine",
    "5.2": "host record engine record",
    "5.3": "engine record host engine",
    "6.1": "code host engine host engine",
    "6.2": "code engine+record engine engine engine record record",
    "6.3": "code engine code signed host",
    "7.1": "record record record record record record record",
    "7.2": "engine engine engine engine engine engine",
    "7.3": "engine engine engine engine engine engine",
    "8.1": "code code code code",
    "8.2": "code code code",
    "8.3": "signed signed signed signed code signed",
    "9.1": "engine engine engine engine host+engine engine",
    "9.2": "signed signed signed signed signed",
    "10.1": "signed signed signed signed",
    "10.2": "signed signed signed",
    "10.3": "derived derived signed code signed",
    "11.1": "signed record record record record record",
    "11.2": "record record record record record",
    "11.3": "signed+record signed+record signed+record signed+record",
}
SUB_ITEMS = {"4.2.1": 4, "5.2.3": 5, "5.3.4": 5, "6.1.3": 5, "6.3.2": 4, "8.2.1": 5}


def words(text: str) -> list[str]:
    return text.split()


STAGING = ["2.2.6", "3.2.3", "4.2.3", "4.2.4"]
PRODUCTION = words("""
    2.1.6 2.3.1 2.3.2 2.3.3 2.3.4 2.3.6 4.1.1 4.2.1 4.2.1.1 4.2.1.2 4.2.1.3 4.2.1.4 4.2.2
    5.2.1 5.2.2 5.2.4 5.3.2 6.1.2 6.1.4 6.3.4 6.3.5
    7.1.1 7.1.2 7.1.3 7.1.4 7.1.5 7.1.6 7.1.7 8.3.1 8.3.2 8.3.3 8.3.4 8.3.6
    9.1.5 9.2.1 9.2.2 9.2.3 9.2.4 9.2.5
    10.1.1 10.1.2 10.1.3 10.1.4 10.2.1 10.2.2 10.2.3 10.3.1 10.3.2 10.3.3 10.3.4 10.3.5
""")

LIMITS = """
    1.1.2 coverage ≥ 90%                      1.1.3 financial_coverage ≥ 95%
    1.1.5 examples ≥ 1000 examples            1.1.6 runs ≥ 3 runs
    1.1.6 runs_at_staging ≥ 10 runs           1.2.5 complexity ≤ 10 paths
    1.3.4 mutation_score ≥ 85%                2.1.1 high_findings ≤ 0 findings
    2.1.2 vulnerabilities ≤ 0 vulnerabilities
    2.1.2 database_age ≤ 7 days
    2.2.5 key_age ≤ 90 days                   3.1.2 clock_skew < 1 s
    3.3.1 position_size ≤ 10% of equity       3.3.2 daily_loss ≤ 5% of equity
    3.3.3 leverage ≤ 2 times equity           3.4.4 horizon ≥ 90 days
    4.1.2 ratio_to_float ≤ 1.30 times the float engine
    4.1.3 latency_p99 < 100 ms                4.1.3 orders ≥ 1000 orders
    4.1.4 events ≥ 1000000 events             4.1.5 slowdown ≤ 20%
    4.2.1.1 cores ≥ 2 cores                   4.2.1.2 memory ≥ 8 GB
    4.2.1.3 disk ≥ 50 GB                      4.2.1.4 bandwidth ≥ 1 Mbit/s
    4.2.3 orders ≥ 200 orders/s               4.2.3 duration ≥ 60 s
    4.2.4 session ≥ 24 h                      4.3.1 share_of_memory ≤ 25%
    4.3.4 orders ≥ 200 orders at once         4.3.5 positions ≥ 150 positions
    5.1.5 retention ≥ 90 days                 5.3.2 ping_age ≤ 10 min
    6.1.2 backup_age ≤ 26 h                   6.1.5 audit_retention ≥ 2557 days
    6.2.6 rto < 60 min                        6.2.7 rpo < 5 min
    6.3.1 review_age ≤ 180 days               6.3.5 confirmation_age ≤ 90 days
    7.1.1 duration ≥ 720 h                    7.1.3 uptime ≥ 99.9%
    7.1.5 error_rate < 0.1%                   9.1.5 retention ≥ 2557 days
    11.2.1 position_size ≤ 1% of equity       11.2.2 position_size ≤ 3% of equity
    11.2.3 position_size ≤ 10% of equity      11.3.3 key_age ≤ 31 days
"""

# Beyond 30 days, or less: why is said beside the items.
AGES = {
    "1.1.6": 30,
    "2.1.2": 7,
    "2.1.6": 90,
    "4.1.1": 30,
    "4.2.2": 30,
    "5.2.2": 30,
    "5.2.4": 30,
    "6.2.2": 90,
    "6.3.4": 180,
    "8.3.1": 365,
    "9.2.1": 365,
    "11.3.1": 1,
    "11.3.2": 7,
    "11.3.3": 31,
    "11.3.4": 92,
}

ROLES = {
    "technical-lead": "10.1.1 10.3.3 11.3.4",
    "senior-developer": "10.1.2",
    "qa": "10.1.3",
    "security-reviewer": "2.1.6 2.3.6 10.1.4 11.3.3",
    "business-owner": "10.2.1 10.3.5",
    "risk-manager": "10.2.2",
    "compliance-officer": "9.2.1 9.2.2 9.2.3 10.2.3",
    "legal": "9.2.4 9.2.5",
    "operations": "11.1.1 11.3.1 11.3.2",
    "training-lead": "6.3.4 8.3.1 8.3.2 8.3.3 8.3.4 8.3.6",
}

FACTS = {
    "5.3.1": "api_enabled",
    "8.2.2": "dashboard_configured",
    "9.2.2": "regulated",
    "9.2.4": "has_clients",
    "10.2.3": "regulated",
}

NEVER_WAIVED = words("""
    2.1.3 2.1.4 2.1.6 2.2.1 2.2.2 2.2.3 2.2.4 2.2.6 2.3.5 3.1.5 3.3.5 3.3.6 4.3.4 5.1.6
    6.1.3 6.1.3.1 6.1.3.2 6.1.3.3 6.1.3.4 6.1.3.5 6.2.2 6.2.3 7.1.1 7.2.1 7.2.2 7.2.6 7.3.2
    9.1.1 9.1.2 9.1.3 9.1.6 9.2.2
    10.1.1 10.1.2 10.1.3 10.1.4 10.2.1 10.2.2 10.2.3 10.3.1 10.3.2 10.3.3 10.3.4 10.3.5
    11.1.2 11.1.3
""")

# The engine's and the plugin's commands that the texts may name.
COMMANDS = words("""
    acknowledge-alert analyze-uptime backup balance benchmark data drill encrypt-credentials
    fetch-data flatten halt init keygen paper-trade replicate restore resume rotate-keys status
    test-alerts test-broker test-data verify-audit verify-config verify-restore
    """)
PROMISES = re.compile(
    r"coming soon|not yet|not implemented|will be|planned for|once available|tbd|lorem|placeholder",
    re.IGNORECASE,
)
SETTING = re.compile(r"`([A-Z]+(?:_[A-Z]+)+)(?:=([^`]+))?`|`(TIMEZONE)`")


@pytest.fixture(scope="module")
def checklist() -> Checklist:
    return built_in()


def texts(item: Item) -> list[str]:
    return [item.text, item.how, item.remedy, *item.fails]


def proper(checklist: Checklist) -> list[Item]:
    return [item for item in checklist.items if item.parent is None]


class TestStructure:
    def test_it_has_175_items_and_28_sub_items(self, checklist: Checklist) -> None:
        """Nothing of the production checklist is left out, and nothing is added."""
        assert len(proper(checklist)) == 175
        assert len(checklist.items) - len(proper(checklist)) == 28

    def test_each_subsection_has_as_many_items_as_the_checklist(self, checklist: Checklist) -> None:
        """Items are where they belong."""
        counted = Counter(item.subsection for item in proper(checklist))
        assert counted == {key: len(kinds.split()) for key, kinds in KINDS.items()}

    def test_sub_items_belong_to_six_items(self, checklist: Checklist) -> None:
        """The lists inside items are on lines of their own."""
        parents = (item.parent for item in checklist.items if item.parent)
        assert Counter(parents) == SUB_ITEMS

    def test_positions_are_counted_without_gaps(self, checklist: Checklist) -> None:
        """The ids of a subsection, and of an item's parts, run from 1 without a hole."""
        groups: dict[str, list[int]] = {}
        for item in checklist.items:
            group, _, position = item.id.rpartition(".")
            groups.setdefault(group, []).append(int(position))
        assert {g: p for g, p in groups.items() if p != list(range(1, len(p) + 1))} == {}

    def test_items_are_in_order(self, checklist: Checklist) -> None:
        """Items are sorted as numbers, so that 10.1 follows 9.2."""
        assert all(a.order < b.order for a, b in pairwise(checklist.items))

    def test_the_sections_have_their_marks(self, checklist: Checklist) -> None:
        """Eleven sections, each with the key that names its mark."""
        assert {s.number: s.key for s in checklist.sections} == SECTIONS
        assert {s.mark for s in checklist.sections} == {f"ready_{key}" for key in SECTIONS.values()}

    def test_every_subsection_has_a_title(self, checklist: Checklist) -> None:
        """All 33 subsections are named, and no other."""
        titles = {key: title for s in checklist.sections for key, title in s.subsections.items()}
        assert titles.keys() == KINDS.keys()
        assert all(title.strip() for title in titles.values())


class TestProof:
    def test_every_item_has_the_kind_of_proof_it_needs(self, checklist: Checklist) -> None:
        """Kinds are as the specification of the checks says."""
        found: dict[str, list[str]] = {}
        for item in proper(checklist):
            found.setdefault(item.subsection, []).append("+".join(item.kinds))
        assert {key: " ".join(kinds) for key, kinds in found.items()} == KINDS

    def test_every_item_blocks_from_its_stage_on(self, checklist: Checklist) -> None:
        """Stages are as specified; what happens after go-live cannot block a go-live."""
        by_stage = {stage: [i.id for i in checklist.items if i.stage is stage] for stage in Stage}
        assert by_stage[Stage.STAGING] == STAGING
        assert by_stage[Stage.PRODUCTION] == PRODUCTION
        section_11 = [item.id for item in checklist.items if item.section_number == 11]
        assert by_stage[Stage.LIVE] == section_11

    def test_sub_items_are_proven_like_their_item(self, checklist: Checklist) -> None:
        """A part has the kind and the stage of the whole."""
        for item in checklist.items:
            for child in checklist.children(item):
                assert (child.kinds, child.stage) == (item.kinds, item.stage), child.id

    def test_every_automated_item_says_how_it_can_fail(self, checklist: Checklist) -> None:
        """A check that nobody knows how to fail proves nothing."""
        assert [i.id for i in checklist.items if i.automated and not i.fails] == []

    def test_records_and_signatures_go_stale(self, checklist: Checklist) -> None:
        """No record and no signature counts for ever; none counts longer than a year."""
        aging = [i for i in checklist.items if {*i.kinds} & {Kind.RECORD, Kind.SIGNED, Kind.HOST}]
        assert [i.id for i in aging if not 1 <= (i.max_age_days or 0) <= 366] == []

    def test_code_does_not_age(self, checklist: Checklist) -> None:
        """Code and engine results belong to a commit, but for what the outside can outdate."""
        kinds = {Kind.CODE, Kind.ENGINE, Kind.DERIVED}
        aging = [i.id for i in checklist.items if {*i.kinds} <= kinds and i.max_age_days]
        assert aging == ["2.1.2", "6.3.1"]

    @pytest.mark.parametrize(("item_id", "days"), AGES.items())
    def test_ages_are_as_specified(self, checklist: Checklist, item_id: str, days: int) -> None:
        """Where the specification gives an age, it is this one."""
        item = checklist.find(item_id)
        assert item is not None
        assert item.max_age_days == days

    def test_limits_are_as_specified(self, checklist: Checklist) -> None:
        """Every limit of the production checklist is there, with its sense and unit."""
        found = {f"{i.id} {n} {t}" for i in checklist.items for n, t in i.thresholds.items()}
        wanted = {
            entry for line in LIMITS.splitlines() for entry in re.split(r"  +", line) if entry
        }
        assert len(wanted) == 47
        assert wanted - found == set()

    def test_thresholds_have_a_unit(self, checklist: Checklist) -> None:
        """A number without its unit says nothing."""
        found = [
            (i.id, name) for i in checklist.items for name, t in i.thresholds.items() if not t.unit
        ]
        assert found == []

    def test_a_threshold_can_be_kept_and_broken(self, checklist: Checklist) -> None:
        """Some value keeps to each limit, and some value breaks it."""
        for item in checklist.items:
            for name, threshold in item.thresholds.items():
                values = [threshold.limit - 1, threshold.limit, threshold.limit + 1]
                assert {threshold.met_by(v) for v in values} == {True, False}, (item.id, name)

    def test_signers_have_roles(self, checklist: Checklist) -> None:
        """Each signed item names who signs it; nobody else has a role."""
        roles: dict[str, list[str]] = {}
        for item in checklist.items:
            if item.role:
                roles.setdefault(item.role, []).append(item.id)
        assert {role: " ".join(ids) for role, ids in roles.items()} == ROLES
        signed = {i.id for i in checklist.items if Kind.SIGNED in i.kinds}
        assert {i for ids in roles.values() for i in ids} == signed | {"2.3.6"}

    def test_a_signature_may_stand_in_for_one_check(self, checklist: Checklist) -> None:
        """Only where a venue cannot tell what a key may do does a person look instead."""
        assert [item.id for item in checklist.items if item.or_signed] == ["2.3.6"]

    def test_approvals_hold_for_one_commit(self, checklist: Checklist) -> None:
        """What approves a release lapses with the next commit; training does not."""
        bound = {item.id for item in checklist.items if item.lapses_with_commit}
        approvals = {i.id for i in checklist.items if i.subsection in ("10.1", "10.2")}
        assert bound == approvals | {"2.1.6", "10.3.3", "10.3.5"}

    def test_the_final_items_rest_on_the_others(self, checklist: Checklist) -> None:
        """10.3.1 covers sections 1 to 9, 10.3.2 all approvals; neither includes itself."""
        derived = {i.id: i.derives for i in checklist.items if i.derives}
        assert derived == {
            "10.3.1": tuple(str(number) for number in range(1, 10)),
            "10.3.2": ("10.1", "10.2"),
        }

    def test_five_items_depend_on_a_fact(self, checklist: Checklist) -> None:
        """Not applicable is computed from four facts; without the fact the item applies."""
        found = {i.id: i.applies for i in checklist.items if i.applies}
        assert {item_id: p.fact for item_id, p in found.items()} == FACTS
        for predicate in found.values():
            assert predicate.applies({})
            assert predicate.applies({predicate.fact: True})
            assert not predicate.applies({predicate.fact: False})

    def test_only_the_dashboard_is_optional(self, checklist: Checklist) -> None:
        """Everything but Grafana blocks."""
        assert [item.id for item in checklist.items if item.optional] == ["5.3.3"]

    def test_what_may_never_be_waived(self, checklist: Checklist) -> None:
        """Secrets, orders, limits, audit, restore and approvals cannot be waived."""
        assert [item.id for item in checklist.items if not item.waivable] == NEVER_WAIVED

    def test_five_waivers_at_most(self, checklist: Checklist) -> None:
        """The ceiling is small beside 175 items."""
        assert checklist.max_waivers == 5


class TestWords:
    def test_texts_are_titles(self, checklist: Checklist) -> None:
        """A text is one short line that starts with a capital and has no full stop."""
        form = re.compile(r"[A-Z][^\n]{7,79}[^.\s]")
        assert [item.text for item in checklist.items if not form.fullmatch(item.text)] == []

    def test_no_text_comes_twice(self, checklist: Checklist) -> None:
        """Each text says which item it is."""
        counts = Counter(item.text.casefold() for item in checklist.items)
        assert [text for text, count in counts.items() if count > 1] == []

    def test_explanations_are_sentences(self, checklist: Checklist) -> None:
        """How and remedy start like sentences, end with a full stop, and are worth reading."""
        form = re.compile(r"[A-Z`].{20,}[^.\s]\.")
        odd = [i.id for i in checklist.items if not form.fullmatch(i.how)]
        odd += [i.id for i in checklist.items if not form.fullmatch(i.remedy)]
        assert odd == []

    def test_explanations_are_short(self, checklist: Checklist) -> None:
        """One to three sentences, four at most, and never a page."""
        assert [i.id for i in checklist.items if len(i.how) > 420 or len(i.remedy) > 300] == []

    def test_failures_are_phrases(self, checklist: Checklist) -> None:
        """Ways to fail are a list of phrases, none twice."""
        found = [(i.id, phrase) for i in checklist.items for phrase in i.fails]
        assert [f for f in found if f[1].endswith(".") or not f[1].strip()] == []
        assert Counter(found).most_common(1)[0][1] == 1

    def test_layout_is_clean(self, checklist: Checklist) -> None:
        """Line breaks of the file are gone, code spans are closed, quotes are straight."""
        for item in checklist.items:
            for text in texts(item):
                assert "  " not in text, (item.id, text)
                assert "\n" not in text, (item.id, text)
                assert text.count("`") % 2 == 0, (item.id, text)
                assert text.isascii(), (item.id, text)

    def test_nothing_is_promised(self, checklist: Checklist) -> None:
        """No text announces what does not exist."""
        found = [(i.id, t) for i in checklist.items for t in texts(i) if PROMISES.search(t)]
        assert found == []

    def test_commands_are_known(self, checklist: Checklist) -> None:
        """Every command of the engine that a text names is one of its commands."""
        named = {
            (item.id, command)
            for item in checklist.items
            for text in texts(item)
            for command in re.findall(r"python -m rustybt ([a-z-]+)", text)
        }
        assert {command for _, command in named} <= {*COMMANDS}

    def test_the_command_to_sign_is_exact(self, checklist: Checklist) -> None:
        """The remedy of an item with a role is the command that signs that very item."""
        for item in checklist.items:
            commands = re.findall(
                r"rustybt-ready sign (\S+) --as EMAIL --role ([a-z-]+)", item.remedy
            )
            expected = [(item.id, item.role)] if item.role else []
            assert commands == expected, item.id

    def test_settings_in_remedies_exist_and_are_accepted(
        self, checklist: Checklist, tmp_path: Path
    ) -> None:
        """What a remedy tells to write into `.env` is read back without complaint."""
        from rustybt.settings import load_settings
        from rustybt.settings.model import aliases

        known = {*aliases().values(), "BINANCE_API_KEY", "BINANCE_API_SECRET"}
        named = [m.groups() for i in checklist.items for m in SETTING.finditer(i.remedy)]
        assert {name or alone for name, _, alone in named} <= known
        assignments = {f"{name}={value}" for name, value, _ in named if value}
        assert len(assignments) >= 8
        for assignment in sorted(assignments):
            (tmp_path / ".env").write_text(f"{assignment}\n", "utf-8")
            load_settings(tmp_path, {})


class TestLookUp:
    def test_look_ups_agree_with_a_walk(self, checklist: Checklist) -> None:
        """The indexes give what a search through all items gives."""
        for item in checklist.items:
            assert checklist.find(item.id) is item
            assert checklist.section_of(item).number == item.section_number
            assert list(checklist.children(item)) == [
                other for other in checklist.items if other.parent == item.id
            ]
        for section in checklist.sections:
            assert checklist.section(section.key) is section
            assert checklist.section(section.number) is section
            assert list(checklist.items_of(section)) == list(checklist.under(str(section.number)))

    def test_unknown_names_find_nothing(self, checklist: Checklist) -> None:
        """What is not there is None or empty, never a neighbour."""
        assert checklist.find("1.1.99") is None
        assert checklist.section("nonsense") is None
        assert list(checklist.under("1.1.9")) == []
        elsewhere = Section(number=99, key="other", title="Other")
        assert checklist.items_of(elsewhere) == ()

    def test_an_item_without_section_is_an_error(self, checklist: Checklist) -> None:
        """Asking for the section of a foreign item does not give another one."""
        foreign = msgspec.structs.replace(checklist.items[0], id="99.1.1")
        with pytest.raises(KeyError):
            checklist.section_of(foreign)

    def test_under_knows_numbers_from_prefixes(self, checklist: Checklist) -> None:
        """Section 1 does not include sections 10 and 11, nor 4.2.1 a 4.2.10."""
        assert {item.section_number for item in checklist.under("1")} == {1}
        assert [item.id for item in checklist.under("4.2.1")] == [
            "4.2.1",
            "4.2.1.1",
            "4.2.1.2",
            "4.2.1.3",
            "4.2.1.4",
        ]

    def test_indexes_do_not_change_the_value(self, checklist: Checklist) -> None:
        """A checklist that was searched equals, and encodes like, one that was not."""
        fresh = msgspec.structs.replace(checklist)
        checklist.find("1.1.1")
        assert fresh == checklist
        assert msgspec.json.encode(fresh) == msgspec.json.encode(checklist)

    def test_a_changed_copy_has_indexes_of_its_own(self, checklist: Checklist) -> None:
        """No index survives into a copy with other items."""
        checklist.find("1.1.1")
        small = msgspec.structs.replace(checklist, items=checklist.items[:3])
        assert small.find("1.1.3") is not None
        assert small.find("1.1.4") is None

    def test_it_survives_json(self, checklist: Checklist) -> None:
        """A report can carry the checklist and read it back unchanged."""
        data = msgspec.json.encode(checklist)
        assert msgspec.json.decode(data, type=Checklist) == checklist

    def test_reading_it_costs_little(self) -> None:
        """Reading the checklist takes little more than parsing its TOML, and happens once."""
        path = resources.files("pytest_rustybt_ready").joinpath("checklist.toml")
        text = path.read_text("utf-8")
        parsing = min(_seconds(lambda: tomllib.loads(text, parse_float=Decimal)) for _ in range(5))
        reading = min(_seconds(built_in.__wrapped__) for _ in range(5))
        assert reading < 3 * parsing
        assert built_in() is built_in()


def _seconds(action: object) -> float:
    start = time.process_time()
    assert callable(action)
    action()
    return time.process_time() - start
