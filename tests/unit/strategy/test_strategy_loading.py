"""Strategies from files, their parameters and what they remember."""

from decimal import Decimal
from pathlib import Path

import pytest

from rustybt.strategy import (
    Strategy,
    StrategyError,
    StrategyLoadError,
    dump_state,
    load_state,
    load_strategy,
)

HEAD = "from rustybt.strategy import Strategy\n"
GOOD = HEAD + "class Good(Strategy):\n    def on_bar(self, bar): pass\n"


def written(folder: Path, source: str) -> Path:
    path = folder / "mine.py"
    path.write_text(source)
    return path


def test_the_strategy_of_a_file(tmp_path: Path) -> None:
    """The one class of a file is found; imported and private ones do not count."""
    (tmp_path / "beside_the_strategy.py").write_text("NUMBER = 7\n")
    source = (
        HEAD
        + "from beside_the_strategy import NUMBER\n"
        + "class _Base(Strategy):\n    size = NUMBER\n"
        + "class Mine(_Base):\n    def on_bar(self, bar): pass\n"
    )
    kind = load_strategy(written(tmp_path, source))

    assert kind.__name__ == "Mine"
    assert kind.parameters() == {"size": 7}
    assert not list(tmp_path.glob("__pycache__/mine*"))


def test_one_of_several_is_named(tmp_path: Path) -> None:
    """With several strategies one has to be named."""
    path = written(tmp_path, GOOD + "class Other(Good):\n    pass\n")

    assert load_strategy(path, "Other").__name__ == "Other"
    with pytest.raises(StrategyLoadError, match="defines 2 strategies: Good, Other"):
        load_strategy(path)
    with pytest.raises(StrategyLoadError, match="has no strategy 'Third'; expected Good, Other"):
        load_strategy(path, "Third")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "defines no strategy"),
        ("class Strategy: pass\n", "defines no strategy"),
        ("import os\n\n1 / 0\n", r"mine.py:3: importing it raised ZeroDivisionError: division"),
        ("import not_there_at_all\n", r"mine.py:1: importing it raised ModuleNotFoundError"),
        ("raise SystemExit(3)\n", r"mine.py:1: importing it raised SystemExit: 3"),
        ("raise KeyError\n", r"raised KeyError"),
        ("def broken(:\n", r"mine.py:1: "),
        ("x = 1\0\n", "mine.py"),
        (HEAD + "class A(Strategy):\n    def on_bar(self): pass\n", r"on_bar\(self\) should be"),
        (HEAD + "class A(Strategy):\n    def on_fill(self, a, b): pass\n", "on_fill"),
        (HEAD + "class A(Strategy):\n    async def on_bar(self, bar): pass\n", "is async"),
        (HEAD + "class A(Strategy):\n    on_bar = 5\n", "on_bar is a int, not a method"),
        (HEAD + "class A(Strategy):\n    def __init__(self, x): pass\n", "without arguments"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, source: str, message: str) -> None:
    """Each way of being wrong is one error that says what and where."""
    with pytest.raises(StrategyLoadError, match=message):
        load_strategy(written(tmp_path, source))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(StrategyLoadError, match=r"cannot read the strategy .*gone.py"):
        load_strategy(tmp_path / "gone.py")


def test_static_hooks_are_fine(tmp_path: Path) -> None:
    """A hook without self works when it is a static method."""
    source = HEAD + "class A(Strategy):\n    @staticmethod\n    def on_bar(bar): pass\n"
    assert load_strategy(written(tmp_path, source)).__name__ == "A"


class Parameters(Strategy):
    """One parameter of each type."""

    count = 3
    part = 0.5
    name = "x"
    on = True
    level = Decimal("1.5")
    _hidden = 1
    numbers = (1, 2)


def test_parameters_take_the_type_of_their_defaults() -> None:
    """Values come as they are, or as text from a command line."""
    strategy = Parameters(count="7", part=2, name="y", on="no", level="2.50")

    assert (strategy.count, strategy.part, strategy.name) == (7, 2.0, "y")
    assert (strategy.on, strategy.level) == (False, Decimal("2.50"))
    assert list(Parameters.parameters()) == ["count", "part", "name", "on", "level"]


def test_wrong_parameters_are_named_all_at_once() -> None:
    """Unknown names and wrong types, with the values, and what there is."""
    with pytest.raises(StrategyError) as caught:
        Parameters(cuont=3, count=2.5, on="perhaps", part="half")
    message = str(caught.value)

    for part in ("'cuont' is not a parameter", "count = 2.5", "on = 'perhaps'", "part = 'half'"):
        assert part in message
    assert "level (now 1.5)" in message


def test_a_parameter_cannot_hide_a_method(tmp_path: Path) -> None:
    """A parameter called like something that strategies have is refused by name."""
    source = GOOD + "    cash = 5\n    buy = 'x'\n"
    with pytest.raises(StrategyError, match="hide what every strategy has: buy, cash"):
        load_strategy(written(tmp_path, source))()


def test_state_survives_as_json() -> None:
    """What JSON can say comes back equal, the same bytes for equal states."""
    state = {"b": [1, 2.5, None, True], "a": {"text": "x"}}

    assert load_state(dump_state(state)) == state
    assert dump_state(state) == dump_state(dict(reversed(state.items())))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"x": Decimal(1)}, r"state\['x'\] cannot be kept: it is a Decimal"),
        ({"x": [float("nan")]}, r"state\['x'\]\[0\] cannot be kept: nan"),
        ({"x": {1: 2}}, "the key 1 is not text"),
        ({"x": (1,)}, "it is a tuple"),
    ],
)
def test_state_that_would_not_survive_is_refused(state: dict[str, object], message: str) -> None:
    """Whatever would come back as something else is refused where it is."""
    with pytest.raises(StrategyError, match=message):
        dump_state(state)


def test_bytes_that_are_no_state() -> None:
    """Broken or foreign bytes are refused."""
    with pytest.raises(StrategyError, match="is not JSON"):
        load_state(b"{")
    with pytest.raises(StrategyError, match="is a list"):
        load_state(b"[]")


def test_a_strategy_that_does_not_run_cannot_order() -> None:
    """Orders before on_start say why they cannot be."""
    with pytest.raises(StrategyError, match="Parameters is not running"):
        Parameters().buy("X", 1)
    with pytest.raises(NotImplementedError):
        Parameters().signals()
