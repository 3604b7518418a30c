"""The meaning of numbers that a trunk sends: who calls, and which number was dialled."""

import ipaddress
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bridge.domain import phone
from bridge.domain.provisioning.trunk import NumberForm, NumberSource

_URI: Final = re.compile(r"<([^<>]*)>[^<>]*$")
_DIALLED: Final = re.compile(r"\+?[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Numbering:
    """The way in which a trunk writes numbers.

    `country` (ISO 3166) is where national ones are from; empty: there are none. `prefix` is cut off what was dialled.
    `withheld` are numbers that stand for none.
    """

    form: NumberForm = NumberForm.E164
    country: str = ""
    prefix: str = ""
    withheld: Set[str] = phone.WITHHELD

    def caller(self, sent: str) -> str:
        """The caller's number in the form in which callers are compared; empty if it is withheld, or is none.

        It is E.164 with its +, or the bare digits of what is no possible number, such as an extension of a PBX.
        """
        return phone.caller(sent, self._country(phone.sent(sent, frozenset())), self.withheld)

    def dialled(self, sent: str) -> Iterator[str]:
        """The access numbers (digits only) that the dialled number may be, the likeliest first; none for no number.

        `sent` is the user part of a URI, or a whole header field of one. What follows a semicolon is not dialled.

        >>> list(Numbering(NumberForm.NATIONAL, "US").dialled("8005550100;rn=+14045550000;npdi"))
        ['18005550100', '8005550100']
        """
        bare = _number(sent)
        if self.prefix and bare.startswith(self.prefix):
            bare = bare[len(self.prefix) :]
        digits = bare.lstrip("+")
        if not digits:
            return
        if self.form is NumberForm.E164:
            yield digits  # the usual form: nothing has to be parsed
        canonical = phone.caller(bare, self._country(bare), frozenset()).lstrip("+")
        if canonical and canonical != digits:
            yield canonical
        if self.form is NumberForm.NATIONAL:
            yield digits

    def _country(self, bare: str) -> str:
        """The country of a number that does not name one itself.

        Carriers of E.164 may send national numbers too, which begin with a single 0, as no E.164 number does.
        """
        national = bare.startswith("0") and not bare.startswith("00")
        return self.country if self.form is NumberForm.NATIONAL or national else ""


@dataclass(frozen=True, slots=True)
class IncomingTrunk:
    """A trunk, as far as a node needs it when a call comes. `id` and `name` are empty for the unnamed trunk.

    `media_networks` are where its audio may go to; without any, anywhere. None is no limit.
    """

    id: str
    name: str
    numbering: Numbering
    source: NumberSource = NumberSource.REQUEST_URI
    media_networks: tuple[str, ...] = ()
    max_calls: int | None = None
    max_dialogues: int | None = None

    @property
    def uuid(self) -> UUID | None:
        """The trunk's id, None for the unnamed trunk."""
        return UUID(self.id) if self.id else None

    def takes_media(self, address: str) -> bool:
        """Return True if audio may go to this address; to none, it may not."""
        try:
            one = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(one in ipaddress.ip_network(each) for each in self.media_networks)


def digits(sent: str) -> str:
    """The digits of a dialled number as the trunk sent them, empty for what is no number.

    >>> digits("<sip:0018005550100@example.com>"), digits("alice7")
    ('0018005550100', '')
    """
    return _number(sent).lstrip("+")


def _number(sent: str) -> str:
    """The dialled number without separators, perhaps with a +; empty for what is none."""
    bare = phone.without_separators(of_header(sent))
    return bare if _DIALLED.fullmatch(bare) else ""


def of_header(text: str) -> str:
    """The user part of the URI in a header field such as To, or of a bare URI, or the text itself if it is neither.

    >>> of_header('"Sales" <sip:+18005550100@example.com;user=phone>;tag=1'), of_header("tel:+1-800-555-0100;ext=2")
    ('+18005550100', '+1-800-555-0100')
    """
    inner = _URI.search(text)
    uri = inner[1] if inner else text
    return phone.user_part(uri)
