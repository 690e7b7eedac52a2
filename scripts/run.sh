#!/usr/bin/env bash
# Run a command in the environment that `make setup` built: scripts/run.sh dynofa --help
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

if [ ! -f "$root/install/setup.bash" ]; then
  echo "Nothing is set up in $root yet: run \`make setup\` there first." >&2
  exit 1
fi
if ! grep -q '^include-system-site-packages = true' "$root/.venv/pyvenv.cfg"; then
  # ROS 2 comes from .venv: libraries of a sourced installation must not mix in.
  [ -n "$AMENT_PREFIX_PATH" ] && unset LD_LIBRARY_PATH
  unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH PYTHONPATH ROS_DISTRO
fi
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE PYTHONHOME
export PYTHONNOUSERSITE=1
. "$root/install/setup.bash"
exec "$@"
