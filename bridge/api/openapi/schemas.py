"""JSON schemas of requests and responses, under the names that generated clients use.

The rule for names: a schema is named as its class, without `Schema` at the end. Each class of a response has that
ending (`PasscodeSchema` shows a `Passcode` of the domain), and so has a body whose plain name another module uses.
`Page[PasscodeSchema]` is `PasscodePage`; `Made[PasscodeSchema]` is `CreatedPasscodes`. Enumerations come from the
domain, where a short name such as `State` is clear; ENUMS gives them the names and descriptions of the document.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import CoreModeRef, GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from bridge.api.http.listing import Made
from bridge.api.http.operations import Operation
from bridge.api.http.wire import Page
from bridge.domain.access.principal import Scope
from bridge.domain.admission.bucket import BucketKind
from bridge.domain.admission.refusal import Refusal
from bridge.domain.metering.records import Evidence, Reason
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Language, NumberKind, Space, State, SubAccountKind
from bridge.domain.provisioning.trunk import Codec, Dtmf, NumberForm, NumberSource, SessionTimers, Transport
from bridge.domain.webhooks.event import DeliveryState, EventKind, WebhookState

Json: TypeAlias = dict[str, Any]
SUFFIX: Final = "Schema"
REF: Final = "#/components/schemas/{model}"
LISTS: Final[Mapping[type[BaseModel], tuple[str, str]]] = {
    Page: ("{}Page", "One page of a list."),
    Made: ("Created{}s", "Everything that a bulk request created, in the order of the request."),
}
ENUMS: Final[Mapping[type[Enum], tuple[str, str]]] = {
    Scope: (
        "KeyScope",
        "How far an API key reaches: the whole installation (`operator`), one account (`account`) or one sub-account "
        "(`sub_account`).",
    ),
    State: (
        "AccountState",
        "State of an account or a sub-account. Callers are admitted only while it is `active`. `suspended` can be "
        "undone; `closed` is final.",
    ),
    SubAccountKind: (
        "SubAccountKind",
        "What a sub-account stands for. It changes no price.",
    ),
    Space: (
        "CodeSpace",
        "Numbers on which an account's passcodes work. `shared`: on shared access numbers and on its own. `own`: only "
        "on numbers dedicated to the account, where passcodes may be shorter.",
    ),
    NumberKind: ("AccessNumberKind", "How callers reach an access number."),
    Transport: ("SipTransport", "Protocol that carries SIP."),
    Codec: ("AudioCodec", "Way in which audio is coded on the wire."),
    Dtmf: (
        "DtmfMode",
        "Way in which keys arrive. `auto`: by RFC 4733 if the call's offer has it, else as tones in the audio. `info`: "
        "by SIP INFO (RFC 6086). `inband`: as tones in the audio.",
    ),
    NumberForm: (
        "NumberForm",
        "Form of the numbers that a trunk sends. `e164`: international, with or without + or 00. `national`: as "
        "dialled within the trunk's country; numbers with + are international all the same.",
    ),
    NumberSource: (
        "DialledNumberSource",
        "Part of an INVITE that says what was dialled: the request URI, or a header field.",
    ),
    SessionTimers: (
        "SessionTimerMode",
        "Session timers (RFC 4028). `off`: none. `on`: where the trunk has them too. `required`: calls without are "
        "refused.",
    ),
    Language: ("PromptLanguage", "Language of the prompts that callers hear, as a code of ISO 639-1."),
    Role: (
        "PasscodeRole",
        "Role of a caller in the room. A `host` controls the conference, a `guest` talks, a `listener` only hears.",
    ),
    Refusal: (
        "RefusalReason",
        "Reason why a caller was not let in. `wrong`: no passcode with these digits. `wrong_pin`: right passcode, "
        "wrong PIN. `abandoned`: a whole code was entered, and the caller hung up before it was checked. `suspended`, "
        "`closed`: the account, sub-account or room is. `not_yet_valid`, `expired`, `used_up`: limits of the passcode. "
        "`other_number`: the passcode does not work on the number dialled. `not_judged`: the entry had to wait for "
        "its turn, and the caller hung up or had waited for too long. `blocked`: in records of earlier versions alone. "
        "`room_full`, `sub_account_full`, `account_full`: a limit on callers is reached. `unknown_number`: the number "
        "dialled is no access number. `other_trunk`: it is dialled over other trunks. `trunk_full`, "
        "`too_many_dialogues`: too many calls at once. `node_full`: the node has no audio ports left but for "
        "known callers. `not_ready`: the node admits nobody just now. "
        "`media_elsewhere`: audio would go to none of the trunk's media networks.",
    ),
    BucketKind: (
        "BlockKind",
        "What wrong entries are counted by: a caller's number (`caller`), a trunk whose callers withhold their number "
        "(`trunk`), the PIN of a passcode (`passcode`), an access number, the known callers of a sub-account "
        "(`known`), or the whole installation.",
    ),
    Evidence: (
        "Evidence",
        "How the end of a stay is known. `measured`: the switch logged it. `estimated`: the switch did not; the stay "
        "may have lasted longer by up to `error_bound_us`.",
    ),
    Reason: (
        "LeftReason",
        "Reason why a stay ended. `left_room`: the participant left by a key. `media_lost`: no audio arrived any more. "
        "`switch_stopped`, `switch_lost`: the switch was stopped or failed. `disconnected`: the passcode, room, "
        "sub-account or account was revoked, closed or suspended. `dropped`: the call failed. `not_in_journal`: a "
        "correction, there was no such stay.",
    ),
    WebhookState: ("WebhookState", "A `paused` webhook receives nothing; its deliveries wait, and expire as usual."),
    DeliveryState: ("WebhookDeliveryState", "State of a delivery. A `failed` one is not tried again by itself."),
    EventKind: ("EventKind", "Event that is sent to a webhook. `ping` is sent only by the test operation."),
}


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of all operations.

    `references` has the schema of each body and response, by its model and pydantic's mode. `queries` has each
    parameter, by the model of the query and the name. `named` is everything that these refer to.
    """

    references: Mapping[Any, Json]
    queries: Mapping[type[BaseModel], Mapping[str, Json]]
    named: Json


def of(operations: Sequence[Operation]) -> Schemas:
    """Return the schemas of all operations."""
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "serialization") for model in _unique(operation.answer for operation in operations)),
        *((model, "validation") for model in _unique(operation.body for operation in operations)),
    ]
    references, bodies = models_json_schema(models, ref_template=REF, schema_generator=NamedSchemas)
    queries = {
        model: model.model_json_schema(ref_template=REF, schema_generator=NamedSchemas)
        for model in _unique(operation.query for operation in operations)
    }
    named = {name: schema for each in (bodies, *queries.values()) for name, schema in each.get("$defs", {}).items()}
    return Schemas(
        references,
        {model: _parameters(schema) for model, schema in queries.items()},
        {name: _tidy(name, schema) for name, schema in sorted(named.items())},
    )


class NamedSchemas(GenerateJsonSchema):
    """pydantic's generator, with the names of this module.

    Titles are left out: they repeat the names of schemas and fields. A field of a response is always there, so every
    one is required and none has a default.
    """

    def get_defs_ref(self, core_mode_ref: CoreModeRef) -> Any:
        reference, mode = core_mode_ref
        return super().get_defs_ref((_renamed(reference), mode))  # type: ignore[arg-type]

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if self.mode == "serialization":
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


_RENAMED: Final = {f"{one.__module__}.{one.__qualname__}": name for one, (name, _) in ENUMS.items()} | {
    f"{one.__module__}.{one.__qualname__}": name for one, (name, _) in LISTS.items()
}
_DESCRIBED: Final = dict(ENUMS.values())


def _renamed(reference: str) -> str:
    """Replace the class in a core reference, `module.Class:id` or `module.Class:id[module.Argument:id]`."""
    outer, *inner = re.findall(r"([\w.]+):(\d+)", reference)
    name = _RENAMED.get(outer[0], outer[0].rpartition(".")[2].removesuffix(SUFFIX))
    for argument, _ in inner:
        name = name.format(argument.rpartition(".")[2].removesuffix(SUFFIX))
    return f"{name}:{''.join(number for _, number in (outer, *inner))}"


def _unique(models: Iterable[type[BaseModel] | None]) -> list[type[BaseModel]]:
    return sorted({model for model in models if model is not None}, key=lambda model: model.__name__)


def _tidy(name: str, schema: Json) -> Json:
    """Drop the title, which repeats the name, and add the description."""
    tidied = {key: value for key, value in schema.items() if key != "title"}
    return {**tidied, "description": _DESCRIBED.get(name) or unwrapped(schema.get("description") or _list(name))}


def _list(name: str) -> str:
    """Return the description of a page or of a bulk response: pydantic gives it no docstring."""
    return next((about for pattern, about in LISTS.values() if re.fullmatch(pattern.format(r"\w+"), name)), "")


def _parameters(query: Json) -> dict[str, Json]:
    required = query.get("required", [])
    return {name: _parameter(name, schema, name in required) for name, schema in query.get("properties", {}).items()}


def _parameter(name: str, described: Json, required: bool) -> Json:
    # A parameter is left out rather than null: nobody writes null into a query.
    kinds = [kind for kind in described.get("anyOf", ()) if kind.get("type") != "null"]
    schema = {key: value for key, value in described.items() if key not in {"anyOf", "description"}}
    schema |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}
    if schema.get("default", "") is None:
        del schema["default"]
    about = {"description": described["description"]} if "description" in described else {}
    return {"name": name, "in": "query", **about, "required": required, "schema": schema}


def unwrapped(text: str) -> str:
    """Join the lines of each paragraph of a docstring."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip())
