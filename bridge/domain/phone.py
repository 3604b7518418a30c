"""Telephone numbers as the bridge keeps them: one form for each, whoever wrote it.

A caller is compared in one form everywhere: E.164 with its +, or as sent if that is no possible number, such as the
extension of a PBX. The two never equal each other. What a caller who withholds the number sends is no number.
"""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, ValidationResult

from bridge.domain.errors import Invalid

_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_NO_DIGIT = re.compile(r"[^0-9]")
_HARMFUL = re.compile(r"[^0-9+]")

_SEPARATORS = re.compile(r"[ \u00a0().\-/]")
_DIALLABLE = re.compile(r"\+?[0-9]{1,20}")
_SCHEME = re.compile(r"(?i)(?:tel|sips?):")
_CONTEXT = re.compile(r"(?i);phone-context=(\+[0-9().\-]+)(?:[;@>]|$)")

MAX_DIGITS = 20
WITHHELD: Final = frozenset(
    {
        *("anonymous", "unavailable", "unknown", "restricted", "private", "withheld"),
        # "anonymous", and two spellings of "restricted", as they are keyed on a telephone.
        *("266696687", "7378742833", "7378742883"),
    }
)
"""What networks send in place of a number that the caller withholds. Operators may add to it."""


def caller(text: str, country: str = "", withheld: Set[str] = WITHHELD) -> str:
    """A caller's number in the one form in which callers are compared; empty if the caller withholds it.

    `text` is a number as it is written anywhere: with separators, national, with 00 or +, as the user part of a SIP URI
    or as a tel URI (RFC 3966, with `phone-context`; extensions and other parameters are dropped). `country` (ISO 3166)
    is where national numbers are from; without one, bare digits are international. Text with a letter is no number.

    >>> caller("030 123456", "DE"), caller("0049 30 123456"), caller("tel:+49-30-123456;ext=7")
    ('+4930123456', '+4930123456', '+4930123456')
    >>> caller("201", "DE"), caller("anonymous"), caller("c8oqz84zk7z")
    ('201', '', '')
    """
    bare = sent(text, withheld)
    if not bare.strip("+0"):
        return ""
    found = _possible(bare, country)
    return bare if found is None else phonenumbers.format_number(found, PhoneNumberFormat.E164)


def sent(text: str, withheld: Set[str] = WITHHELD) -> str:
    """A number as a trunk or a carrier's file has it, in `[0-9+]`, without what people put between the digits.

    Empty for the name of a device or an account, for what stands for a withheld number, and beyond 20 digits.

    >>> sent("tel:+49-30-123456;ext=7"), sent("c8oqz84zk7z"), sent("+266696687")
    ('+4930123456', '', '')
    """
    bare = _bare(text)
    return bare if _DIALLABLE.fullmatch(bare) and bare.lstrip("+") not in withheld else ""


def spellings(canonical: str, country: str = "") -> frozenset[str]:
    """All forms in which a number that `caller` returned may stand in records of before: with +, 00, 0, or bare."""
    found = _possible(canonical, country) if canonical.startswith("+") else None
    if found is None:
        return frozenset({canonical})
    forms = {canonical, canonical[1:], f"00{canonical[1:]}"}
    if country and phonenumbers.country_code_for_region(country.upper()) == found.country_code:
        national = phonenumbers.national_significant_number(found)
        forms |= {national, _dialled_within(found), _dialled_abroad(found, country)}
    return frozenset(forms)


@dataclass(frozen=True, slots=True)
class CallerNumbers:
    """The way in which callers' numbers are read on this installation.

    `country` (ISO 3166) is where national numbers are from; empty: there are none. `withheld` are numbers that networks
    send for callers who withhold theirs.
    """

    country: str = ""
    withheld: Set[str] = WITHHELD

    def canonical(self, text: str) -> str:
        """A caller's number as it is compared; empty if the caller withholds it, or if it is none."""
        return caller(text, self.country, self.withheld)

    def stored(self, canonical: str) -> frozenset[str]:
        """All forms in which a number that `canonical` returned may have been stored, by versions of before too."""
        forms = spellings(canonical, self.country)
        return forms | {form.lstrip("+") for form in forms}

    def searched(self, text: str) -> frozenset[str]:
        """All forms in which the records may have a caller whom somebody looks for, however the number is written.

        Empty text looks for callers who withhold their number. Raises Invalid for text that is no number.
        """
        if text.startswith(" "):
            raise Invalid("caller", "begins with a space: in a URL, write the + of an international number as %2B")
        canonical = caller(text, self.country, frozenset())
        if text and not canonical:
            said = f"give a telephone number of 1 to {MAX_DIGITS} digits, with an optional + before them"
            raise Invalid("caller", said)
        return spellings(canonical, self.country) | {_bare(text)}


EVERYWHERE: Final = CallerNumbers()
"""No number is national."""


def is_country(code: str) -> bool:
    """Return True for the ISO 3166 code of a country whose telephone numbers are known, in capitals."""
    return code in phonenumbers.SUPPORTED_REGIONS


def masked(number: str, digits: int = 3) -> str:
    """A number for documents that strangers may see: its last `digits` digits are hidden.

    >>> masked("+4930123456"), masked("+4930123456", 20), masked("")
    ('+4930123***', '+**********', '')
    """
    sign, bare = ("+", number[1:]) if number.startswith("+") else ("", number)
    hidden = min(digits, len(bare))
    return f"{sign}{bare[: len(bare) - hidden]}{'*' * hidden}"


def user_part(uri: str) -> str:
    """The number in a SIP or tel URI, or in bare writing, without parameters. A `phone-context` goes before it."""
    text = _SCHEME.sub("", uri.strip(" "), count=1)
    context = _CONTEXT.search(text)
    user = text.partition(";")[0].partition("@")[0]
    return f"{context[1]}{user}" if context and not user.startswith("+") else user


def with_context(number: str, header: str) -> str:
    """A number from a trunk with the `phone-context` that its header field gives it, if the field is of that number.

    >>> with_context("30123456", "<sip:30123456;phone-context=+49@example.com>;tag=1")
    '+4930123456'
    """
    uri = header.rpartition("<")[2]
    context = _CONTEXT.search(uri)
    user = _SCHEME.sub("", uri, count=1).partition(";")[0]
    return f"{context[1]}{number}" if context and user == number else number


def without_separators(text: str) -> str:
    """A number without the spaces, dots, brackets, dashes and slashes that people put between digits."""
    return _SEPARATORS.sub("", text)


def _bare(text: str) -> str:
    """The number in a URI or in writing, without separators and parameters."""
    return without_separators(user_part(text))


def _possible(bare: str, country: str) -> PhoneNumber | None:
    """The number that these digits are, None if no such number is possible."""
    if not country and not bare.startswith("+"):
        bare = f"+{bare.removeprefix('00')}"
    try:
        found = phonenumbers.parse(bare, country.upper() or None)
    except NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(found) == ValidationResult.IS_POSSIBLE
    return found if possible else None


def _dialled_within(found: PhoneNumber) -> str:
    """The number as it is dialled within its own country, with the national prefix if there is one."""
    return _NO_DIGIT.sub("", phonenumbers.format_number(found, PhoneNumberFormat.NATIONAL))


def _dialled_abroad(found: PhoneNumber, country: str) -> str:
    """The number with the prefix for international calls that a country uses, such as 011."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country.upper())
    prefix = (metadata and metadata.international_prefix) or ""
    number = f"{found.country_code}{phonenumbers.national_significant_number(found)}"
    return f"{prefix if prefix.isdecimal() else '00'}{number}"


def number(text: str, field: str = "number") -> str:
    """An access number as its owner writes it: spaces, dots, dashes and brackets are dropped, a leading + stays out.

    >>> number("+1 (800) 555-0100")
    '18005550100'

    Raises Invalid when anything but 1 to 20 digits is left.
    """
    bare = re.sub(r"[\s().\-]", "", text)
    if not _NUMBER.fullmatch(bare):
        raise Invalid(field, f"a telephone number has 1 to {MAX_DIGITS} digits, with an optional + before them")
    return bare.lstrip("+")


def dialled(text: str) -> str:
    """A called number from a trunk, made comparable with `number`: harmless characters only, no leading +."""
    return clean(text).lstrip("+")


def clean(text: str) -> str:
    """A number from a trunk, reduced to `[0-9+]{0,20}`: nothing else may reach the journal and the ledger.

    The dialplan does the same with FILTER() before anything else. This is for numbers that come by another way.
    """
    return _HARMFUL.sub("", text[:MAX_DIGITS])


def tail(text: str, digits: int) -> str:
    """The part of a number that everybody writes alike: its last `digits` digits, without +, 00 or a national 0.

    >>> tail("+49 30 123456", 8) == tail("0049 30 123456", 8) == tail("030 123456", 8)
    True

    Empty when there is no digit but zeros, as with a caller who withholds the number.
    """
    return _NO_DIGIT.sub("", text).lstrip("0")[-digits:]


def unlike(one: str, other: str, digits: int) -> bool:
    """Return True if both numbers are known and their tails differ."""
    if one == other:
        return False
    tails = {tail(one, digits), tail(other, digits)}
    return len(tails) == 2 and "" not in tails
