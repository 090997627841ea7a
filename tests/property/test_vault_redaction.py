"""Whatever the structure, a secret planted in it does not come out."""

from collections import deque
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from rustybt.security.redaction import redact

# Masks are asterisks, so a secret of asterisks could not be told from one.
SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=6, max_size=24)
NOISE = st.text(max_size=8)

LEAVES: list[Callable[[str, str], object]] = [
    lambda secret, _: secret,
    lambda secret, noise: f"{noise}{secret}{noise}",
    lambda secret, noise: f"{noise}{secret}".encode(),
    lambda secret, noise: {secret: noise},
    lambda secret, noise: ValueError(f"{noise} {secret}"),
    lambda secret, noise: {noise: {f"{noise}{secret}": secret, secret: 1}},
]
NESTS: list[Callable[[object, str], object]] = [
    lambda inner, noise: [noise, inner],
    lambda inner, noise: (inner, noise, inner),
    lambda inner, noise: {noise: inner},
    lambda inner, noise: {"a": noise, "b": [inner]},
    lambda inner, _: deque([inner]),
]


def nested(leaf: object, nests: list[int], noise: str) -> object:
    """Wrap *leaf* as the indices *nests* say, the last of them outermost."""
    for nest in nests:
        leaf = NESTS[nest](leaf, noise)
    return leaf


DEPTHS = st.lists(st.integers(0, len(NESTS) - 1), max_size=60)


@given(SECRETS, NOISE, st.integers(0, len(LEAVES) - 1), DEPTHS)
def test_a_known_secret_never_survives(
    secret: str, noise: str, leaf: int, nests: list[int]
) -> None:
    """At any depth, in text, keys, bytes and exceptions, it is gone; the input is as it was."""
    structure = nested(LEAVES[leaf](secret, noise), nests[:8], noise)
    before = repr(structure)
    once = redact(structure, [secret])
    assert secret not in "".join(texts(once))
    assert repr(structure) == before
    assert redact(once, [secret]) == once


@given(
    st.text("abcdefABCDEF0123456789+/=%-_ ", min_size=6, max_size=40),
    st.sampled_from(["api_key", "X-MBX-APIKEY", "password", "clientSecret", "auth_token"]),
    DEPTHS,
)
def test_a_secret_name_hides_its_value_at_any_depth(
    secret: str, name: str, nests: list[int]
) -> None:
    """Nobody needs to know the value: its name is enough, however deep it lies."""
    assert secret not in "".join(texts(redact(nested({name: secret}, nests, "noise"))))


def texts(shown: object) -> list[str]:
    """Return all text in *shown*."""
    if isinstance(shown, str):
        return [shown, "\0"]
    if isinstance(shown, bytes):
        return [shown.decode(), "\0"]
    if isinstance(shown, dict):
        return [text for pair in shown.items() for part in pair for text in texts(part)]
    if isinstance(shown, list | tuple):
        return [text for part in shown for text in texts(part)]
    return [repr(shown), "\0"]
