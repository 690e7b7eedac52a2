"""`python -m dynofa_ros.cli`."""

from dynofa_ros.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
