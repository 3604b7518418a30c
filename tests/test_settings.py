"""Settings are parsed as what they are, and the complaint about a bad one says what is wrong."""

import pytest

from bridge import settings
from bridge.domain.errors import BridgeError
from bridge.settings import DaemonSettings, DatabaseSettings, NodeSettings

PASSWORDS = {"BRIDGE_ARI_PASSWORD": "x" * 16, "BRIDGE_AMI_PASSWORD": "y" * 16}


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**PASSWORDS, "BRIDGE_SIP_TRUNKS": "192.0.2.7"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("given", "matched"),
    [
        ("192.0.2.7", ["192.0.2.7"]),
        ("192.0.2.7, 198.51.100.0/24", ["192.0.2.7", "198.51.100.0/24"]),
        ("2001:db8::7,2001:db8:1::/48", ["2001:db8::7", "2001:db8:1::/48"]),
    ],
)
def test_trunks_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch, given: str, matched: list[str]) -> None:
    monkeypatch.setenv("BRIDGE_SIP_TRUNKS", given)
    node = settings.load(NodeSettings)
    assert node.sip_trunks.split(",") == matched


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("10.0.0.300", "'10.0.0.300'"),
        ("192.0.2.7,10.0.0.0/33", "'10.0.0.0/33'"),
        ("/", "'/'"),
        ("192.0.2.7,", "''"),
        ("sip.carrier.example", "'sip.carrier.example'"),
        ("192.0.2.7 198.51.100.7", "'192.0.2.7 198.51.100.7'"),
    ],
)
def test_a_bad_trunk_is_named(monkeypatch: pytest.MonkeyPatch, given: str, named: str) -> None:
    monkeypatch.setenv("BRIDGE_SIP_TRUNKS", given)
    with pytest.raises(BridgeError, match="BRIDGE_SIP_TRUNKS is malformed") as refused:
        settings.load(NodeSettings)
    assert f"{named} is no IP address" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("proxy.example", "'proxy.example' is no IP address and no network"),
        ("10.0.0.1,0.0.0.0/0", "everybody"),
    ],
)
def test_a_bad_proxy_is_named(monkeypatch: pytest.MonkeyPatch, given: str, why: str) -> None:
    monkeypatch.setenv("BRIDGE_TRUSTED_PROXIES", given)
    [complaint] = [each for each in settings.attempt(settings.DaemonSettings).complaints if "PROXIES" in each]
    assert complaint.startswith("BRIDGE_TRUSTED_PROXIES is malformed (")
    assert why in complaint


@pytest.mark.parametrize("given", ["20000-10000", "10000-70000", "80-90", "10000", "a-b"])
def test_ports_of_audio_are_a_range(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("BRIDGE_RTP_PORTS", given)
    with pytest.raises(BridgeError, match="BRIDGE_RTP_PORTS is malformed"):
        settings.load(NodeSettings)


@pytest.mark.parametrize("given", ["de", "XX", "Germany"])
def test_a_country_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    secrets = {
        "BRIDGE_DATABASE_URL": "postgresql://x",
        "BRIDGE_PASSCODE_KEY": "0" * 64,
        "BRIDGE_OPERATOR_KEY": "6vDqk3pYVb0Xc9m-2Jt_sWZgQhRfLuNe4yA1iKoT5dE",
    }
    for name, value in {**secrets, "BRIDGE_COUNTRY": given}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BridgeError, match="BRIDGE_COUNTRY is malformed"):
        settings.load(DaemonSettings)
    monkeypatch.setenv("BRIDGE_COUNTRY", "DE")
    assert settings.load(DaemonSettings).caller_numbers.canonical("030 123456") == "+4930123456"


@pytest.mark.parametrize("given", ["1e-3", "0", "1e-10", "NaN", "often"])
def test_odds_that_no_code_length_can_keep_are_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("BRIDGE_GUESS_ODDS", given)
    with pytest.raises(BridgeError, match=r"BRIDGE_GUESS_ODDS is malformed.*From 1e-9 to 1e-5"):
        settings.load(DatabaseSettings)


def test_the_odds_decide_how_long_codes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", "postgresql://x")
    for given, digits in {"0.00001": 7, "1e-7": 9, "1e-9": 11}.items():
        monkeypatch.setenv("BRIDGE_GUESS_ODDS", given)
        assert settings.load(DatabaseSettings).code_lengths.first == digits
