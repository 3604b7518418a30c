"""Runs all checks at once, each isolated: a check that hangs or breaks is reported, and delays no other."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from bridge.domain.errors import BridgeError
from bridge.domain.metering.meter_health import Finding

CHECK_S: Final = 5.0


class CheckState(StrEnum):
    """The state of one thing that was checked."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """The result for one thing: its state, what was seen, and how to mend it if it is not well."""

    check: str
    state: CheckState
    what: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a few related things, one after the other. If it raises, that is a failure that `mend` mends."""

    name: str
    work: Callable[[], AsyncIterator[Result]]
    mend: str


def well(check: str, what: str) -> Result:
    """Return the result for a thing that is as it should be."""
    return Result(check, CheckState.OK, what)


def failed(check: str, what: str, mend: str) -> Result:
    """Return the result for a thing that must be mended."""
    return Result(check, CheckState.FAILED, what, mend)


def warned(check: str, what: str, mend: str) -> Result:
    """Return the result for a thing that a person should look at."""
    return Result(check, CheckState.WARNING, what, mend)


def found(check: str, finding: Finding) -> Result:
    """Return a finding of the domain as a result."""
    return Result(check, CheckState(finding.severity.value), finding.what, finding.mend)


def examine(checks: Sequence[Check]) -> list[Result]:
    """Run all checks at once, for at most CHECK_S seconds, and return their results in the order of the checks."""
    return asyncio.run(_examine(checks))


async def _examine(checks: Sequence[Check]) -> list[Result]:
    asyncio.get_running_loop().set_default_executor(_Aside())
    async with asyncio.TaskGroup() as tasks:
        carried_out = [tasks.create_task(_carry_out(check), name=check.name) for check in checks]
    return [result for task in carried_out for result in task.result()]


async def _carry_out(check: Check) -> list[Result]:
    results: list[Result] = []
    try:
        async with asyncio.timeout(CHECK_S):
            async for result in check.work():
                results.append(result)  # results before a failure count
    except TimeoutError:
        results.append(failed(check.name, f"no answer within {CHECK_S:g} s", check.mend))
    except BridgeError as error:
        results.append(failed(check.name, str(error), check.mend))
    except Exception as error:  # the other checks go on; the text of the error may hold a secret
        results.append(failed(check.name, f"could not be checked ({type(error).__name__})", check.mend))
    return results


class _Aside(ThreadPoolExecutor):
    """Threads that nothing waits for: a disk or a name server that hangs must not delay the end of the command."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # raised again where the result is awaited
                    future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future
