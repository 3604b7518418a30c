"""Trunks with names, by phone: who calls, what was dialled, by which trunk, and what is refused unanswered."""

from collections.abc import Iterator
from typing import Any

import pytest

from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import CallLog, Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.trunks.conftest import AddTrunk, is_loaded
from tests.e2e.watching import closed, journal, journaled, until

HERE = "127.0.0.21"
"""An address of this machine's own, which the unnamed trunk does not have."""
NATIONAL = {"number_form": "national", "country": "US"}


def caller(firm: Company, **about: Any) -> SipCaller:
    digits = Digits(firm.members[0].digits["guest"], 0.3)
    return SipCaller(about.pop("number", ACCESS_NUMBER), (digits,), **{"local": HERE, "stay": 1.5, **about})


def unadmitted(**about: Any) -> SipCaller:
    return SipCaller(about.pop("number", ACCESS_NUMBER), local=HERE, **{"stay": 5.0, "hangs_up": "far end", **about})


async def attempts(api: Rest, trunk: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in await api.all("/v1/admission-attempts") if each["trunk_id"] == trunk["id"]]


async def refused(sandbox: Sandbox, api: Rest, trunk: dict[str, Any], who: SipCaller) -> tuple[CallLog, dict[str, Any]]:
    """Place a call that is refused; its log, and the attempt that was kept of it."""
    before = len(await attempts(api, trunk))
    [log] = await calls.place([who], sandbox.sip_address)
    kept = await until(lambda: attempts(api, trunk), lambda found: len(found) > before)
    return log, kept[-1]


async def test_a_trunk_takes_calls_as_soon_as_it_is_added_and_every_row_bears_its_id(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk
) -> None:
    [stranger] = await calls.place([unadmitted(stay=3.0)], sandbox.sip_address)
    assert stranger.status in (None, 401)
    trunk = await add_trunk(addresses=[HERE])
    [log] = await calls.place([caller(firm, caller="493012345678")], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert (record["trunk_id"], record["caller"], record["access_number"]) == (
        trunk["id"],
        "+493012345678",
        ACCESS_NUMBER,
    )
    ended = await journaled(sandbox, "ENDED", log.call_id)
    assert (ended["num"], ended["dnid"]) == ("+493012345678", ACCESS_NUMBER)
    assert trunk["id"] in ended["channame"]
    assert [
        each["uniqueid"] for each in await api.all("/v1/minutes", caller="0049 30 12345678", account_id=firm.id)
    ] == [record["uniqueid"]]


async def test_numbers_of_a_country_are_understood_and_kept_in_one_form(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk
) -> None:
    await add_trunk(addresses=[HERE], **NATIONAL)
    sent = ["8005550100", "18005550100", "+18005550100", "01118005550100", "18005550100;rn=+14045550000;npdi"]
    who = [caller(firm, number=number, caller=f"212555010{place}") for place, number in enumerate(sent)]
    await calls.place(who, sandbox.sip_address)
    records = await closed(api, firm.id, len(who))
    assert {record["caller"] for record in records} == {f"+1212555010{place}" for place in range(len(sent))}
    assert {record["access_number"] for record in records} == {ACCESS_NUMBER}
    # The form is in the journal itself: minutes can be made from it alone, whatever the settings are by then.
    lines = [line for line in journal(sandbox) if line["num"].startswith("+1212555010")]
    assert {line["dnid"] for line in lines if line["eventtype"] == "BRIDGE_ENTER"} == {ACCESS_NUMBER}


@pytest.mark.parametrize(
    ("source", "about"),
    [
        ("to", {"to": "+18005550100"}),
        ("p_called_party_id", {"headers": ("P-Called-Party-ID: <sip:+18005550100@example.com;user=phone>",)}),
        ("diversion", {"headers": ("Diversion: <sip:+18005550100@example.com>;reason=unconditional",)}),
    ],
)
async def test_the_dialled_number_stands_where_the_trunk_says(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk, source: str, about: dict[str, Any]
) -> None:
    await add_trunk(addresses=[HERE], number_source=source)
    await calls.place([caller(firm, number="trunk-user-7", **about)], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert record["access_number"] == ACCESS_NUMBER


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("c8oqz84zk7z", ""),
        ("4f7c3c58-6a5b-4a0e-9d3c-0d2f5d5a6a11", ""),
        ("anonymous", ""),
        ("266696687", ""),
        ("+266696687", ""),
        ("7378742883", ""),
        ("4" * 40, ""),
        ("+4930123456;npdi", "+4930123456"),
        ("201", "201"),
        ("44%5C", "44"),
        ("30123456;phone-context=+49", "+4930123456"),
    ],
)
async def test_a_caller_is_who_the_number_says_or_nobody(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk, sent: str, kept: str
) -> None:
    await add_trunk(addresses=[HERE])
    await calls.place([caller(firm, caller=sent)], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert record["caller"] == kept


@pytest.mark.parametrize(
    ("trust", "private", "headers", "kept"),
    [
        (False, False, (), ""),
        (True, False, (), "+4930999999"),
        (True, False, ("Privacy: id",), ""),
        (True, False, ("Privacy: user;critical",), ""),
        (True, False, ("Privacy: none",), "+4930999999"),
        (True, True, ("Privacy: id",), "+4930999999"),
    ],
)
async def test_an_asserted_identity_counts_if_the_trunk_is_trusted(
    sandbox: Sandbox,
    api: Rest,
    firm: Company,
    add_trunk: AddTrunk,
    trust: bool,
    private: bool,
    headers: tuple[str, ...],
    kept: str,
) -> None:
    await add_trunk(addresses=[HERE], trust_identity=trust, record_private=private)
    asserted = ("P-Asserted-Identity: <sip:+4930999999@example.com>", *headers)
    await calls.place([caller(firm, caller="anonymous", headers=asserted)], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert record["caller"] == kept


# --- Refused unanswered -------------------------------------------------------------------------------------------
async def test_an_unknown_number_is_a_404_that_the_operator_can_find(
    sandbox: Sandbox, api: Rest, add_trunk: AddTrunk
) -> None:
    trunk = await add_trunk(addresses=[HERE])
    log, kept = await refused(sandbox, api, trunk, unadmitted(number="8005550100"))
    assert (log.status, log.answered_at) == (404, None)
    assert (kept["reason"], kept["access_number"]) == ("unknown_number", "8005550100")
    said = sandbox_doctor(sandbox, "--trunk", trunk["name"])
    assert "a call to itself got" in said
    assert (
        f"trunk {trunk['name']} sends 8005550100; the access number is {ACCESS_NUMBER}: "
        "set its form to national, country US" in said
    )


def sandbox_doctor(sandbox: Sandbox, *words: str) -> str:
    """What the doctor says, whatever it finds."""
    try:
        return sandbox.bridge("doctor", *words)
    except SandboxError as error:
        return str(error)


async def test_a_number_comes_only_by_its_own_trunks(sandbox: Sandbox, api: Rest, add_trunk: AddTrunk) -> None:
    trunk, other = await add_trunk(addresses=[HERE]), await add_trunk(addresses=["127.0.0.22"])
    number = await api.post("/v1/access-numbers", {"number": "18005559277", "trunk_ids": [other["id"]]})
    try:
        log, kept = await refused(sandbox, api, trunk, unadmitted(number="18005559277"))
        assert (log.status, kept["reason"]) == (404, "other_trunk")
        [log] = await calls.place([SipCaller("18005559277", local="127.0.0.22", stay=0.5)], sandbox.sip_address)
        assert log.status == 200
    finally:
        await api.delete(f"/v1/access-numbers/{number['id']}")


@pytest.mark.parametrize(("limit", "reason"), [("max_calls", "trunk_full"), ("max_dialogues", "too_many_dialogues")])
async def test_a_full_trunk_is_a_503_and_carriers_try_another_way(
    sandbox: Sandbox, api: Rest, add_trunk: AddTrunk, limit: str, reason: str
) -> None:
    trunk = await add_trunk(addresses=[HERE], **{limit: 1})
    async with calls.start(SipCaller(ACCESS_NUMBER, local=HERE, stay=60.0), sandbox.sip_address) as first:
        await first.answered()
        log, kept = await refused(sandbox, api, trunk, unadmitted())
        assert (log.status, kept["reason"]) == (503, reason)
        await first.hang_up()
    await journaled(sandbox, "ENDED", first.log.call_id)
    [log] = await calls.place([SipCaller(ACCESS_NUMBER, local=HERE, stay=0.5)], sandbox.sip_address)
    assert log.status == 200


@pytest.mark.parametrize(("networks", "taken"), [([f"{HERE}/32"], True), (["203.0.113.0/24"], False)])
async def test_audio_goes_only_to_the_trunks_media_networks(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk, networks: list[str], taken: bool
) -> None:
    trunk = await add_trunk(addresses=[HERE], media_networks=networks)
    if taken:
        await calls.place([caller(firm)], sandbox.sip_address)
        assert len(await closed(api, firm.id, 1)) == 1
    else:
        log, kept = await refused(sandbox, api, trunk, unadmitted())
        assert (kept["reason"], log.ended_by) == ("media_elsewhere", "far end")


@pytest.mark.parametrize("contact", ["", ";transport=tls"])
async def test_a_trunk_with_tls_takes_no_call_without_whatever_it_says(
    sandbox: Sandbox, add_trunk: AddTrunk, contact: str
) -> None:
    await add_trunk(addresses=[HERE], transport="tls")
    headers = (f"Contact: <sip:caller@{HERE}:5061{contact}>",) if contact else ()
    [log] = await calls.place([unadmitted(headers=headers)], sandbox.sip_address)
    assert log.status in (403, 400)


@pytest.mark.parametrize("name", ["trunk", "doctor", "a trunk's id", "anonymous"])
async def test_nobody_is_a_trunk_by_writing_its_name(sandbox: Sandbox, add_trunk: AddTrunk, name: str) -> None:
    trunk = await add_trunk(addresses=["127.0.0.24"])
    who = unadmitted(caller=trunk["id"] if name == "a trunk's id" else name, stay=3.0)
    [log] = await calls.place([who], sandbox.sip_address)
    assert log.status in (None, 401)
    assert log.answered_at is None


@pytest.fixture
def refusing(sandbox: Sandbox) -> Iterator[None]:
    """Asterisk refuses new calls while no daemon is connected."""
    usual = dict(sandbox.environment)
    sandbox.asterisk.render({**usual, "BRIDGE_WHEN_AWAY": "refuse"})
    sandbox.asterisk.cli("dialplan reload")
    try:
        yield
    finally:
        sandbox.asterisk.render(usual)
        sandbox.asterisk.cli("dialplan reload")
        sandbox.up()


async def test_without_a_daemon_calls_can_be_refused_for_another_way(sandbox: Sandbox, refusing: None) -> None:
    sandbox.kill("daemon")
    [log] = await calls.place([SipCaller(ACCESS_NUMBER, stay=5.0, hangs_up="far end")], sandbox.sip_address)
    assert (log.status, log.answered_at) == (503, None)
    ended = await journaled(sandbox, "ENDED", log.call_id)
    assert ended["appdata"].startswith("ENDED,:")


# --- Changes while calls are up -----------------------------------------------------------------------------------
async def test_calls_go_on_while_their_trunk_is_changed_and_deleted(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk
) -> None:
    trunk = await add_trunk(addresses=[HERE])
    async with calls.start(caller(firm, stay=60.0), sandbox.sip_address) as call:
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
        await api.patch(f"/v1/trunks/{trunk['id']}", {"codecs": ["alaw"], "addresses": [HERE, "127.0.0.23"]})
        await until(lambda: _identified(sandbox), lambda found: "127.0.0.23" in found)
        await api.delete(f"/v1/trunks/{trunk['id']}")
        await is_loaded(sandbox, trunk, wanted=False)
        assert not call.log.ended_at
        await call.hold()  # a request within the call still finds its way
        await call.hang_up()
    [record] = await closed(api, firm.id, 1)
    assert (record["trunk_id"], record["left_reason"]) == (trunk["id"], "hung_up")
    [log] = await calls.place([unadmitted(stay=3.0)], sandbox.sip_address)
    assert log.status in (None, 401)


async def _identified(sandbox: Sandbox) -> str:
    return sandbox.asterisk.cli("pjsip show identifies")


async def test_sip_info_is_heard_only_where_a_trunk_says_so(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk
) -> None:
    """Where it is not, keys that come by RFC 4733 and by SIP INFO too are heard once: a code is a code."""
    plain = await add_trunk(addresses=[HERE])
    await until(lambda: _modules(sandbox), lambda found: "0 modules" in found, seconds=70)
    first, *others = firm.members[0].digits["guest"]
    async with calls.start(SipCaller(ACCESS_NUMBER, local=HERE, stay=60.0), sandbox.sip_address) as call:
        await call.answered()
        await call.key(first)
        call.send_info(first)
        await call.key("".join(others))
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
        # Nothing answers that INFO, and the caller's SIPp sends nothing else meanwhile.
        sandbox.asterisk.cli("channel request hangup all")
        await call.finished()
    await closed(api, firm.id, 1)
    await api.patch(f"/v1/trunks/{plain['id']}", {"dtmf": "info"})
    await until(lambda: _modules(sandbox), lambda found: "1 modules" in found)
    await calls.place([caller(firm, dtmf="info", stay=3.0)], sandbox.sip_address)
    assert len(await closed(api, firm.id, 2)) == 2


async def _modules(sandbox: Sandbox) -> str:
    return sandbox.asterisk.cli("module show like dtmf_info")


# --- Registrations ------------------------------------------------------------------------------------------------
# Asterisk begins each registration after up to 10 s (max_random_initial_delay), and each examination takes seconds.
REGISTERED_S = 60.0


async def test_a_registration_is_told_whether_it_works_is_refused_or_has_no_answer(
    sandbox: Sandbox, api: Rest, add_trunk: AddTrunk
) -> None:
    """The bridge registers at itself: one trunk is the registrar's side, the other the subscriber's."""
    secret = "of-both-sides-the-same"
    registrar = await add_trunk(password=secret)
    # Over IPv6, where the unnamed trunk has no address: it would be taken for that one's.
    where = f"[::1]:{sandbox.sip_address.rpartition(':')[2]}"
    about = {"registrar": where, "username": registrar["id"], "transport": "tcp"}
    ours = await add_trunk(password=secret, **about)

    async def said() -> str:
        return sandbox_doctor(sandbox, "--trunk", ours["name"])

    await until(said, lambda found: f"registered at {where} as {registrar['id']}" in found, REGISTERED_S)
    await api.patch(f"/v1/trunks/{ours['id']}", {"password": "another-one-altogether"})
    await until(said, lambda found: "Rejected" in found and "refuses the user or the password" in found, REGISTERED_S)
    await api.patch(f"/v1/trunks/{ours['id']}", {"password": secret, "registrar": "[::1]:9"})
    # Asterisk calls it unregistered until it has tried, and rejected by the refused connection then.
    found = await until(said, lambda found: "at [::1]:9 as" in found and "version 3" in found, REGISTERED_S)
    assert "FAILED" in found
    assert "does not answer" in found
