"""A real Asterisk with a dialplan made for these tests: it writes down what it hears and when."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.sandbox import asterisk_tree, node
from bridge.sandbox.host import ports
from bridge.sandbox.node import Node

MODULES = """
res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_rtp_asterisk codec_ulaw codec_resample
format_pcm format_wav format_gsm codec_gsm res_pjproject res_pjsip res_pjsip_session res_pjsip_pubsub res_pjsip_sdp_rtp
res_pjsip_caller_id res_pjsip_dtmf_info res_pjsip_endpoint_identifier_ip chan_pjsip bridge_softmix app_confbridge
pbx_config app_read app_verbose func_callerid func_channel func_strings
"""

# 1000: keys heard, then a conference, quiet since a sound at leaving would delay the end.
# 2000: the far end hangs up. 3000: busy. 4000: rings for ever.
DIALPLAN = """
[calls]
exten => 1000,1,Answer()
 same => n,Verbose(0,ANSWERED ${CHANNEL(pjsip,call-id)})
 same => n,Read(KEYS,,6,,1,15)
 same => n,Verbose(0,HEARD ${CALLERID(num)} [${KEYS}])
 same => n,Set(CONFBRIDGE(user,quiet)=yes)
 same => n,ConfBridge(room${CALLERID(num)})
exten => 2000,1,Answer()
 same => n,Verbose(0,ANSWERED ${CHANNEL(pjsip,call-id)})
 same => n,Wait(0.7)
 same => n,Hangup(16)
exten => 3000,1,Hangup(17)
exten => 4000,1,Ringing()
 same => n,Wait(60)
exten => h,1,Verbose(0,ENDED ${CHANNEL(pjsip,call-id)})
"""


@dataclass(frozen=True, slots=True)
class TestNode:
    """A running node, its SIP address, and its log of what was heard."""

    __test__ = False
    node: Node
    sip: str

    @property
    def log(self) -> list[tuple[float, str]]:
        """Verbose lines as (seconds since 1970, text)."""
        lines = (self.node.folder / "log/heard").read_text().splitlines()
        return [(float(line[1:18]), line.split("app_verbose.c: ")[1]) for line in lines if "app_verbose.c: " in line]


def configure(here: Node, first_port: int) -> str:
    """Write a configuration for the ports from `first_port` on; the SIP address."""
    home, sip = here.home, f"127.0.0.1:{first_port}"
    folders = {
        **{f"ast{name}dir": home / name for name in ("etc", "varlib", "db", "spool", "run", "log", "sbin")},
        "astkeydir": home / "keys",
        "astagidir": home / "agi",
        "astdatadir": here.data,
        "astmoddir": here.tree.modules,
    }
    files = {
        "asterisk": "[directories]\n" + "".join(f"{name} => {path}\n" for name, path in folders.items()),
        "modules": "[modules]\nautoload=no\n" + "".join(f"require={name}.so\n" for name in MODULES.split()),
        "logger": "[general]\ndateformat=%s.%6q\n[logfiles]\nheard=verbose\nmessages=notice,warning,error\n",
        "rtp": f"[general]\nrtpstart={first_port + 10}\nrtpend={first_port + 199}\n",
        "extensions": DIALPLAN,
        "pjsip": f"""
[udp]
type=transport
protocol=udp
bind={sip}
[trunk]
type=endpoint
context=calls
disallow=all
allow=ulaw
dtmf_mode=auto
direct_media=no
[trunk]
type=identify
endpoint=trunk
match=127.0.0.1
""",
    }
    files |= {name: "[general]\n" for name in ("cdr", "cel", "manager", "http", "confbridge")}
    for name, text in files.items():
        (here.etc / f"{name}.conf").write_text(text)
    return sip


@pytest.fixture(scope="session")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """One real Asterisk for all tests here, in a folder whose path is too long for a socket."""
    folder: Path = tmp_path_factory.mktemp("node-whose-path-is-far-too-long-for-a-unix-socket-of-107-bytes-and-more")
    here = node.at(folder / "node", asterisk_tree.get(print))
    with ports.claim(200) as claim:
        sip = configure(here, claim.first)
        try:
            here.start([claim.descriptor])
            yield TestNode(here, sip)
        finally:
            here.remove()
