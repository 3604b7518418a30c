"""PATCH bodies: a field that is left out stays as it is."""

from typing import Any, TypeVar

from pydantic import Field

from bridge.api.http.wire import Query, Request
from bridge.domain.provisioning import changes

Changes = TypeVar("Changes", bound=changes.Changes)


class Change(Request):
    """The body of a PATCH."""

    def to(self, kind: type[Changes]) -> Changes:
        """Return the fields that were sent, as the domain's change `kind`, whose fields have the same names."""
        return kind(**{name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set})


def kept(**about: Any) -> Any:
    """Return an optional field of a PATCH body.

    The OpenAPI document shows no default: a field that is left out stays as it is.
    """
    return Field(default_factory=_nothing, **about)


def _nothing() -> None:
    return None


class Leaving(Query):
    """The query of operations that may keep callers out."""

    disconnect: bool = Field(False, description="Hang up on participants who would not be let in any more.")
