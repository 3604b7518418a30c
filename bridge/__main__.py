"""Entry point of `python -m bridge` and of the command `bridge`."""

import gc
import sys

from bridge.domain.errors import BridgeError


def main() -> None:
    """Run one command.

    `serve` imports the daemon alone, because callers wait while it starts after a restart. The modules of all other
    commands would make the start half as long again.
    """
    if sys.argv[1:] == ["serve"]:
        _serve()
    else:
        from bridge import cli, telemetry  # noqa: PLC0415

        telemetry.configure("warning")
        cli.main()


def _serve() -> None:
    # The imported modules are never garbage. Collections while they load would take a tenth of the start.
    gc.disable()
    from bridge import settings  # noqa: PLC0415
    from bridge.daemon import app  # noqa: PLC0415

    gc.enable()
    try:
        app.serve(settings.load(settings.DaemonSettings))
    except BridgeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
