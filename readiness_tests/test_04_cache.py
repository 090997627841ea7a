"""Section 4: the cache of market data."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.controls import set_setting
from readiness_tests.engine import EngineUnderTest
from readiness_tests.host import MIB, Host
from readiness_tests.subjects import Deployment

CACHE = "rustybt/data/cache.py"


@ready.performance("4.3.1")
def test_the_cache_fits_and_is_used(
    deployment: Deployment, host: Host, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The cache takes its share of memory at most, and what is read again comes from it."""
    configured = deployment.settings.data_cache_size_mb
    seen = engine.run("caching", home=str(deployment.root.resolve()))
    evidence.record("bars of each series", seen["rows"])
    evidence.expect("megabytes in force", configured, observed=seen["megabytes"])
    evidence.meets("share_of_memory", observed=f"{100 * configured * MIB / host.memory():.4f}")
    evidence.expect("the same bars both times", True, observed=seen["same"])
    evidence.expect("bars were read", [True, True], observed=[rows > 0 for rows in seen["rows"]])
    evidence.meets("hit_rate", observed=f"{100 * seen['hits'] / seen['reads']:.1f}")


@test_the_cache_fits_and_is_used.fails_when
def there_is_no_cache(deployment: Deployment) -> None:
    """The cache has a size of 0."""
    set_setting(deployment, "DATA_CACHE_SIZE_MB", "0")


@test_the_cache_fits_and_is_used.fails_when
def the_cache_takes_a_third_of_memory(deployment: Deployment, host: Host) -> None:
    """More memory than a quarter is set aside for bars."""
    set_setting(deployment, "DATA_CACHE_SIZE_MB", str(host.memory() // MIB // 3))


@test_the_cache_fits_and_is_used.fails_when
def the_cache_is_never_hit(engine: EngineUnderTest) -> None:
    """Tables are looked for under a name that none has."""
    engine.edit(CACHE, "found = self._tables.get(checksum)", 'found = self._tables.get("")')


@test_the_cache_fits_and_is_used.fails_when
def the_catalog_is_opened_without_it(engine: EngineUnderTest) -> None:
    """The cache exists, and the deployment's catalog does not have it."""
    engine.edit("rustybt/data/catalog.py", "self.cache: Final = cache", "self.cache: Final = None")
