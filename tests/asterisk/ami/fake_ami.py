"""AMI on the wire, faked, as Asterisk 22.10 speaks it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.asterisk.ami.client import AmiLogin


class FakeAmi:
    """AMI on the wire: logs in one user, answers what `answers` says, and sends `events` after the login."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.events: list[bytes] = []
        self.mute = False
        self.actions: list[dict[str, str]] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        while True:
            try:
                block = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            action = dict(line.split(": ", 1) for line in block.decode().strip().split("\r\n"))
            self.actions.append(action)
            writer.write(self._answer(action).encode())
            if action["Action"] == "Login":
                for event in self.events:
                    writer.write(event)

    def _answer(self, action: dict[str, str]) -> str:
        ids = f"ActionID: {action['ActionID']}\r\n"
        if action["Action"] == "Login":
            if action["Secret"] != "right":
                return f"Response: Error\r\n{ids}Message: Authentication failed\r\n\r\n"
            return f"Response: Success\r\n{ids}Message: Authentication accepted\r\n\r\n"
        if self.mute:
            return ""
        answer = self.answers.get(action["Action"], "Response: Success\r\nMessage: fine\r\n")
        return "".join(f"{part.strip()}\r\n{ids}\r\n" for part in answer.split("\r\n\r\n"))


@asynccontextmanager
async def running() -> AsyncIterator[tuple[FakeAmi, AmiLogin]]:
    fake = FakeAmi()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    try:
        yield fake, AmiLogin("127.0.0.1", server.sockets[0].getsockname()[1], "bridge", "right")
    finally:
        server.close()
        for writer in fake.writers:
            writer.close()
