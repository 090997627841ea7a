"""Reading checklists: what is accepted, and every way in which a file can be wrong."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pytest_rustybt_ready.checklist import Predicate, Threshold
from pytest_rustybt_ready.checklist_file import built_in, load, parse, tighten
from pytest_rustybt_ready.errors import ChecklistError
from pytest_rustybt_ready.values import Kind, Stage

HEAD = 'title = "Mine"\nversion = "1"\n'
SECTION = '[section.security]\nnumber = 2\ntitle = "Security"\nsubsections."2.1" = "Audit"\n'
BODY = {
    "text": '"It holds"',
    "kinds": '["code"]',
    "stage": '"dev"',
    "how": '"Look."',
    "fails": '["it breaks"]',
    "remedy": '"Repair it."',
}


def item(item_id: str = "2.1.1", **changes: str) -> str:
    """Return an item as TOML; *changes* are TOML values, an empty one takes the key out."""
    pairs = {key: value for key, value in {**BODY, **changes}.items() if value}
    return f'[item."{item_id}"]\n' + "".join(f"{key} = {value}\n" for key, value in pairs.items())


def problems(text: str) -> tuple[str, ...]:
    """Return what is wrong with the checklist *text*."""
    with pytest.raises(ChecklistError) as caught:
        parse(text, source="mine.toml")
    return caught.value.problems


class TestAccepted:
    def test_a_small_checklist(self) -> None:
        """Sections and items come out as they were written."""
        checklist = parse(HEAD + SECTION + item(), source="mine.toml")
        (section,), (one,) = checklist.sections, checklist.items
        assert (checklist.title, checklist.version, checklist.max_waivers) == ("Mine", "1", 5)
        assert (section.key, section.number, section.mark) == ("security", 2, "ready_security")
        assert (one.id, one.kinds, one.stage) == ("2.1.1", (Kind.CODE,), Stage.DEV)
        assert (one.text, one.how, one.remedy) == ("It holds", "Look.", "Repair it.")
        assert (one.section_number, one.subsection, one.parent) == (2, "2.1", None)
        assert one.waivable
        assert (one.optional, one.or_signed, one.lapses_with_commit) == (False, False, False)

    def test_a_sub_item(self) -> None:
        """A fourth number makes a part of the item with the first three."""
        checklist = parse(HEAD + SECTION + item() + item("2.1.1.1"), source="mine.toml")
        whole, part = checklist.items
        assert part.parent == "2.1.1"
        assert checklist.children(whole) == (part,)
        assert (part.section_number, part.subsection) == (2, "2.1")

    def test_items_are_sorted_as_numbers(self) -> None:
        """The order in the file does not matter, and 10 comes after 9."""
        ids = ["2.1.10", "2.1.9", "2.1.1.1", "2.1.1"]
        text = HEAD + SECTION + "".join(item(i) for i in ids)
        assert [i.id for i in parse(text, source="x").items] == [
            "2.1.1",
            "2.1.1.1",
            "2.1.9",
            "2.1.10",
        ]

    def test_line_breaks_do_not_count(self) -> None:
        """Paragraphs are laid out for the file; the text is one line."""
        text = HEAD + SECTION + item(how='"""\n  Look\n\t at   it.\n"""', fails='[" it\\nbreaks "]')
        (one,) = parse(text, source="mine.toml").items
        assert one.how == "Look at it."
        assert one.fails == ("it breaks",)

    @pytest.mark.parametrize(
        ("toml", "threshold"),
        [
            ("{ min = 90, unit = '%' }", Threshold(sense="min", limit=Decimal(90), unit="%")),
            ("{ max = 0 }", Threshold(sense="max", limit=Decimal(0))),
            (
                "{ below = 0.1, unit = 's' }",
                Threshold(sense="below", limit=Decimal("0.1"), unit="s"),
            ),
        ],
    )
    def test_thresholds_are_exact(self, toml: str, threshold: Threshold) -> None:
        """Limits are decimals from the text of the file: 0.1 is a tenth."""
        text = HEAD + SECTION + item(thresholds=f"{{ one = {toml} }}")
        assert parse(text, source="mine.toml").items[0].thresholds == {"one": threshold}

    @pytest.mark.parametrize(
        ("toml", "predicate"),
        [
            ("{ fact = 'api' }", Predicate(fact="api")),
            ("{ fact = 'api', equals = false }", Predicate(fact="api", equals=False)),
            (
                "{ fact = 'b', equals = 'x', negate = true }",
                Predicate(fact="b", equals="x", negate=True),
            ),
            ("{ fact = 'n', equals = 3 }", Predicate(fact="n", equals=3)),
        ],
    )
    def test_predicates(self, toml: str, predicate: Predicate) -> None:
        """A predicate compares a fact with a flag, a number or a text."""
        text = HEAD + SECTION + item(applies=toml)
        assert parse(text, source="mine.toml").items[0].applies == predicate

    def test_a_signed_item(self) -> None:
        """Role, age and the binding to a commit are read."""
        signed = item(kinds='["signed"]', role='"qa"', max_age_days="9", lapses_with_commit="true")
        (one,) = parse(HEAD + SECTION + signed, source="mine.toml").items
        assert (one.role, one.max_age_days, one.lapses_with_commit) == ("qa", 9, True)
        assert not one.automated

    def test_a_check_that_a_signature_may_replace(self) -> None:
        """With or_signed a check decides, and a role may stand in for it."""
        text = HEAD + SECTION + item(or_signed="true", role='"qa"', max_age_days="9")
        (one,) = parse(text, source="mine.toml").items
        assert one.or_signed
        assert one.automated

    def test_a_derived_item(self) -> None:
        """It may rest on whole subsections, and on derived items before it."""
        derived = {"kinds": '["derived"]', "fails": "[]"}
        text = HEAD + SECTION + item()
        text += item("2.1.2", derives='["2.1.1"]', **derived)
        text += item("2.1.3", derives='["2.1.1", "2.1.2"]', **derived)
        last = parse(text, source="mine.toml").items[2]
        assert last.derives == ("2.1.1", "2.1.2")
        assert not last.automated


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"text": ""}, "'text' is missing"),
            ({"how": ""}, "'how' is missing"),
            ({"fails": ""}, "'fails' is missing"),
            ({"remedy": ""}, "'remedy' is missing"),
            ({"stage": ""}, "'stage' is missing"),
            ({"kinds": ""}, "'kinds' is missing"),
            ({"colour": '"red"'}, "unknown key 'colour'"),
            ({"text": '" "'}, "text is empty"),
            ({"how": '""'}, "how is empty"),
            ({"remedy": '"\\n"'}, "remedy is empty"),
            ({"text": "1"}, "text: Expected `str`, got `int` (found 1)"),
            ({"fails": '"x"'}, "fails: Expected `array`, got `str` (found 'x')"),
            ({"fails": "[1]"}, "fails: Expected `str`, got `int` - at `$[0]` (found [1])"),
            ({"fails": '["a", ""]'}, "fails has an empty entry"),
            ({"fails": "[]"}, "an automated item says in fails how it can fail"),
            ({"kinds": "[]"}, "kinds is empty"),
            ({"kinds": '["code", "code"]'}, "kinds names one kind twice"),
            ({"kinds": '["magic"]'}, "kinds: Invalid enum value 'magic'"),
            ({"stage": '"someday"'}, "stage: Invalid enum value 'someday' (found 'someday')"),
            ({"waivable": '"no"'}, "waivable: Expected `bool`, got `str` (found 'no')"),
            ({"max_age_days": "0"}, "max_age_days is 0, expected 1 or more"),
            ({"max_age_days": "1.5"}, "max_age_days: Expected `int | null`, got `decimal`"),
            ({"kinds": '["record"]'}, "a signed or record item needs max_age_days"),
            ({"kinds": '["signed"]', "role": '"qa"'}, "a signed or record item needs max_age_days"),
            (
                {"kinds": '["signed"]', "max_age_days": "1"},
                "a signed or record item needs the role that may sign it",
            ),
            ({"or_signed": "true", "role": '"qa"'}, "a signature needs max_age_days"),
            ({"or_signed": "true", "max_age_days": "1"}, "a signature needs the role"),
            (
                {
                    "or_signed": "true",
                    "kinds": '["code", "signed"]',
                    "role": '"qa"',
                    "max_age_days": "1",
                },
                "or_signed is for items that a check decides",
            ),
            ({"lapses_with_commit": "true"}, "lapses_with_commit is for signatures"),
            ({"derives": '["2.1"]'}, "derives and the kind 'derived' belong together"),
            ({"kinds": '["derived"]'}, "derives and the kind 'derived' belong together"),
            ({"applies": '"api"'}, "applies: Expected `object | null`, got `str`"),
            ({"applies": "{ equals = true }"}, "applies: Object missing required field `fact`"),
            ({"applies": '{ fact = "a", is = 1 }'}, "applies: Object contains unknown field `is`"),
            ({"applies": '{ fact = "a", equals = 1.5 }'}, "applies: Expected"),
            ({"thresholds": "3"}, "thresholds: expected a table of tables, found 3"),
            ({"thresholds": "{ a = 3 }"}, "thresholds.a: expected a table, found 3"),
            ({"thresholds": "{ a = {} }"}, "needs exactly one of min, max, below, a finite number"),
            (
                {"thresholds": "{ a = { min = 1, max = 2 } }"},
                "needs exactly one of min, max, below",
            ),
            ({"thresholds": "{ a = { min = true } }"}, "needs exactly one of min, max, below"),
            ({"thresholds": "{ a = { min = '1' } }"}, "needs exactly one of min, max, below"),
            ({"thresholds": "{ a = { min = nan } }"}, "a finite number"),
            ({"thresholds": "{ a = { max = inf } }"}, "a finite number"),
            (
                {"thresholds": "{ a = { min = 1, units = '%' } }"},
                "thresholds.a: unknown key 'units'",
            ),
            ({"thresholds": "{ a = { min = 1, unit = 2 } }"}, "thresholds.a.unit: Expected `str`"),
        ],
    )
    def test_an_item(self, changes: dict[str, str], problem: str) -> None:
        """Each fault of an item is one problem, with the item's id and what was found."""
        (found,) = problems(HEAD + SECTION + item(**changes))
        assert found.startswith('[item."2.1.1"]')
        assert problem in found

    @pytest.mark.parametrize(
        "item_id", ["2", "2.1", "2.1.1.1.1", "2.1.0", "02.1.1", "a.b.c", "2.1.\u0661"]
    )
    def test_an_id(self, item_id: str) -> None:
        """An id is three or four numbers without leading zeros."""
        (found,) = problems(HEAD + SECTION + item() + item(item_id))
        assert found == f'[item."{item_id}"]: an id looks like 2.1.3, or 4.2.1.1 for a sub-item'

    @pytest.mark.parametrize(
        ("section", "problem"),
        [
            ("number = 0", "number is 0, expected 1 or more"),
            ("number = '3'", "number: Expected `int`, got `str` (found '3')"),
            ("", "'number' is missing"),
            ("number = 3\ncolour = 1", "unknown key 'colour'"),
            ("number = 3\nsubsections = 1", "subsections: Expected `object`, got `int`"),
            ("number = 3\nsubsections.'3.1' = 1", "subsections: Expected `str`, got `int`"),
            ("number = 3\nsubsections.'4.1' = 'x'", "subsection '4.1' is not of the form 3.N"),
            ("number = 3\nsubsections.'3.1.1' = 'x'", "subsection '3.1.1' is not of the form 3.N"),
            ("number = 3", "it has no item, so it would always be green"),
        ],
    )
    def test_a_section(self, section: str, problem: str) -> None:
        """Each fault of a section is named with the section's key."""
        found = problems(f"{HEAD}[section.other]\ntitle = 'Other'\n{section}\n{SECTION}{item()}")
        assert any(
            f"[section.other]: {problem}" in f or f"[section.other] {problem}" in f for f in found
        )

    @pytest.mark.parametrize("key", ["Security", "two-words", "2nd", "'with space'"])
    def test_a_section_key(self, key: str) -> None:
        """A key becomes part of a mark, and has to be fit for that."""
        text = HEAD + SECTION.replace("section.security", f"section.{key}") + item()
        assert any("a key is made of a-z, 0-9 and _" in found for found in problems(text))

    def test_a_section_without_title(self) -> None:
        """A title of blanks is none."""
        found = problems(HEAD + SECTION.replace("Security", "  ") + item())
        assert found == ("[section.security]: title is empty",)

    @pytest.mark.parametrize(
        ("head", "problem"),
        [
            ('title = "Mine"', "file: 'version' is missing"),
            ('version = "1"', "file: 'title' is missing"),
            ('title = ""\nversion = "1"', "title is empty"),
            ('title = "T"\nversion = 1.0', "version: Expected `str`, got `decimal`"),
            (f"{HEAD}max_waivers = -1", "max_waivers is -1, expected 0 or more"),
            (f"{HEAD}max_waivers = true", "max_waivers: Expected `int`, got `bool` (found True)"),
            (f"{HEAD}colour = 1", "file: unknown key 'colour'"),
            (f'{HEAD}extends = "theirs"', "extends: 'theirs' is not known; expected 'rustybt'"),
        ],
    )
    def test_the_head(self, head: str, problem: str) -> None:
        """Faults of the file as a whole are named by their key."""
        (found,) = problems(f"{head}\n{SECTION}{item()}")
        assert problem in found

    @pytest.mark.parametrize("what", ["section", "item"])
    def test_tables_of_tables(self, what: str) -> None:
        """Sections and items are tables, each with its name."""
        assert f"{what}: expected a table of tables, found 3" in problems(f"{HEAD}{what} = 3")
        assert f"{what}.x: expected a table, found 3" in problems(f"{HEAD}{what}.x = 3")

    def test_a_file_without_items(self) -> None:
        """A checklist without items would make everything ready."""
        assert problems(HEAD) == (
            "file: there is no item; a checklist without items proves nothing",
        )

    def test_an_item_without_section(self) -> None:
        """An item stands in a section and in a subsection of it."""
        found = problems(HEAD + SECTION + item() + item("3.1.1") + item("2.9.1"))
        assert found == (
            '[item."3.1.1"]: there is no section 3',
            '[item."2.9.1"]: its section has no subsection 2.9',
        )

    def test_a_number_used_twice(self) -> None:
        """Two sections cannot have the same number."""
        again = "[section.again]\nnumber = 2\ntitle = 'Again'\n"
        assert problems(HEAD + SECTION + again + item()) == ("section number 2 is used twice",)

    @pytest.mark.parametrize(
        ("parent", "child", "problem"),
        [
            ({"waivable": "false"}, {}, "it is waivable though 2.1.1 is not"),
            ({"applies": '{ fact = "a" }'}, {}, "2.1.1 has sub-items, so applies belongs to them"),
            (
                {"kinds": '["signed"]', "role": '"qa"', "max_age_days": "1"},
                {},
                "2.1.1 has sub-items, so signatures and derivation belong to them",
            ),
        ],
    )
    def test_a_family(self, parent: dict[str, str], child: dict[str, str], problem: str) -> None:
        """Sub-items decide for their item: what it says besides must not be lost."""
        found = problems(HEAD + SECTION + item(**parent) + item("2.1.1.1", **child))
        assert found == (f'[item."2.1.1.1"]: {problem}',)

    def test_an_orphan(self) -> None:
        """A sub-item needs its item."""
        found = problems(HEAD + SECTION + item("2.1.1.1"))
        assert found == ('[item."2.1.1.1"]: its parent 2.1.1 does not exist',)

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"derives": '["9"]'}, "no item lies under '9', so it would rest on nothing"),
            ({"derives": '["2.1.1", ""]'}, "no item lies under '', so it would rest on nothing"),
            ({"derives": '["2"]'}, "'2' includes 2.1.2, which is derived no earlier"),
            ({"derives": '["2.1.2"]'}, "'2.1.2' includes 2.1.2, which is derived no earlier"),
            (
                {"derives": '["2.1.1"]', "kinds": '["derived", "code"]'},
                "its other kinds would never",
            ),
            (
                {"derives": '["2.1.1"]', "applies": '{ fact = "a" }'},
                "a derived item always applies",
            ),
        ],
    )
    def test_a_derivation(self, changes: dict[str, str], problem: str) -> None:
        """A derived item rests on others that exist, and never on itself."""
        changes = {"kinds": '["derived"]', **changes}
        (found,) = problems(HEAD + SECTION + item() + item("2.1.2", **changes))
        assert found.startswith('[item."2.1.2"]')
        assert problem in found

    def test_all_problems_at_once(self) -> None:
        """A file with many faults is refused once, with all of them, and says how many."""
        text = 'title = 3\ncolour = 1\n[section.Security]\nnumber = 2\ntitle = ""\n'
        text += item(text='""', kinds='["magic"]', stage="7") + item("2") + item("2.1.2", how="")
        with pytest.raises(ChecklistError, match=r"mine\.toml: \d+ problems:") as caught:
            parse(text, source="mine.toml")
        message = str(caught.value)
        for part in (
            "unknown key 'colour'",
            "'version' is missing",
            "title: Expected `str`",
            "a key is made of",
            "title is empty",
            "Invalid enum value 'magic'",
            "stage: Expected `str`",
            "an id looks like",
            "'how' is missing",
        ):
            assert part in message
        assert f"{len(caught.value.problems)} problems" in message

    def test_a_broken_item_is_not_called_missing(self) -> None:
        """What refers to an item with a fault is not blamed for it."""
        derived = item("2.1.2", kinds='["derived"]', derives='["2.1.1"]')
        text = HEAD + SECTION + item(stage='"someday"') + item("2.1.1.1") + derived
        (found,) = problems(text)
        assert "Invalid enum value 'someday'" in found

    def test_a_broken_section_is_not_called_missing(self) -> None:
        """Items of a section with a fault are not blamed for it."""
        (found,) = problems(HEAD + SECTION.replace("number = 2", "number = 'two'") + item())
        assert "[section.security] number" in found


class TestToml:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("a = ", "not valid TOML"),
            ("a = 1\na = 2\n", "not valid TOML"),
            ("a = " + "[" * 100_000, "nested too deeply"),
            ("a = " + "1" * 5000, "not valid TOML"),
            ("a = 1e99999999999999999999", "1e99999999999999999999 is out of range"),
        ],
    )
    def test_what_is_no_toml(self, text: str, problem: str) -> None:
        """Whatever the parser cannot take is one problem, not a traceback."""
        (found,) = problems(text)
        assert problem in found

    def test_a_missing_file(self, tmp_path: Path) -> None:
        """A file that is not there is named."""
        with pytest.raises(ChecklistError, match=r"none\.toml: 1 problem:\n.*No such file"):
            load(tmp_path / "none.toml")

    def test_a_folder(self, tmp_path: Path) -> None:
        """A folder cannot be read as a checklist."""
        with pytest.raises(ChecklistError, match="cannot be read"):
            load(tmp_path)

    def test_a_file_that_is_not_text(self, tmp_path: Path) -> None:
        """Bytes that are not UTF-8 are refused."""
        path = tmp_path / "mine.toml"
        path.write_bytes(b"title = '\xff'")
        with pytest.raises(ChecklistError, match="cannot be read: 'utf-8' codec"):
            load(path)

    def test_a_file(self, tmp_path: Path) -> None:
        """A file is read like its text."""
        path = tmp_path / "mine.toml"
        path.write_text(HEAD + SECTION + item(), "utf-8")
        assert load(path) == parse(HEAD + SECTION + item(), source="mine.toml")


class TestExtends:
    def test_a_team_adds_an_item(self) -> None:
        """A file that extends the built-in checklist has all its items and its own."""
        text = f'{HEAD}extends = "rustybt"\nmax_waivers = 1\n{item("2.1.7")}'
        checklist = parse(text, source="mine.toml")
        assert len(checklist.items) == len(built_in().items) + 1
        assert checklist.find("2.1.7") is not None
        assert checklist.sections == built_in().sections
        assert (checklist.title, checklist.max_waivers) == ("Mine", 1)

    def test_a_team_adds_a_section(self) -> None:
        """A new section has its own key and mark."""
        section = (
            "[section.house]\nnumber = 12\ntitle = 'House rules'\nsubsections.'12.1' = 'Ours'\n"
        )
        checklist = parse(f'{HEAD}extends = "rustybt"\n{section}{item("12.1.1")}', source="x")
        assert checklist.sections[-1].mark == "ready_house"
        assert [i.id for i in checklist.items_of(checklist.sections[-1])] == ["12.1.1"]

    def test_a_team_replaces_an_item(self) -> None:
        """An item of the file takes the whole place of the built-in one."""
        checklist = parse(f'{HEAD}extends = "rustybt"\n{item("1.1.1")}', source="x")
        replaced = checklist.find("1.1.1")
        assert replaced is not None
        assert (replaced.text, replaced.thresholds) == ("It holds", {})
        assert len(checklist.items) == len(built_in().items)

    def test_a_section_number_stays_unique(self) -> None:
        """A new section cannot take the number of a built-in one."""
        section = "[section.house]\nnumber = 2\ntitle = 'House rules'\n"
        found = problems(f'{HEAD}extends = "rustybt"\n{section}{item("2.1.7")}')
        assert "section number 2 is used twice" in found

    def test_rules_hold_across_both_files(self) -> None:
        """An added sub-item has to fit the built-in item that it belongs to."""
        found = problems(f'{HEAD}extends = "rustybt"\n{item("2.1.3.1")}')
        assert found == ('[item."2.1.3.1"]: it is waivable though 2.1.3 is not',)


class TestTighten:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "thresholds.toml"

    def test_limits_become_stricter(self, file: Path) -> None:
        """Stricter limits replace those of the checklist; the rest stays as it was."""
        file.write_text('["1.1.2"]\ncoverage = 97.5\n["4.1.3"]\nlatency_p99 = 50\n', "utf-8")
        tightened = tighten(built_in(), file)
        coverage, latency = tightened.find("1.1.2"), tightened.find("4.1.3")
        assert coverage is not None
        assert coverage.thresholds["coverage"].limit == Decimal("97.5")
        assert latency is not None
        assert str(latency.thresholds["latency_p99"]) == "< 50 ms"
        assert str(latency.thresholds["orders"]) == "≥ 1000 orders"
        changed = {a.id for a, b in zip(tightened.items, built_in().items, strict=True) if a != b}
        assert changed == {"1.1.2", "4.1.3"}

    def test_the_original_is_untouched(self, file: Path) -> None:
        """Tightening gives a new checklist."""
        before = built_in()
        file.write_text('["1.1.2"]\ncoverage = 99\n', "utf-8")
        tighten(before, file)
        item = before.find("1.1.2")
        assert item is not None
        assert str(item.thresholds["coverage"]) == "≥ 90%"

    @pytest.mark.parametrize("limit", ["90", "90.0"])
    def test_the_same_limit_is_allowed(self, file: Path, limit: str) -> None:
        """Saying the limit again loosens nothing."""
        file.write_text(f'["1.1.2"]\ncoverage = {limit}\n', "utf-8")
        assert tighten(built_in(), file) == built_in()

    def test_an_empty_file_changes_nothing(self, file: Path) -> None:
        """A deployment without wishes keeps the checklist's limits."""
        file.write_text("", "utf-8")
        assert tighten(built_in(), file) == built_in()

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                '["1.1.2"]\ncoverage = 89.9',
                "1.1.2 coverage: 89.9 is looser than the checklist's ≥ 90%",
            ),
            ('["1.2.5"]\ncomplexity = 11', "1.2.5 complexity: 11 is looser"),
            ('["3.1.2"]\nclock_skew = 1.001', "3.1.2 clock_skew: 1.001 is looser"),
            ('["1.1.2"]\nspeed = 1', "1.1.2 has no threshold 'speed' (it has: coverage)"),
            ('["1.3.5"]\nspeed = 1', "1.3.5 has no threshold 'speed' (it has: none)"),
            ('["1.1.2"]\ncoverage = "95"', "1.1.2 coverage: '95' is not a finite number"),
            ('["1.1.2"]\ncoverage = true', "1.1.2 coverage: True is not a finite number"),
            ('["1.1.2"]\ncoverage = nan', "is not a finite number"),
            ('["1.1.2"]\ncoverage = inf', "is not a finite number"),
            ('["9.9.9"]\ncoverage = 95', '["9.9.9"] is not an item of the checklist'),
            ("[1.1.2]\ncoverage = 95", 'write the id in quotes, as in ["1.1.2"]'),
            ('"1.1.2" = 95', '1.1.2: expected a table such as ["1.1.2"], found 95'),
            ("coverage = 95", 'coverage: expected a table such as ["1.1.2"], found 95'),
            ("[", "not valid TOML"),
        ],
    )
    def test_what_is_refused(self, file: Path, text: str, problem: str) -> None:
        """A limit that is looser, unknown or no number stops the run, and says why."""
        file.write_text(text, "utf-8")
        with pytest.raises(ChecklistError) as caught:
            tighten(built_in(), file)
        (found,) = caught.value.problems
        assert problem in found
        assert "thresholds.toml: 1 problem:" in str(caught.value)

    def test_all_problems_at_once(self, file: Path) -> None:
        """Every bad limit of the file is reported."""
        file.write_text('x = 1\n["1.1.2"]\ncoverage = 1\nspeed = 2\n["1.1.3"]\na = 1\n', "utf-8")
        with pytest.raises(ChecklistError) as caught:
            tighten(built_in(), file)
        assert len(caught.value.problems) == 4

    def test_a_missing_file(self, file: Path) -> None:
        """A file that was named has to be there."""
        with pytest.raises(ChecklistError, match="No such file"):
            tighten(built_in(), file)


class TestWords:
    @pytest.mark.parametrize(
        ("threshold", "words"),
        [
            (Threshold(sense="min", limit=Decimal(90), unit="%"), "≥ 90%"),
            (Threshold(sense="max", limit=Decimal(10), unit="% of equity"), "≤ 10% of equity"),
            (Threshold(sense="below", limit=Decimal("0.1"), unit="s"), "< 0.1 s"),
            (Threshold(sense="max", limit=Decimal(0)), "≤ 0"),
            (Threshold(sense="min", limit=Decimal("1E+6"), unit="events"), "≥ 1000000 events"),
        ],
    )
    def test_thresholds_read_well(self, threshold: Threshold, words: str) -> None:
        """A limit is printed with its sign and unit, and without exponents."""
        assert str(threshold) == words

    @pytest.mark.parametrize(
        ("predicate", "words"),
        [
            (Predicate(fact="api_enabled"), "api_enabled is true"),
            (Predicate(fact="api_enabled", equals=False), "api_enabled is false"),
            (Predicate(fact="market", equals="crypto", negate=True), "market is not crypto"),
            (Predicate(fact="workers", equals=2), "workers is 2"),
            (Predicate(fact="broker", equals=None), "broker is unset"),
        ],
    )
    def test_predicates_read_well(self, predicate: Predicate, words: str) -> None:
        """A predicate is printed as a condition."""
        assert str(predicate) == words

    @pytest.mark.parametrize(
        ("predicate", "facts", "applies"),
        [
            (Predicate(fact="api"), {}, True),
            (Predicate(fact="api"), {"api": True}, True),
            (Predicate(fact="api"), {"api": False}, False),
            (Predicate(fact="api"), {"api": None}, False),
            (Predicate(fact="api", negate=True), {}, True),
            (Predicate(fact="api", negate=True), {"api": True}, False),
            (Predicate(fact="api", negate=True), {"api": False}, True),
        ],
    )
    def test_an_unknown_fact_never_excuses(
        self, predicate: Predicate, facts: dict[str, bool | None], *, applies: bool
    ) -> None:
        """Only a fact that is known can make an item not apply."""
        assert predicate.applies({**facts}) is applies
