"""Run reference cases and compare: ``python test/golden/runner.py [FOLDER ...]``.

Prints each array with its largest difference and its tolerance. A case fails where an array
differs, or where an ``out_*`` array is compared by nobody and tolerances.py gives no reason for it.
The exit status is 0 where every case passes, else 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":  # run as a file: find the cases and the package from any folder
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from golden.cases import Case, Comparison, every_case, read_cases
from golden.kinds import kind_of
from golden.tolerances import reason_to_leave_out

PASSED, FAILED, NOT_COVERED, SLOW = "passed", "FAILED", "NOT COVERED", "slow, not run"


class Result(NamedTuple):
    """What became of a case."""

    case: Case
    status: str
    comparisons: list[Comparison]
    problem: str = ""
    seconds: float = 0.0


def run_case(case: Case, *, slow: bool = True) -> Result:
    """Run one case.

    Args:
        case: the case.
        slow: also where it takes long.
    """
    try:
        kind = kind_of(case)
    except OSError as error:
        return Result(case, FAILED, [], f"{type(error).__name__}: {error}")
    if kind is None:
        return Result(case, NOT_COVERED, [], f"no function for it in kinds/{case.system}.py")
    if kind.slow(case) and not slow:
        return Result(case, SLOW, [])
    comparisons: list[Comparison] = []
    problem, start = "", time.perf_counter()
    try:
        comparisons.extend(kind.run(case))
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if not comparisons and not problem:
        problem = "nothing was compared"
    forgotten = [name for name in case.left_out() if reason_to_leave_out(case, name) is None]
    if forgotten and not problem:
        problem = f"compared by nobody, nor in tolerances.UNCOMPARED: {', '.join(forgotten)}"
    passed = not problem and all(c.outcome().passed for c in comparisons)
    seconds = time.perf_counter() - start
    return Result(case, PASSED if passed else FAILED, comparisons, problem, seconds)


def lines_of(result: Result, *, brief: bool = False) -> Iterator[str]:
    """The report on one case.

    Args:
        result: of the case.
        brief: of the arrays only those that failed and the one nearest to its tolerance.
    """
    time_taken = f"  ({result.seconds:.1f} s)" if result.comparisons else ""
    yield f"{result.status:<13}  {result.case}{time_taken}"
    if result.problem:
        yield f"    {result.problem}"
    rows = [(comparison, comparison.outcome()) for comparison in result.comparisons]
    if brief and rows:
        worst = max(rows, key=lambda row: row[1].used)
        rows = [row for row in rows if not row[1].passed or row is worst]
    for comparison, outcome in rows:
        mark = " " if outcome.passed else "!"
        text = f"  {mark} {comparison.array:<44} {outcome.difference:<10.3g}"
        text += f" tolerance {comparison.tolerance}"
        yield text + (f": {outcome.problem}" if outcome.problem else "")
    for name in result.comparisons and result.case.left_out():
        reason = reason_to_leave_out(result.case, name)
        yield f"    not compared: {name} ({reason})" if reason else f"  ! not compared: {name}"


def exceptions_of(results: Iterable[Result]) -> Iterator[str]:
    """The reasons why arrays were compared otherwise than cases.json says."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        for comparison in result.comparisons:
            if comparison.tolerance.reason:
                place = f"{result.case}:{comparison.array.partition(':')[0]}"
                reasons.setdefault(comparison.tolerance.reason, []).append(place)
    if reasons:
        yield "Compared otherwise than the numbers of cases.json say:"
    for reason, places in reasons.items():
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        yield f"  {places[0]}{more}: {reason}"


def summary_of(results: list[Result]) -> Iterator[str]:
    """A table of systems and the number of cases by status."""
    columns = (PASSED, FAILED, NOT_COVERED, SLOW)
    yield f"{'':<16}" + "".join(f"{name.lower():>15}" for name in columns) + "    arrays"
    for system in dict.fromkeys(result.case.system for result in results):
        of_system = [result for result in results if result.case.system == system]
        counts = [sum(r.status == name for r in of_system) for name in columns]
        arrays = sum(len(result.comparisons) for result in of_system)
        yield f"{system:<16}" + "".join(f"{count:>15}" for count in counts) + f"{arrays:>10}"


def folders_with_cases(folder: Path) -> list[Path]:
    """The folder itself, or those below it, that hold a cases.json."""
    if (folder / "cases.json").exists():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/cases.json"))
    if not found:
        raise SystemExit(f"golden: no cases.json in {folder} or the folders in it")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="golden", description=__doc__.split("``")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER",
                        help="folder with a cases.json, or with such folders in it; "
                        "default: all cases of this repository")  # fmt: skip
    parser.add_argument("--system", help="run only this system; for other folders: the system "
                        "of their cases, by default the folder's name")  # fmt: skip
    parser.add_argument("--case", action="append", default=[], metavar="NAME",
                        help="run only this case; may be given several times")  # fmt: skip
    parser.add_argument("--slow", action=argparse.BooleanOptionalAction,
                        help="run cases that take long; default: if a folder is given")  # fmt: skip
    parser.add_argument("--brief", action="store_true",
                        help="of each case only the array nearest to its tolerance")  # fmt: skip
    options = parser.parse_args(arguments)
    cases = list(every_case())
    if options.folders:
        places = [place for folder in options.folders for place in folders_with_cases(folder)]
        cases = [case for place in places for case in read_cases(place, options.system)]
    elif options.system:
        cases = [case for case in cases if case.system == options.system]
    if missing := set(options.case) - {case.name for case in cases}:
        parser.error(f"no case {', '.join(sorted(missing))}")
    slow = bool(options.folders) if options.slow is None else options.slow
    results = []
    for case in cases:
        if options.case and case.name not in options.case:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(run_case(case, slow=slow))
        print("\n".join(lines_of(results[-1], brief=options.brief)), flush=True)
        case.__dict__.pop("arrays", None)
    print("\n".join(["", *exceptions_of(results), "", *summary_of(results)]))
    return int(any(result.status in (FAILED, NOT_COVERED) for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
