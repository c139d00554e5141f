"""Measures of how alike two representations are, and the Gram kernels that some of them compare."""
