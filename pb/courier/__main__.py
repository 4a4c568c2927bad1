"""``python -m pb.courier``: notices on standard input, an answer on standard output."""

from __future__ import annotations

import sys

from pb.courier.main import main

if __name__ == "__main__":
    sys.exit(main())
