"""Frames as tables to read: alignment, French numbers, what is missing, and names that are not there."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante import tables
from qpv_sante.errors import UnknownNameError

FRAME = pd.DataFrame(
    {
        "name": ["L'Île <script>", "Cœur de ville", None],
        "year": [2019, 2019, 2019],
        "value": [12.345, np.nan, -3.0],
        "n": pd.array([12345, None, 7], dtype="Int64"),
        "flag": ["observed", "suppressed", "unreliable"],
    }
)


def _cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", html, flags=re.DOTALL)
    return [[cell.strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)] for row in rows]


def test_numbers_and_words_are_french_and_nothing_is_made_up():
    head, *rows = _cells(qs.format_table(FRAME).to_html())
    assert head == ["name", "year", "value", "n", "flag"]
    assert rows[0][1:] == ["2019", "12,3", "12\u202f345", "observé"]
    assert rows[1] == ["Cœur de ville", "2019", "–", "–", "secret statistique"]
    assert rows[2][0] == "–"
    assert rows[2][2:4] == ["−3,0", "7"]


def test_columns_are_chosen_ordered_and_renamed():
    shown = {"flag": "statut", "value": "taux (%)"}
    head, _, _, last = _cells(qs.format_table(FRAME, shown, decimals={"value": 2}).to_html())
    assert head == ["statut", "taux (%)"]
    assert last == ["à interpréter avec prudence", "−3,00"]


def test_figures_have_the_decimals_of_their_indicator(monkeypatch):
    """Shares of some hundredths of a per cent are not all zero, and euros have no decimals."""
    core = tables.catalogue()
    small = msgspec.structs.replace(core.indicator("poverty_rate"), id="small", decimals=3)
    known = msgspec.structs.replace(core, indicators={**core.indicators, "small": small})
    monkeypatch.setattr(tables, "catalogue", lambda: known)
    names = ["small", "poverty_rate", "median_standard_of_living", "of no catalogue"]
    frame = pd.DataFrame({"indicator": names, "value": [0.012, 41.06, 14110.0, 0.5], "ratio": [2.0, 1.5, 0.7, 1.0]})
    assert [row[1] for row in _cells(qs.format_table(frame).to_html())[1:]] == ["0,012", "41,1", "14\u202f110", "0,5"]
    # chosen columns are those of the same rows, whether or not the indicator is shown
    shown = qs.format_table(frame, {"value": "taux", "ratio": "rapport"})
    assert _cells(shown.to_html())[1] == ["0,012", "2,0"]
    compared = pd.DataFrame({"indicator": ["small"], "qpv_value": [0.014], "difference_upper": [-0.002]})
    assert _cells(qs.format_table(compared).to_html())[1][1:] == ["0,014", "−0,002"]
    assert _cells(qs.format_table(compared, decimals=1).to_html())[1][1:] == ["0,0", "0,0"]


def test_english():
    *_, last = _cells(qs.format_table(FRAME, lang="en").to_html())
    assert last[2:] == ["−3.0", "7", "unreliable"]


def test_codes_have_words():
    frame = pd.DataFrame({"interval": ["secrecy"], "funnel_position": ["above_99_8"], "same_outline": [True]})
    _, row = _cells(qs.format_table(frame).to_html())
    assert row == ["bornes du secret", "au-dessus (99,8 %)", "oui"]
    assert _cells(qs.format_table(frame, lang="en").to_html())[1] == ["bounds of secrecy", "above (99.8%)", "yes"]


def test_numbers_stand_on_the_right_and_words_on_the_left():
    html = qs.format_table(FRAME).to_html()
    sides = re.findall(r"td\.col(\d) \{\s*text-align: (\w+)", html)
    assert sides == [("0", "left"), ("1", "right"), ("2", "right"), ("3", "right"), ("4", "left")]


def test_labels_are_escaped():
    html = qs.format_table(FRAME, {"name": "<b>nom</b>"}).to_html()
    assert "<script>" not in html
    assert "<b>nom" not in html


def test_an_index_with_a_name_is_shown_and_another_is_not():
    assert _cells(qs.format_table(FRAME.set_index("name")).to_html())[0][0] == "name"
    assert _cells(qs.format_table(FRAME.set_axis([7, 8, 9])).to_html())[2][0] == "Cœur de ville"


def test_the_same_table_has_the_same_bytes_and_another_its_own_style_sheet():
    one, other = qs.format_table(FRAME).to_html(), qs.format_table(FRAME, {"n": "n"}).to_html()
    assert one == qs.format_table(FRAME).to_html()
    assert re.findall(r'id="(T_\w+)"', one) != re.findall(r'id="(T_\w+)"', other)


def test_an_empty_frame_has_its_head():
    assert _cells(qs.format_table(FRAME.iloc[:0]).to_html()) == [["name", "year", "value", "n", "flag"]]


def test_an_unknown_column_is_an_error_that_proposes():
    with pytest.raises(UnknownNameError, match=r"No column 'valeu'.*'value'"):
        qs.format_table(FRAME, {"valeu": "valeur"})


def test_a_terminal_shows_the_table_and_no_address_of_memory():
    lines = repr(qs.format_table(FRAME, {"name": "nom", "n": "foyers"})).splitlines()
    assert lines[0].split() == ["nom", "foyers"]
    assert lines[-1].split() == ["–", "7"]


def test_the_notice_of_a_restricted_source_goes_with_the_table():
    frame = pd.DataFrame({"geo_code": ["QP034001"], "value": [12.5]})
    frame.attrs = {"origin": {"ors_ald": "build"}, "restrictions": ["Usage interne <b> : ne pas diffuser"]}
    table = qs.format_table(frame)
    assert "Usage interne &lt;b&gt;" in table.to_html()
    assert "Usage interne <b>" in repr(table)
