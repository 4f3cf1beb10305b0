"""The published figures that make up references: read once, and shared by the references of one indicator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from qpv_sante import aggregation, loading
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.geography import ARRONDISSEMENTS, arrondissements_of, whole_commune
from qpv_sante.territories import FRANCE, METROPOLITAN_FRANCE, Gazetteer, current_commune

# below the level of a reference, what its figure can be pooled from
SMALL_LEVELS = ("commune", "iris")


@dataclass
class Figures:
    """Figures of one indicator, year, sex and age outside QPV, level by level.

    A level is read when a reference first needs it; the next ones find it here. Made for one call: it holds what the
    store held.
    """

    indicator: Indicator
    year: int
    sex: str = "_T"
    age: str = "_T"
    _read: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    _today: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    _usual: dict[str, float] = field(default_factory=dict, repr=False)
    _vintages: dict[str, int] = field(default_factory=dict, repr=False)

    def level_for(self, level: str) -> str | None:
        """The coarsest level published in that year that gives a figure of `level`, itself or pooled; or none."""
        published = {str(r["geo_level"]) for r in catalogue().published(self.indicator.id) if r["year"] == self.year}
        return next((name for name in (level, *SMALL_LEVELS) if name in published), None)

    def at(self, level: str) -> pd.DataFrame:
        """Rows of a level with bounds: `geo_code, source, value, lower, upper, interval, flag, weight`."""
        if level not in self._read:
            frame = loading.load_observations(
                self.indicator.id, geo_level=level, year=self.year, sex=self.sex, age=self.age
            )
            rounding = catalogue().rounding(self.indicator.id, str(frame["source"].iloc[0]))
            self._vintages[level] = int(frame["geo_vintage"].max())
            frame = aggregation.with_bounds(frame, rounding, self.indicator.range)
            frame = frame[["geo_code", "source", "value", "lower", "upper", "interval", "flag", "denominator"]]
            frame = frame.rename(columns={"denominator": "weight"})
            frame.attrs = {}  # pandas would copy the origin in depth at each operation
            self._read[level] = frame
        return self._read[level]

    def extremes(self, level: str) -> tuple[float, float]:
        """Lowest and highest bounds of a level: the same whatever the groups, so that a reference has the same bounds
        in every call."""
        frame = self.at(level)
        return float(frame["lower"].min()), float(frame["upper"].max())

    def units(self, host: pd.DataFrame, of: str, level: str, places: Gazetteer) -> pd.DataFrame:
        """Figures of `level` that make up each group of territories.

        Parameters
        ----------
        host : DataFrame
            `group, code`: the territories of each group.
        of : str
            Level of these territories.
        level : str
            Level of the figures, as `level_for` gives it.
        places : Gazetteer

        Returns
        -------
        DataFrame
            `group`, columns of `at`; one row a group and unit, without a value where the unit has none published.
        """
        if level == of and level not in SMALL_LEVELS:
            units = host.merge(self.at(level), left_on="code", right_on="geo_code", how="left")
            # one that is not in the file has people all the same: they count in the coverage
            units["weight"] = units["weight"].fillna(units["code"].map(self._usual_weights(level, places)))
        else:
            units = self._small_units(host, of, level, places)
        units["flag"] = units["flag"].astype("str").fillna("unavailable")
        units["interval"] = units["interval"].fillna("none")
        return units

    def _usual_weights(self, level: str, places: Gazetteer) -> pd.Series:
        """Weight of each territory of a level by its inhabitants, at the rate of those that have a figure."""
        people = (
            places.communes.groupby(level)["population"].sum() if level in places.communes else pd.Series(dtype=float)
        )
        known = self.at(level).set_index("geo_code")["weight"].dropna()
        covered = people.reindex(known.index).dropna()
        return people * (known[covered.index].sum() / covered.sum() if covered.sum() else 1.0)

    def _small_units(self, host: pd.DataFrame, of: str, level: str, places: Gazetteer) -> pd.DataFrame:
        """Figures of the communes (or IRIS) that lie in each group's territories, one row each."""
        communes = places.communes
        # communes by their place in the table: texts are ten times slower to join
        at = np.arange(len(communes))
        if of == "country":
            metropolitan = (communes["department"].str.len() < 3).to_numpy()
            owner = pd.concat(
                [
                    pd.DataFrame({"code": METROPOLITAN_FRANCE.code, "commune": at[metropolitan]}),
                    pd.DataFrame({"code": FRANCE.code, "commune": at}),
                ]
            )
        else:
            codes = communes["code" if of == "commune" else of]
            inside = codes.isin(host["code"].unique()).to_numpy()
            owner = pd.DataFrame({"code": codes[inside].to_numpy(), "commune": at[inside]})
        units = host.merge(owner, on="code").merge(self._by_commune(level, places), on="commune", how="left")
        inhabitants = units["people"].fillna(pd.Series(people_of(places)[units["commune"]], index=units.index))
        units["weight"] = units["weight"].astype(float)
        if level == "commune":
            units["weight"] = units["weight"].fillna(inhabitants * self._usual_weight(level, places))
        else:
            # a commune of which no IRIS is published counts for its inhabitants, not for one small IRIS
            absent = units["geo_code"].isna()
            if absent.any():
                units.loc[absent, "weight"] = inhabitants[absent] * self._usual_weight(level, places)
            # an IRIS is withheld when it is too small: the smallest published size bounds those of the others
            units["weight"] = units["weight"].fillna(self.at(level)["weight"].min())
        return units.drop(columns="people")

    def _usual_weight(self, level: str, places: Gazetteer) -> float:
        """Weight of one inhabitant, over the communes of which every part is published; 1 where no weight is."""
        if level not in self._usual:
            frame = self._by_commune(level, places)
            if level == "commune":
                whole = frame["people"].fillna(pd.Series(people_of(places)[frame["commune"]], index=frame.index))
                known = frame["weight"].notna() & whole.notna()
                weights, covered = frame["weight"][known].sum(), whole[known].sum()
            else:
                by_commune = frame.groupby("commune")["weight"].sum(min_count=1).dropna()
                weights, covered = by_commune.sum(), people_of(places)[by_commune.index].sum()
            self._usual[level] = weights / covered if covered and weights else 1.0
        return self._usual[level]

    def _by_commune(self, level: str, places: Gazetteer) -> pd.DataFrame:
        """Figures of communes or IRIS with the place of their commune in the table of those of today, and `people`.

        A commune that was several when the figures were made has one row for each, without a value for those of which
        none is published. So has Paris, Lyon or Marseille where the figures are those of its arrondissements; those of
        the whole are preferred, which both would count twice. `people`, the inhabitants of such a part, is missing
        where the code tables do not have it, and for a commune that is in one piece.
        """
        if level not in self._today:
            frame = self.at(level)
            index = pd.Index(places.communes["code"])
            codes = frame["geo_code"].str[:5]
            whole = whole_commune(codes)
            if level == "iris":
                at = index.get_indexer(current_commune(whole, places.former_communes))
                self._today[level] = frame.assign(commune=at, people=np.nan)[at >= 0]
                return self._today[level]
            frame = frame[(whole == codes) | ~whole.isin(codes)]
            parts = commune_parts(places, self.vintage(level), set(frame["geo_code"]))
            frame = frame.merge(parts, left_on="geo_code", right_on="part", how="outer").drop(columns="part")
            own = current_commune(frame["geo_code"].fillna("").astype("str"), places.former_communes)
            at = index.get_indexer(frame["code"].fillna(own))
            self._today[level] = frame.drop(columns="code").assign(commune=at)[at >= 0]
        return self._today[level]

    def vintage(self, level: str) -> int:
        """Year of the official codes of the figures of a level."""
        self.at(level)
        return self._vintages[level]


def people_of(places: Gazetteer) -> np.ndarray:
    """Inhabitants of the communes of today, in the order of their table."""
    people: np.ndarray = places.communes["population"].astype(float).to_numpy()
    return people


def commune_parts(places: Gazetteer, vintage: int, published: set[str]) -> pd.DataFrame:
    """What the communes of today that were, or are counted as, several were made of in the codes of a year.

    Parameters
    ----------
    places : Gazetteer
    vintage : int
        Year of the codes.
    published : set of str
        Codes of the figures.

    Returns
    -------
    DataFrame
        `part, code` (the commune of today) and `people` (inhabitants of the part): communes that merged since,
        and the arrondissements of which figures are given, with all those of the same city.
    """
    former = places.former_communes.drop_duplicates("old_code", keep="last")
    if "until" in former:
        listed = former[former["until"] > f"{vintage}-01-01"]
        # the one that keeps its code is a part too, even if no event names it
        listed = listed[listed["new_code"].isin(listed.loc[listed["old_code"] != listed["new_code"], "new_code"])]
    else:  # code tables without dates: those of which there is a figure existed
        listed = former[former["old_code"].isin(published) & (former["old_code"] != former["new_code"])]
    parts = listed.rename(columns={"old_code": "part", "new_code": "code"}).reindex(columns=["part", "code", "people"])
    kept = parts["code"].unique()
    kept = kept[np.isin(kept, list(published)) & ~np.isin(kept, parts["part"])]
    parts = pd.concat([parts, pd.DataFrame({"part": kept, "code": kept})], ignore_index=True)
    cities = {city for city in ARRONDISSEMENTS if city not in published}
    given = {city: codes for city in cities if published & set(codes := arrondissements_of(city))}
    rows = [(one, city) for city, codes in given.items() for one in codes]
    parts = pd.concat([parts, pd.DataFrame(rows, columns=["part", "code"], dtype="str")], ignore_index=True)
    parts = parts.astype({"people": float})
    # inhabitants that are not known by part: what is left of the commune's, in equal shares
    total = parts["code"].map(places.communes.set_index("code")["population"]).astype(float)
    left = total - parts.groupby("code")["people"].transform("sum")
    unknown = parts["people"].isna()
    share = left / unknown.groupby(parts["code"]).transform("sum").where(lambda number: number > 0)
    return parts.assign(people=parts["people"].fillna(share.clip(lower=0)))
