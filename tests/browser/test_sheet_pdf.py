"""The PDF that the package sets by itself, without a browser."""

import pytest
from paper import rendered

import qpv_sante as qs


def test_the_sheet_holds_in_the_pages_that_it_promises(pictures):
    pytest.importorskip("typst", reason="the extra `pdf` is not installed")
    made = qs.profile("QP031004")
    assert rendered(made.save(pictures / "sheet.pdf")) == made.pages == 2
