"""Recorded frames: where they lie, and which fields each kind of frame has."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

ARI: Final = Path(__file__).parent / "ari" / "frames"
AMI: Final = Path(__file__).parent / "ami" / "frames"

Fields = dict[str, frozenset[str]]
"""Kind of frame → its fields; those of an object within a frame by their path, such as `channel.id`."""


def ari_frames(name: str) -> list[dict[str, Any]]:
    """The frames of one recording, as Asterisk sent them over the event websocket."""
    return [json.loads(line) for line in (ARI / f"{name}.jsonl").read_text().splitlines()]


def ami_stream(name: str) -> bytes:
    """One connection's bytes, as Asterisk sent them."""
    return (AMI / f"{name}.txt").read_bytes()


def ari_fields(frames: Iterable[dict[str, Any]]) -> Fields:
    """The fields that every frame of a kind has. Frames that answer requests are left out."""
    fields: Fields = {}
    for frame in frames:
        kind = frame["type"]
        if kind != "RESTResponse":
            paths = frozenset(_paths(frame))
            fields[kind] = fields.get(kind, paths) & paths
    return fields


def ami_messages(stream: bytes) -> Iterator[dict[str, str]]:
    """The messages of a stream, without the greeting, header names in lower case."""
    for block in stream.decode("latin-1").partition("\r\n")[2].split("\r\n\r\n"):
        pairs = (line.partition(": ") for line in block.split("\r\n") if line)
        if message := {name.lower(): value for name, _, value in pairs}:
            yield message


def ami_fields(stream: bytes) -> Fields:
    """The headers that every event of a kind has."""
    fields: Fields = {}
    for message in ami_messages(stream):
        if kind := message.get("event"):
            fields[kind] = fields.get(kind, frozenset(message)) & frozenset(message)
    return fields


def _paths(value: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, inner in value.items():
        yield above + name
        if isinstance(inner, dict):
            yield from _paths(inner, f"{above}{name}.")
