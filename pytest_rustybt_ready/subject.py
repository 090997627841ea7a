"""What a run judges, and what of it must stay secret."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready import checkout
from pytest_rustybt_ready.options import report_folder, state_folder
from pytest_rustybt_ready.redaction import Redactor, clean, secrets_in
from pytest_rustybt_ready.values import Subject

SUBJECT_KEY = pytest.StashKey[Subject]()
REDACTOR_KEY = pytest.StashKey[Redactor]()


def subject_of(config: pytest.Config) -> Subject:
    """Return what this run judges."""
    return config.stash[SUBJECT_KEY]


def find_subject(config: pytest.Config) -> Subject:
    """Ask the project what is judged, and add what stands in the checkout and on which host."""
    found = config.hook.pytest_ready_subject(config=config)
    root = config.rootpath
    own = (report_folder(config), state_folder(config))
    subject = msgspec.structs.replace(
        found or Subject(name=root.name),
        commit=(commit := checkout.commit(root)),
        authors=checkout.authors(root, commit),
        project=checkout.project(root),
        dirty=checkout.dirty(root, ignore=own),
        tree=checkout.tree_digest(root, ignore=own),
        host=host_fingerprint(),
    )
    return copy_of(subject)


def copy_of(subject: Subject) -> Subject:
    """Return *subject* with texts that JSON can hold and a dictionary of its own."""
    return msgspec.convert(_cleaned(msgspec.to_builtins(subject)), Subject)


def changes_of(config: pytest.Config, subject: Subject) -> tuple[str, ...]:
    """Tell whether the run changed what it judged."""
    try:
        after = config.hook.pytest_ready_digest(config=config, subject=subject)
    except Exception as error:  # noqa: BLE001 - a project's own code: the run ends all the same
        reason = redactor_of(config)(clean(f"{type(error).__name__}: {error}"))
        return (f"the deployment cannot be looked at any more: {reason}",)
    if after is None or after == subject.digest:
        return ()
    return ("the deployment changed while it was judged: its digest before and after differ",)


def redactor_of(config: pytest.Config) -> Redactor:
    """Return what masks the secrets of the environment and of the subject."""
    if REDACTOR_KEY in config.stash:
        return config.stash[REDACTOR_KEY]
    secrets = secrets_in(os.environ)
    for found in config.hook.pytest_ready_secrets(config=config, subject=subject_of(config)):
        # a single text is also an iterable of texts, of one letter each
        secrets += [found] if isinstance(found, str) else found
    config.stash[REDACTOR_KEY] = Redactor(secrets)
    return config.stash[REDACTOR_KEY]


def host_fingerprint() -> str:
    """Return what identifies this host without naming it: platform, cores, a digest of its name."""
    name = hashlib.sha256(platform.node().encode()).hexdigest()[:12]
    return f"{sys.platform}-{platform.machine()}-{os.cpu_count()}cpu-{name}"


def _cleaned(value: Any) -> Any:
    """Return plain *value* with texts that JSON can hold."""
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return clean(value) if isinstance(value, str) else value
