"""``python -m pb.debug.terminal``: how the CLI becomes the terminal UI."""

import sys

from pb.debug.terminal.main import main

if __name__ == "__main__":
    sys.exit(main())
