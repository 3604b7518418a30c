"""A TCP connection between two parts that can be cut, or made silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Link:
    """Passes TCP connections on to the host:port `address`, in both directions, unless it is cut or silent."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._whole = True
        self._audible = asyncio.Event()
        self._audible.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Break all connections and every new one, until `mend`."""
        self._whole = False
        for writer in self._writers:
            writer.transport.abort()

    def silence(self) -> None:
        """Pass nothing on until `mend`; connections stay open, and new ones are accepted."""
        self._audible.clear()

    def mend(self) -> None:
        """Pass data on again, beginning with what was held back."""
        self._whole = True
        self._audible.set()

    async def close(self) -> None:
        """Break all connections, and wait for their tasks to end."""
        self.mend()
        self.cut()
        if self._serving:
            await asyncio.wait(self._serving, timeout=5.0)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection."""
        serving = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._address.rsplit(":", 1)
        self._writers.add(writer)
        try:
            if not self._whole:
                writer.transport.abort()
                return
            there, back = await asyncio.open_connection(host, int(port))
            self._writers.add(back)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pass_on(reader, back))
                    tasks.create_task(self._pass_on(there, writer))
            finally:
                self._writers.discard(back)
                back.transport.abort()
        except* OSError:
            # Nobody listens there, or one side closed: `finally` lets the other side notice.
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._audible.wait()
            target.write(data)
            await target.drain()
        raise ConnectionResetError("the other side has ended it")


@asynccontextmanager
async def open_link(port: int, address: str) -> AsyncIterator[Link]:
    """A link that listens on a port of loopback, for the length of a block."""
    link = Link(address)
    server = await asyncio.start_server(link.take, "127.0.0.1", port)
    try:
        yield link
    finally:
        server.close()
        await link.close()
