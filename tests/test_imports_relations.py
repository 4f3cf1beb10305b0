"""Sums among the columns of an imported table, found without being declared."""

import warnings

import numpy as np

from qpv_sante.imports.relations import _sums_of_columns


def test_a_column_that_is_withheld_everywhere_is_no_part_and_no_whole():
    values = np.array([[60.0, 40.0, 20.0, np.nan], [90.0, 50.0, 40.0, np.nan], [75.0, 45.0, 30.0, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(_sums_of_columns(values, np.zeros_like(values))) == [(0, [1, 2])]
        assert list(_sums_of_columns(values[:1, 3:], np.zeros((1, 1)))) == []
        assert list(_sums_of_columns(values[:0], np.zeros((0, 4)))) == []
