"""/v1/trunks: the SIP trunks that calls come over."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import listing
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.patch import Change, kept
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Name, Page, Request, Text, Time
from bridge.domain.provisioning.changes import TrunkChanges, TrunkFields
from bridge.domain.provisioning.trunk import (
    CALLS_MAX,
    Codec,
    Dtmf,
    NumberForm,
    NumberSource,
    SessionTimers,
    Transport,
    Trunk,
)
from bridge.usecases.provisioning import keep_trunks

Addresses = Annotated[
    list[Text],
    Field(
        description="IP addresses and networks that calls come from, all of one IP version.",
        examples=[["192.0.2.7", "198.51.100.0/24"]],
    ),
]
Registrar = Annotated[
    Text, Field(description="Host, or host:port, that the bridge registers at. Empty: it does not register.")
]
Username = Annotated[Text, Field(description="User of the registration at the registrar.")]
Password = Annotated[
    Text,
    Field(
        description="Password of the registration. Without `addresses` and `registrar`, the one to log in with, with "
        "the trunk's id as the user. It is sealed, and never shown."
    ),
]
Carried = Annotated[Transport, Field(description="Protocol of SIP. With `tls`, calls without TLS are refused.")]
Srtp = Annotated[bool, Field(description="Refuse calls whose audio is not encrypted (SDES). It needs `tls`.")]
Codecs = Annotated[list[Codec], Field(description="Codecs that are accepted, the preferred one first.")]
Keys = Annotated[Dtmf, Field(description="How keys arrive.")]
Form = Annotated[NumberForm, Field(description="Form in which the trunk sends numbers.")]
Prefix = Annotated[Text, Field(description="What the trunk puts before each dialled number; it is cut off.")]
Country = Annotated[
    Text,
    Field(description="Country that national numbers are from, as ISO 3166. Empty: `BRIDGE_COUNTRY`.", examples=["US"]),
]
Source = Annotated[NumberSource, Field(description="Part of an INVITE that says what was dialled.")]
Trusts = Annotated[
    bool, Field(description="Take the caller's number from P-Asserted-Identity (RFC 3325), if it is there.")
]
Private = Annotated[bool, Field(description="Keep the asserted number of callers who ask for privacy too.")]
Media = Annotated[
    list[Text],
    Field(description="Networks of the trunk's audio. Calls whose audio would go elsewhere are refused. Empty: any."),
]
Symmetric = Annotated[
    bool, Field(description="Send audio to where the trunk's audio comes from, whatever its SDP says.")
]
Timers = Annotated[SessionTimers, Field(description="Session timers (RFC 4028), which end calls whose end was lost.")]
Reliable = Annotated[bool, Field(description="Acknowledge provisional responses (100rel, RFC 3262), if the trunk can.")]
Public = Annotated[
    Text, Field(description="Address that audio is sent to, if the bridge is behind NAT. Empty: the bridge's own.")
]
Most = Annotated[int | None, Field(ge=1, le=CALLS_MAX, description="Most calls at a time. Null: no limit.")]
MostDialogues = Annotated[
    int | None,
    Field(ge=1, le=CALLS_MAX, description="Most calls at a time that have not been admitted yet. Null: no limit."),
]


class NewTrunk(Request):
    """A SIP trunk to add. It takes calls at once, without a restart."""

    name: Name = Field(examples=["Telnyx Frankfurt"])
    addresses: Addresses = Field(default=[])
    registrar: Registrar = ""
    username: Username = ""
    password: Password = ""
    transport: Carried = Transport.UDP
    srtp: Srtp = False
    codecs: Codecs = Field(default=[Codec.ULAW, Codec.ALAW])
    dtmf: Keys = Dtmf.AUTO
    number_form: Form = NumberForm.E164
    prefix: Prefix = ""
    country: Country = ""
    number_source: Source = NumberSource.REQUEST_URI
    trust_identity: Trusts = False
    record_private: Private = False
    media_networks: Media = Field(default=[])
    rtp_symmetric: Symmetric = True
    session_timers: Timers = SessionTimers.ON
    reliable_provisional: Reliable = False
    public_address: Public = ""
    max_calls: Most = None
    max_dialogues: MostDialogues = None


class TrunkChange(Change):
    """A change of a trunk. Calls that are up stay as they are. An empty `password` deletes it."""

    name: Name = kept()
    addresses: Addresses = kept()
    registrar: Registrar = kept()
    username: Username = kept()
    password: Password = kept()
    transport: Carried = kept()
    srtp: Srtp = kept()
    codecs: Codecs = kept()
    dtmf: Keys = kept()
    number_form: Form = kept()
    prefix: Prefix = kept()
    country: Country = kept()
    number_source: Source = kept()
    trust_identity: Trusts = kept()
    record_private: Private = kept()
    media_networks: Media = kept()
    rtp_symmetric: Symmetric = kept()
    session_timers: Timers = kept()
    reliable_provisional: Reliable = kept()
    public_address: Public = kept()
    max_calls: Most = kept()
    max_dialogues: MostDialogues = kept()


class TrunkSchema(Answer):
    """A SIP trunk: who may deliver calls, over which way, and how numbers are written there."""

    id: UUID
    name: str
    created_at: Time
    addresses: Addresses
    registrar: Registrar
    username: Username
    has_password: bool = Field(description="True if a password is kept.")
    transport: Carried
    srtp: Srtp
    codecs: Codecs
    dtmf: Keys
    number_form: Form
    prefix: Prefix
    country: Country
    number_source: Source
    trust_identity: Trusts
    record_private: Private
    media_networks: Media
    rtp_symmetric: Symmetric
    session_timers: Timers
    reliable_provisional: Reliable
    public_address: Public
    max_calls: Most
    max_dialogues: MostDialogues
    version: int = Field(description="Number of the version, from 1. The ETag is this number in double quotes.")

    @classmethod
    def of(cls, trunk: Trunk) -> "TrunkSchema":
        return cls.model_validate(trunk, from_attributes=True)


async def create(request: ApiRequest) -> BaseModel:
    fields = TrunkFields(**dict(request.body))
    return TrunkSchema.of(await keep_trunks.add_trunk(request.services.tenants, request.services.keys, fields))


async def read_page(request: ApiRequest) -> BaseModel:
    return await listing.page(request, TrunkSchema, TrunkSchema.of, request.services.tenants.trunks)


async def read(request: ApiRequest) -> BaseModel:
    return TrunkSchema.of(await request.services.tenants.trunk(request.ids["trunk_id"]))


async def change(request: ApiRequest) -> BaseModel:
    services, changes = request.services, request.body.to(TrunkChanges)
    trunk_id = request.ids["trunk_id"]
    return TrunkSchema.of(
        await keep_trunks.change_trunk(services.tenants, services.keys, trunk_id, changes, request.expected)
    )


async def remove(request: ApiRequest) -> None:
    await request.services.tenants.remove_trunk(request.ids["trunk_id"], request.expected)


OPERATIONS: Final = (
    Operation(
        "create_trunk", "POST", "/v1/trunks", "Add a SIP trunk", create,
        TrunkSchema, 201, body=NewTrunk, refusals=(409,),
    ),
    Operation(
        "list_trunks", "GET", "/v1/trunks", "List SIP trunks", read_page,
        Page[TrunkSchema], query=Paged,
    ),
    Operation(
        "get_trunk", "GET", "/v1/trunks/{trunk_id}", "Read a SIP trunk", read,
        TrunkSchema, versioned=True,
    ),
    Operation(
        "change_trunk", "PATCH", "/v1/trunks/{trunk_id}", "Change a SIP trunk; calls that are up stay up", change,
        TrunkSchema, body=TrunkChange, refusals=(409,), versioned=True,
    ),
    Operation(
        "delete_trunk", "DELETE", "/v1/trunks/{trunk_id}",
        "Delete a SIP trunk; calls that are up stay up, new ones are refused", remove,
        None, 204, refusals=(409,), versioned=True,
    ),
)  # fmt: skip
