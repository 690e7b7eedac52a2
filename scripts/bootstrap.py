#!/usr/bin/env python3
"""Set up everything that `make` needs: `.venv`, packages, messages. See environment.py.

This file keeps to syntax that every Python still found understands, to be able to refuse it in words.
"""

import os
import sys

if sys.version_info < (3, 10):
    sys.exit(
        "dynofa_ros needs Python 3.10 or newer, but %s is %d.%d: install one "
        "(e.g. `sudo apt install python3.11 python3.11-venv python3.11-dev`) and name it with "
        "`make PYTHON=python3.11 ...`." % (sys.executable, sys.version_info[0], sys.version_info[1])
    )

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from environment import main  # noqa: E402 - the version must be checked before this is read

sys.exit(main())
