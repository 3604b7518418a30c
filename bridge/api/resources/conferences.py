"""/v1/conferences: who is in which room now, as AMI tells it."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Page, Time, rfc3339
from bridge.domain.access.principal import Owner, Scope
from bridge.usecases.conference.ports import LiveConference


class LiveParticipantAnswer(Answer):
    uniqueid: str
    caller: str
    role: str
    joined_at: Time
    muted: bool
    talking: bool


class LiveConferenceAnswer(Answer):
    room_id: str
    started_at: Time
    participants: list[LiveParticipantAnswer]

    @classmethod
    def of(cls, conference: LiveConference) -> "LiveConferenceAnswer":
        return cls.model_validate(conference, from_attributes=True)


class LiveConferencePage(Page[LiveConferenceAnswer]):
    """One page of the conferences that are going on. Those of unknown nodes are missing."""

    unknown_nodes: list[str] = Field(description="nodes that cannot tell now who is in their rooms; usually empty")


async def read_page(request: ApiRequest) -> BaseModel:
    view = request.services.rooms.view()
    own = [conference for conference in view.conferences if _is_theirs(request, conference)]
    page, cursor = paging.slice_of(own, request.query, lambda one: f"{rfc3339(one.started_at)}|{one.room_id}")
    items = [LiveConferenceAnswer.of(conference) for conference in page]
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
