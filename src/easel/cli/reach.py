"""Where a server on this machine would be reached, and what stands in the way.

Two halves, as in gpu.py: `reach_facts` asks the machine; `judge_reach` turns facts into advice without asking anything.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from pathlib import Path

from easel.cli.findings import Finding
from easel.cli.gpu import in_container, read

LOCAL = "127.0.0.1"
PATIENCE = 1.0  # seconds for whoever holds the port to say who they are


@dataclass(frozen=True, slots=True)
class ReachFacts:
    """What is known of the way to a server. free: whether the port can be had; holder: who has it, "" where unknown.

    addresses: of this machine, as others may reach them. firewall: the name of one that is on, "" where none was seen.
    ssh: user, address and port by which this terminal came, None where it is the machine's own.
    """

    port: int
    free: bool = True
    holder: str = ""
    addresses: tuple[str, ...] = ()
    firewall: str = ""
    ssh: tuple[str, str, int] | None = None
    container: bool = False


def reach_facts(port: int, root: Path = Path("/")) -> ReachFacts:
    """Ask the machine."""
    free = can_be_had(port)
    return ReachFacts(
        port=port,
        free=free,
        holder="" if free else holder_of(port),
        addresses=own_addresses(),
        firewall=firewall(root),
        ssh=came_by(os.environ.get("SSH_CONNECTION", ""), os.environ.get("USER", "")),
        container=in_container(root),
    )


def judge_reach(facts: ReachFacts) -> Finding:
    """Return the finding: where a server would be reached, and how from elsewhere."""
    here = f"http://{LOCAL}:{facts.port}"
    if not facts.free and facts.holder == "Easel":
        return Finding("server", "ok", f"Easel serves at {here}", ways_in(facts))
    if not facts.free:
        by = f" by {facts.holder}" if facts.holder else ""
        another = f"`easel serve --port {facts.port + 1}` takes another port, or end that program."
        return Finding("server", "hint", f"port {facts.port} is in use{by}", (another,))
    return Finding("server", "ok", f"`easel serve` would be at {here}, for this machine alone", ways_in(facts))


def ways_in(facts: ReachFacts) -> tuple[str, ...]:
    """Return how to come in from elsewhere: through ssh, and with --listen what must let others pass."""
    return (*tunnel(facts), *listening(facts))


def tunnel(facts: ReachFacts) -> tuple[str, ...]:
    """Return the tunnel for who came by ssh."""
    if facts.ssh is None:
        return ()
    user, address, port = facts.ssh
    known = not ip_address(address).is_private  # behind a cloud's address translation nobody outside knows it
    host = f"{user or 'USER'}@{address if known else 'HOST'}"
    door = f" -p {port if known else 'PORT'}" if port != 22 or not known else ""
    told = "" if known else ", with HOST and PORT as you came here"
    return (
        f"From your own computer{told}; then open http://{LOCAL}:{facts.port} there:",
        f"$ ssh -L {facts.port}:{LOCAL}:{facts.port}{door} {host}",
    )


def listening(facts: ReachFacts) -> tuple[str, ...]:
    """Return what `--listen` would mean here."""
    lines: list[str] = []
    if facts.addresses:
        there = ", ".join(f"http://{shown(address)}:{facts.port}" for address in facts.addresses)
        lines.append(f"With --listen and names (`easel users add`): {there}")
    if facts.firewall == "ufw":
        lines.append(f"The firewall ufw is on; for --listen: `sudo ufw allow {facts.port}/tcp`.")
    if facts.firewall == "firewalld":
        lines.append(f"firewalld is on; for --listen: `sudo firewall-cmd --add-port={facts.port}/tcp`.")
    if facts.container:
        lines.append(f"In a container the port must be published too: `docker run -p {facts.port}:{facts.port} ...`.")
    elif facts.ssh is not None and facts.addresses:
        lines.append(f"A cloud's own firewall must let TCP {facts.port} in too; nothing here can tell whether it does.")
    return tuple(lines)


def shown(address: str) -> str:
    """Return an address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def can_be_had(port: int) -> bool:
    """Return whether a server could listen at this port of this machine."""
    try:
        socket.create_server((LOCAL, port)).close()
    except OSError:
        return False
    return True


def holder_of(port: int) -> str:
    """Return who listens at a port of this machine: "Easel", a program with its process, or "" where nobody tells."""
    with suppress(OSError, HTTPException):
        asked = HTTPConnection(LOCAL, port, timeout=PATIENCE)
        try:
            asked.request("GET", "/v1/healthz")
            if asked.getresponse().read(100).replace(b" ", b"") == b'{"status":"ok"}':
                return "Easel"
        finally:
            asked.close()
    import psutil

    with suppress(psutil.Error, OSError):
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr[1] == port and one.pid:
                return f"{psutil.Process(one.pid).name()} (process {one.pid})"
    return ""


def own_addresses() -> tuple[str, ...]:
    """Return the addresses of this machine that others may reach; those of containers' bridges are left out."""
    import psutil

    found: list[str] = []
    up = {name for name, facts in psutil.net_if_stats().items() if facts.isup}
    for name, addresses in psutil.net_if_addrs().items():
        if name not in up or name.startswith(("docker", "br-", "veth", "virbr")):
            continue
        for one in addresses:
            if one.family == socket.AF_INET and not ip_address(one.address).is_loopback:
                found.append(one.address)
    return tuple(found)


def firewall(root: Path) -> str:
    """Return the name of a firewall that is on, "" where none is seen."""
    if "ENABLED=yes" in read(root / "etc/ufw/ufw.conf").splitlines():
        return "ufw"
    return "firewalld" if (root / "sys/fs/cgroup/system.slice/firewalld.service").exists() else ""


def came_by(connection: str, user: str) -> tuple[str, str, int] | None:
    """Return user, address and port of a machine that one came to by ssh, from what ssh says of it; None elsewhere."""
    parts = connection.split()
    if len(parts) != 4 or not parts[3].isdigit():
        return None
    try:
        ip_address(parts[2])
    except ValueError:
        return None
    return user, parts[2], int(parts[3])
