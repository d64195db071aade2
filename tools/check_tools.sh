#!/usr/bin/env bash
# Says what is missing on this machine before anything big is downloaded or built.
# usage: check_tools.sh PYTHON
set -euo pipefail

python="$1"

fail() {
  printf '\n%s\n\n' "$1" >&2
  exit 1
}

command -v "$python" > /dev/null || fail "There is no $python. Name an interpreter: make PYTHON=..."
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
  fail "$python is $("$python" -V 2>&1); 3.10 to 3.13 is needed. Name another: make PYTHON=..."
"$python" -c 'import ensurepip, venv' 2> /dev/null ||
  fail "$python cannot make virtual environments (Debian, Ubuntu: apt install python3-venv)."
command -v "${CXX:-c++}" > /dev/null ||
  fail "There is no C++ compiler; the ROS messages need one (Debian, Ubuntu: apt install g++ make)."
command -v cmake > /dev/null ||
  fail "There is no cmake; the ROS messages need 3.22 or newer (Debian, Ubuntu: apt install cmake)."
include="$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')"
[ -f "$include/Python.h" ] ||
  fail "The headers of $python are missing (Debian, Ubuntu: apt install python3-dev)."
