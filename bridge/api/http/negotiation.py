"""Chooses a response's media type by the Accept header (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence


def choose(accept: str | None, produced: Sequence[str]) -> str:
    """The media type of `produced` that the client likes best; the first where it likes none, or several equally.

    A client that accepts none of them gets the first all the same, as RFC 9110 allows: clients that send an Accept of
    no meaning are more frequent than clients that are helped by a 406.
    """
    if accept is None or len(produced) == 1:
        return produced[0]
    qualities = [_quality(accept, media_type) for media_type in produced]
    return produced[qualities.index(max(qualities))]


def _quality(accept: str, media_type: str) -> float:
    """The q of the most specific range that names the media type, 0 if none does."""
    kind = media_type.partition("/")[0]
    by_range = dict(_range(part) for part in accept.split(","))
    for name in (media_type, f"{kind}/*", "*/*"):
        if name in by_range:
            return by_range[name]
    return 0.0


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (each.strip().lower() for each in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return name, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return name, 0.0
