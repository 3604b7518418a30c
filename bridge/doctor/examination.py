"""Checks side by side, each isolated: one that hangs or breaks says so itself, and holds up no other."""

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


class State(StrEnum):
    """How one thing was found."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was looked at: how it is, and how it is mended if it is not well."""

    check: str
    state: State
    what: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A few things that are looked at one after the other. What it raises is a failure, mended by `mend`."""

    name: str
    work: Callable[[], AsyncIterator[Result]]
    mend: str


def well(check: str, what: str) -> Result:
    """A thing that is as it should be."""
    return Result(check, State.OK, what)


def failed(check: str, what: str, mend: str) -> Result:
    """A thing that must be mended."""
    return Result(check, State.FAILED, what, mend)


def warned(check: str, what: str, mend: str) -> Result:
    """A thing that should be looked at."""
    return Result(check, State.WARNING, what, mend)


def found(check: str, finding: Finding) -> Result:
    """What the domain found."""
    return Result(check, State(finding.severity.value), finding.what, finding.mend)


def examine(checks: Sequence[Check]) -> list[Result]:
    """Carry out all checks at once; their results in the order of the checks, after CHECK_S at the latest."""
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
                results.append(result)  # those before a failure count
    except TimeoutError:
        results.append(failed(check.name, f"no answer within {CHECK_S:g} s", check.mend))
    except BridgeError as error:
        results.append(failed(check.name, str(error), check.mend))
    except Exception as error:  # the other checks go on; its text may hold a secret
        results.append(failed(check.name, f"could not be looked at ({type(error).__name__})", check.mend))
    return results


class _Aside(ThreadPoolExecutor):
    """Threads that nobody waits for: a disk or a name server that hangs must not keep the command from its end."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # it is raised where the result is waited for
                    future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future
