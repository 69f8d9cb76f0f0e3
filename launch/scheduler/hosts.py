# SPDX-License-Identifier: Apache-2.0
"""The hosts of a host file, as Open MPI's mpirun reads it."""
from __future__ import annotations

import re

from .refusal import Refusal

HOST = re.compile(r"(?:[^@\s]+@)?([A-Za-z0-9][A-Za-z0-9._-]*)((?:\s+[A-Za-z_-]+\s*=\s*\S+)*)\s*")
SLOTS = re.compile(r"\s(?:slots|count|cpu)\s*=\s*([0-9]+)(?!\S)")


def slots_of(text: str) -> dict[str, int | None] | None:
    """Each host's slots in their order, None for as many as it has cores; None if lines are of another form."""
    lines: dict[str, list[int | None]] = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = HOST.fullmatch(line)
        if not match:
            return None
        slots = SLOTS.search(match[2])
        lines.setdefault(match[1], []).append(int(slots[1]) if slots else None)
    # A host that stands there several times has a slot for each of its lines, as in the node files of PBS.
    return {host: None if said == [None] else sum(1 if slots is None else slots for slots in said)
            for host, said in lines.items()}


def check_hosts(path: str, nodes: int, ranks: int, check_slots: bool) -> int:
    """Refuses a host file of too few hosts, or without a slot for each rank of a host that is used. Returns how many hosts
    it has; 0 where that is not known."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            hosts = slots_of(file.read())
    except OSError as error:
        raise Refusal(f"the host file cannot be read: {error.strerror}", path, "give a file with a host and its slots a line") \
            from None
    if hosts is None:
        return 0  # mpirun knows whether it understands it.
    if len(hosts) < nodes:
        raise Refusal(f"{len(hosts)} {'host' if len(hosts) == 1 else 'hosts'} for {nodes} nodes", path,
                      "name more hosts, or lower --nodes")
    for host, slots in list(hosts.items())[:nodes]:
        if check_slots and slots is not None and slots < ranks:
            raise Refusal(f"{host} has {slots} {'slot' if slots == 1 else 'slots'} for {ranks} ranks a node", path,
                          "every node gets equally many ranks: raise slots=, name another host, or lower --ranks-per-node")
    return len(hosts)
