"""Changes over the wire: what a body leaves out stays as it is."""

from typing import Any

from pydantic import Field

from bridge.api.http.wire import Query, Request


class Change(Request):
    """The body of a PATCH."""

    def given(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


def kept(**about: Any) -> Any:
    """A field of a Change: optional, without a default that the document could tell."""
    return Field(default_factory=_nothing, **about)


def _nothing() -> None:
    return None


class Leaving(Query):
    """The query of what may shut callers out."""

    disconnect: bool = Field(False, description="hang up on those who are inside and would not be admitted any more")
