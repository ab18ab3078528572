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


def main() -> None:
    parent, envoy, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != int(parent):
            return  # gatechat died before the call
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.execv(envoy, [envoy, *arguments])  # noqa: S606


if __name__ == "__main__":
    main()
