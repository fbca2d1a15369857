"""Code as large as a Satellite's, made on the spot."""

FUNCTIONS = 2_700
"""Of about 1,300 bytes each: 3.5 MB of code."""

STEPS = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 1664525)) (local.get 1)))" * 100


def large_functions(first=0):
    """Text of functions that nothing calls; with another ``first`` they are others."""
    return "".join(
        f"(func (param i32 i32) (result i32) {STEPS} (i32.xor (local.get 0) (i32.const {number})))"
        for number in range(first, first + FUNCTIONS)
    )
