"""Runs as a script of its own, then becomes Envoy: ``launch.py PARENT_PID ENVOY ARGUMENT…``.

Envoy must not outlive gatechat, not even when gatechat is killed with -9. Linux can see to that (prctl,
PR_SET_PDEATHSIG), but only when asked by the child itself, and code of ours between fork and exec is not safe
in a process with threads. Elsewhere there is no such call, and an orphan is left to its owner.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


MOST_DESCRIPTORS = 2**20
"""Enough for half a million requests at a time, also where the system sets no limit."""


def descriptors() -> int:
    """How many files and sockets Envoy may have open: as many as it is allowed to ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if sys.platform == "linux" else soft
    return MOST_DESCRIPTORS if limit == resource.RLIM_INFINITY else min(limit, MOST_DESCRIPTORS)


def main() -> None:
    parent, envoy, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != int(parent):
            return  # gatechat died before the call
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors(), hard))
    os.execv(envoy, [envoy, *arguments])  # noqa: S606


if __name__ == "__main__":
    main()
