"""The FastAGI server that `bench-admission` compares the product with: one indexed look-up in Postgres for each call.

It is a process of its own, on asyncio with a pool of asyncpg connections, as an operator would write it. Asterisk sends
the digits as the first argument of `AGI()`; the server sets the channel variable ROOM and ends the script.
"""

import argparse
import asyncio
import os

import asyncpg

POOL = 10
QUERY = "SELECT room FROM comparison.passcodes WHERE digits = $1"
DATABASE_URL = "BENCH_DATABASE_URL"
"""The environment variable with libpq's URL of the database."""


def argument(environment: bytes) -> str:
    """The first argument of `AGI()`, out of the lines that Asterisk sends at the start of a script."""
    lines = environment.decode("latin-1").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("agi_arg_1: ")), "")


async def serve(database_url: str, port: int) -> None:
    """Answer look-ups on a port of loopback. Never ends."""
    async with asyncpg.create_pool(database_url, min_size=POOL, max_size=POOL) as pool:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                digits = argument(await reader.readuntil(b"\n\n"))
                room = await pool.fetchval(QUERY, digits)
                writer.write(f'SET VARIABLE ROOM "{room or ""}"\n'.encode())
                # Asterisk's response; the script is over when the connection closes.
                await reader.readline()
            except (asyncio.IncompleteReadError, ConnectionError):
                # The caller hung up during the look-up.
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", port)
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="TCP port of loopback to listen on")
    chosen = parser.parse_args()
    asyncio.run(serve(os.environ[DATABASE_URL], chosen.port))


if __name__ == "__main__":
    main()
