"""The text at the head of the document: all that a programmer needs before the first request."""

from typing import Final

SUMMARY: Final = "Provision a conference bridge, read its minutes, and bill them."
DESCRIPTION: Final = """\
With this API a program creates accounts, sub-accounts, rooms and passcodes, watches conferences, and reads minute
records and bills. One request, `POST /v1/accounts/{account_id}/sub-accounts` with a `user_id` and a `name`, returns a
working room with a host passcode and a guest passcode.

## Authentication

Send an API key in each request: `Authorization: Bearer KEY`. A key has one of three scopes: `operator` (the whole
installation), `account` (one account and everything in it) or `sub_account` (one sub-account). Each operation says
which scope it requires; with a narrower one the response is 403. Whatever belongs to another account or sub-account is
404, as if it did not exist. A read-only key can call only GET operations. A wrong key is answered with 401, and after
20 wrong ones from one address with 429, until that address has been quiet. A valid key is always accepted.

## Errors

Every error is a JSON problem document (RFC 9457) of type `application/problem+json`. `detail` says what is wrong.
`errors` names each invalid field by a JSON pointer into the body, such as `/items/3/name`, or by the name of a query
parameter. After a 429 or 503, wait as many seconds as `Retry-After` says, and send the request again. A change that
ends in an error has changed nothing.

## Lists

A list comes in pages: `{"items": [...], "next_cursor": "..."}`. To read the next page, send `next_cursor` as the query
parameter `cursor`, with the other parameters unchanged. `next_cursor` is null on the last page. `limit` sets the size
of a page.

## Retries

Send a header `Idempotency-Key`, such as a new UUID, with a POST. If no response arrives, send the same request with the
same key: the request is carried out once, and each repetition within 24 hours gets the first response, with the header
`Idempotency-Replayed: true`. The same key with another request is answered with 422.

## Concurrent changes

Resources with a field `version` have it as `ETag` in the response header. Send that ETag as `If-Match` when you change
or delete the resource: if somebody else has changed it meanwhile, the request fails with 412 and changes nothing. In a
PATCH, a field that is left out keeps its value.

## Values

Ids are UUIDs. Times are RFC 3339, in responses always in UTC with microseconds, such as `2026-11-01T09:30:00.000000Z`.
Durations whose name ends in `_us` are whole microseconds. Amounts of money are strings of decimal digits, such as
`"0.049"`, in the account's currency. New fields may be added to responses: ignore those that you do not know.\
"""
