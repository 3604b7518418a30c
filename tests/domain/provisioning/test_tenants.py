import pytest

from bridge.domain.errors import Invalid
from bridge.domain.provisioning import tenants


def test_a_time_zone_is_an_iana_name() -> None:
    assert tenants.time_zone("Europe/Berlin") == "Europe/Berlin"
    for name in ("Berlin", "localtime", ""):
        with pytest.raises(Invalid, match="time_zone"):
            tenants.time_zone(name)
