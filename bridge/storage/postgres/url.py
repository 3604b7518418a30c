"""The URL of the database in libpq's form, and the parts of it that errors may show."""

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from bridge.domain.errors import Invalid

SETTING = "BRIDGE_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """A checked URL (`dsn`, for the driver) and its parts without the password (for messages)."""

    dsn: str
    host: str
    port: str
    user: str
    database: str

    @property
    def where(self) -> str:
        """The server as `host:port`, or as the path of its socket."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host.startswith("/") else f"{self.host}:{self.port}"


def parse(url: str) -> PostgresUrl:
    """Parse `postgresql://USER:PASSWORD@HOST:PORT/NAME`, with `?host=FOLDER` for a socket. Raises Invalid."""
    try:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        port = str(parts.port or query.get("port", 5432))
    except ValueError:
        raise Invalid(SETTING, "is no URL") from None
    if parts.scheme not in {"postgresql", "postgres"} or not port.isdigit():
        raise Invalid(SETTING, "has the form postgresql://USER:PASSWORD@HOST:PORT/NAME (?host=FOLDER for a socket)")
    user = unquote(parts.username or query.get("user", ""))
    database = unquote(parts.path.lstrip("/")) or query.get("dbname", user)
    return PostgresUrl(url, unquote(parts.hostname or query.get("host", "localhost")), port, user, database)
