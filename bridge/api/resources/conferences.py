"""/v1/conferences: the conferences that are going on, as Asterisk's manager interface (AMI) reports them."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Page, Time
from bridge.domain import notation
from bridge.domain.access.principal import Owner, Scope
from bridge.usecases.conference.ports import LiveConference


class LiveParticipantSchema(Answer):
    """A participant in a conference now."""

    uniqueid: str = Field(description="Unique id of the call on the switch.")
    caller: str = Field(description="Number of the caller, digits only; empty if it was withheld.")
    role: str = Field(description="Role of the participant: `host`, `guest` or `listener`.")
    joined_at: Time
    muted: bool
    talking: bool


class LiveConferenceSchema(Answer):
    """A conference that is going on now."""

    room_id: str = Field(description="Id of the room.")
    started_at: Time
    participants: list[LiveParticipantSchema]

    @classmethod
    def of(cls, conference: LiveConference) -> "LiveConferenceSchema":
        return cls.model_validate(conference, from_attributes=True)


class LiveConferencePage(Page[LiveConferenceSchema]):
    """One page of the conferences that are going on. Those of unknown nodes are missing."""

    unknown_nodes: list[str] = Field(
        description="Nodes that do not know their participants now: their conferences are missing. Usually empty."
    )


async def read_page(request: ApiRequest) -> BaseModel:
    view = request.services.rooms.view()
    own = [conference for conference in view.conferences if _is_theirs(request, conference)]
    page, cursor = paging.slice_of(own, request.query, lambda one: f"{notation.rfc3339(one.started_at)}|{one.room_id}")
    items = [LiveConferenceSchema.of(conference) for conference in page]
    return LiveConferencePage(items=items, next_cursor=cursor, unknown_nodes=list(view.unknown_nodes))


def _is_theirs(request: ApiRequest, room: LiveConference) -> bool:
    if request.principal.scope is Scope.OPERATOR:
        return True
    owner = request.services.freshness.owner(room.room_id)
    return owner is not None and request.principal.sees(Owner(UUID(owner.account_id), UUID(owner.sub_account_id)))


OPERATIONS: Final = (
    Operation(
        "list_conferences", "GET", "/v1/conferences", "List the conferences that are going on, in order of their start",
        read_page, LiveConferencePage, query=Paged, scope=Scope.SUB_ACCOUNT,
    ),
)  # fmt: skip
