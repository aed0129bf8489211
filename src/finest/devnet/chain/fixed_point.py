"""The chain's fixed-point numbers I32F32: integers that count units of 2**-32, rounded down.

Arrays are `uint64`. No value may reach 2**47, which is 32,768 in units of one: sums of up to 256 shares stay far below.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BITS = 32
ONE = 1 << BITS
U16_MAX = 65_535
Matrix = NDArray[np.uint64]
_HALF = np.uint64(16)
_LOW = np.uint64(0xFFFF)


def multiply(a: int, b: int) -> int:
    """Return the product of two numbers."""
    return (a * b) >> BITS


def divide(a: int, b: int) -> int:
    """Return the quotient of two numbers; 0 if the divisor is 0, as `safe_div` of the runtime."""
    return (a << BITS) // b if b else 0


def normalise(values: Sequence[int]) -> list[int]:
    """Scale numbers to a sum of one; numbers whose sum is 0 stay as they are."""
    total = sum(values)
    return [divide(value, total) for value in values] if total else list(values)


def to_u16(value: int) -> int:
    """Return a share of one as a share of 65,535, as the runtime stores it."""
    return min(U16_MAX, (value * U16_MAX) >> BITS)


def products(a: Matrix, b: Matrix) -> Matrix:
    """Return the products of two arrays of numbers from 0 to one.

    The 64 bits of the exact product could overflow, so `b` is taken in two halves.
    """
    low = (a * (b & _LOW)) >> _HALF
    return np.asarray((a * (b >> _HALF) + low) >> _HALF, dtype=np.uint64)


def quotients(a: Matrix, b: Matrix) -> Matrix:
    """Return the quotients of two arrays by long division in two steps of 16 bits; 0 where the divisor is 0."""
    divisor = np.where(b == 0, np.uint64(1), b)
    first, rest = np.divmod(a << _HALF, divisor)
    quotient = (first << _HALF) + (rest << _HALF) // divisor
    return np.where(b == 0, np.uint64(0), quotient)


def normalise_columns(matrix: Matrix) -> Matrix:
    """Scale each column to a sum of one; a column of zeros stays so."""
    return quotients(matrix, matrix.sum(axis=0, dtype=np.uint64))


def normalise_rows(matrix: Matrix) -> Matrix:
    """Scale each row to a sum of one; a row of zeros stays so."""
    return quotients(matrix, matrix.sum(axis=1, dtype=np.uint64, keepdims=True))
