"""Exit code 0 if a URL answers 200, for a container's HEALTHCHECK: the image has no curl."""

import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=4) as answer:  # noqa: S310  the address is in our own files
    sys.exit(answer.status != 200)
