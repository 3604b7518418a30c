"""Claims ranges of ports that no other sandbox of this user claims, and that nobody uses.

A claim of the ports FIRST to LAST is a lock on the bytes FIRST to LAST of one shared file. The kernel drops the lock
when the last process that inherited its descriptor ends, so no claim outlives its sandbox.
"""

import fcntl
import itertools
import os
import random
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bridge.host import private_files
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import user_folder
from bridge.sandbox.host.sockets import HAS_IPV6

# Above the ports of most services, and below those that Linux picks for outgoing connections (from 32768 on).
LOWEST, HIGHEST = 10_000, 32_000
LOCKS = "ports.lock"
"""Name of the shared file, in the user's folder."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of `count` ports from `first` (even) on, for UDP and TCP.

    It holds until every process that inherited `descriptor` has released it or ended.
    """

    first: int
    count: int
    descriptor: int

    def release(self) -> None:
        """Close this process's descriptor of the claim."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def claim(count: int, first: int | None = None) -> Claim:
    """Claim `count` consecutive free ports: those from `first` on if they are free, else others.

    Raises SandboxError if no such range is left.
    """
    preferred = [] if first is None else [first]
    anywhere = list(range(LOWEST, HIGHEST - count, 10))
    start = random.randrange(len(anywhere)) if anywhere else 0  # noqa: S311 -- guards nothing
    for candidate in (*preferred, *anywhere[start:], *anywhere[:start]):
        descriptor = _lock(candidate, count)
        if descriptor is not None:
            if all(_free(port) for port in range(candidate, candidate + count)):
                return Claim(candidate, count, descriptor)
            os.close(descriptor)
    raise SandboxError(
        f"No {count} free ports in a row between {LOWEST} and {HIGHEST}. "
        "Stop other sandboxes (`bridge sandbox down` in their folders) and try again."
    )


def hold(first: int, count: int) -> Claim | None:
    """Claim ports that this sandbox's own processes use. Return None if those processes still hold the claim."""
    descriptor = _lock(first, count)
    return None if descriptor is None else Claim(first, count, descriptor)


def _lock(first: int, count: int) -> int | None:
    descriptor = private_files.lock_descriptor(user_folder.made() / LOCKS)
    # struct flock: type, whence, start, length, pid. Locks of an open file description require pid 0.
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, first, count, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _free(port: int) -> bool:
    families = (socket.AF_INET, socket.AF_INET6) if HAS_IPV6 else (socket.AF_INET,)
    for family, kind in itertools.product(families, (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True
