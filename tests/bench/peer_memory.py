#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs another program's steps and tells what memory its model took.

    tests/bench/peer_memory.py PEER.py [its arguments...]

For tests/bench/compare_peer. PEER.py has a class Trainer, which is its model with optimiser, and a function main(). When
the first Trainer is made, a line of JSON says how much of the process was in memory then: after_construction_bytes.
"""
import importlib.util
import json
import os
import sys


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main():
    sys.argv = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    spec = importlib.util.spec_from_file_location("peer", sys.argv[0])
    peer = importlib.util.module_from_spec(spec)
    sys.modules["peer"] = peer
    spec.loader.exec_module(peer)
    make = peer.Trainer.__init__

    def make_and_tell(self, *args, **kwargs):
        make(self, *args, **kwargs)
        if int(os.environ.get("RANK", 0)) == 0:
            print(json.dumps({"after_construction_bytes": resident_bytes()}), flush=True)

    peer.Trainer.__init__ = make_and_tell
    peer.main()


if __name__ == "__main__":
    main()
