"""`python -m bridge`, and the command `bridge`."""

import gc
import sys

from bridge.domain.errors import BridgeError


def main() -> None:
    """Run one command. After a restart callers wait for `serve`, so it loads the daemon and nothing else: what the
    other commands are made of would be half as much again."""
    if sys.argv[1:] == ["serve"]:
        _serve()
    else:
        from bridge import cli, telemetry  # noqa: PLC0415

        telemetry.configure("warning")
        cli.main()


def _serve() -> None:
    # What is loaded now stays: looking through it for garbage again and again would be a tenth of the start.
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
