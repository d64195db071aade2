"""What a pickle would cost, found by following its opcodes; nothing is created.

Tuples that hold the same tuple twice, nested in each other, are short to write and take for ever
to hash or to print: their parts double with each level.
"""

from __future__ import annotations

import pickletools
from typing import IO, Any

_MOST_PARTS = 1_000_000  # of a tuple, counted as often as they occur
_MOST_MEMO = 10_000_000  # entries that a pickle may number
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = -1


class CostError(ValueError):
    """A pickle costs too much; the text names what of it."""


def check_cost(file: IO[bytes]) -> None:
    """Reject a pickle, from the present place of a file, that is not worth reading.

    Raises:
        CostError: it numbers too many entries or has tuples of too many parts.
        Exception: it is damaged, of nearly any kind.
    """
    stack: list[int] = []  # the parts of each object, or a mark
    memo: dict[int, int] = {}
    for operation, argument, _ in pickletools.genops(file):
        _follow(operation, argument, stack, memo)
        if stack and stack[-1] > _MOST_PARTS:
            raise CostError(f"tuples of more than {_MOST_PARTS} parts")


def _follow(operation: Any, argument: Any, stack: list[int], memo: dict[int, int]) -> None:
    name = operation.name
    if "PUT" in name or name == "MEMOIZE":
        number = len(memo) if argument is None else int(argument)
        if number > _MOST_MEMO:
            raise CostError(f"entry number {number}")
        memo[number] = stack[-1]
    elif "GET" in name:
        stack.append(memo.get(int(argument), 1))
    elif name == "DUP":
        stack.append(stack[-1])
    elif name == "MARK":
        stack.append(_MARK)
    elif name in _TUPLES:
        count = _TUPLES[name]
        parts = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        stack.append(1 + sum(parts))
    else:
        before = list(operation.stack_before)
        parts: list[int] = []
        if pickletools.markobject in before:
            while stack and (top := stack.pop()) != _MARK:
                parts.append(top)
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            stack.pop()
        is_hashed = name in ("TUPLE", "FROZENSET")
        stack.extend([1 + sum(parts) if is_hashed else 1] * len(operation.stack_after))
