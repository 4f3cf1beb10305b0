"""The words of the report of a refresh, in French and in English."""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "title": {"fr": "Actualisation des données du {date}", "en": "Data refresh of {date}"},
    "date": {"fr": "%d/%m/%Y à %H:%M UTC", "en": "%Y-%m-%d %H:%M UTC"},
    "day": {"fr": "%d/%m/%Y", "en": "%Y-%m-%d"},
    "dry": {
        "fr": "Essai : rien n'a été mis en service.",
        "en": "Dry run: nothing was put in use.",
    },
    "verdict": {
        "fr": "Sources mises à jour : {changed} ; en échec : {failed} ; inchangées : {unchanged}.",
        "en": "Sources updated: {changed}; failed: {failed}; unchanged: {unchanged}.",
    },
    "stopped": {
        "fr": "Rien n'a pu être mis en service ; les données précédentes restent en usage.",
        "en": "Nothing could be put in use; the previous data stay.",
    },
    "silent": {
        "fr": "Aucun producteur n'a répondu : vérifiez le réseau, le mandataire (HTTPS_PROXY) et le certificat de "
        "votre institution (REQUESTS_CA_BUNDLE). Les données en place restent utilisables.",
        "en": "No producer answered: check the network, the proxy (HTTPS_PROXY) and your institution's certificate "
        "(REQUESTS_CA_BUNDLE). The data in place stay usable.",
    },
    "first": {"fr": "À regarder d'abord", "en": "To look at first"},
    "same": {
        "fr": "Des fichiers ont changé, mais aucun chiffre.",
        "en": "Files changed, but no figure did.",
    },
    "nothing": {"fr": "Aucun fichier n'a changé.", "en": "No file changed."},
    "mended": {
        "fr": "Sources endommagées ici et refaites à partir des fichiers bruts, sans écart : {number}.",
        "en": "Sources damaged here and made again from the raw files, without difference: {number}.",
    },
    "mended_dry": {
        "fr": "Sources endommagées ici, qu'une actualisation referait à partir des fichiers bruts : {number}.",
        "en": "Sources damaged here, which a refresh would make again from the raw files: {number}.",
    },
    "no_figure": {"fr": "Aucun chiffre n'a changé.", "en": "No figure changed."},
    "no_change": {"fr": "aucun chiffre", "en": "no figure"},
    "first_build": {
        "fr": "Sources lues ici pour la première fois, sans écart avec l'instantané du paquet : {number}.",
        "en": "Sources read here for the first time, as in the package's snapshot: {number}.",
    },
    "quiet_unchanged": {"fr": "Fichiers inchangés : {number}.", "en": "Unchanged files: {number}."},
    "quiet_new": {"fr": "Fichiers jamais téléchargés ici : {number}.", "en": "Files never downloaded here: {number}."},
    "failures": {"fr": "Échecs", "en": "Failures"},
    "kept": {
        "fr": "Les derniers chiffres valides restent en usage.",
        "en": "The last good figures stay in use.",
    },
    "snapshot": {
        "fr": "Les chiffres de l'instantané du {date}, livré avec le paquet, servent à leur place.",
        "en": "The figures of the snapshot of {date}, which comes with the package, serve in their place.",
    },
    "lost": {
        "fr": "Aucun chiffre de cette source n'est disponible.",
        "en": "No figure of this source is available.",
    },
    "displaced": {"fr": "{area}, centre déplacé de {metres}", "en": "{area}, centre moved by {metres}"},
    "more": {"fr": "Autres constats, au détail : {number}.", "en": "More findings, in the detail: {number}."},
    "detail": {"fr": "Détail technique", "en": "Technical detail"},
    "warnings": {"fr": "À vérifier", "en": "To check"},
    "unknown_edition": {
        "fr": "Publié, mais absent du catalogue : {text}",
        "en": "Published, but not in the catalogue: {text}",
    },
    "moved": {"fr": "Fichier déplacé par le producteur : {text}", "en": "File moved by its producer: {text}"},
    "accepted_drift": {
        "fr": "Dérive acceptée de {source}, écarts au-delà des tolérances : {number}.",
        "en": "Drift of {source} accepted, moves beyond the tolerances: {number}.",
    },
    "other_file": {
        "fr": "Lu ici pour la première fois, dans un autre fichier que celui de l'instantané du paquet : {text}",
        "en": "Read here for the first time, from another file than that of the package's snapshot: {text}",
    },
    "break": {
        "fr": "Rupture de série à trancher dans le catalogue, de {before} à {after} : {label} ({id}), constats au "
        "détail : {number}. Ces années ne se comparent pas (incomparable_years), l'une des deux est un autre "
        "indicateur, ou elles se comparent, examen fait (examined).",
        "en": "Break in a series to be decided in the catalogue, {before} to {after}: {label} ({id}), findings in the "
        "detail: {number}. These years do not compare (incomparable_years), one of them is another indicator, or they "
        "compare, once examined (examined).",
    },
    "silent_page": {
        "fr": "Pages de {host} illisibles, où de nouvelles éditions n'ont pas pu être cherchées : {number}.",
        "en": "Pages of {host} without a readable answer, where no new edition could be looked for: {number}.",
    },
    "manifest": {
        "fr": "Manifeste endommagé, récrit d'après son double, rien n'est perdu : {text}",
        "en": "Damaged manifest, written again from its copy, nothing is lost: {text}",
    },
    "manifest_lost": {
        "fr": "État en service illisible, gardé sur le disque ; ce qu'aucun autre état ne donne est refait à partir "
        "des fichiers bruts : {text}",
        "en": "Unreadable build in use, kept on disk; what no other build gives is made again from the raw files: "
        "{text}",
    },
    "going_on": {"fr": "Repris d'un état antérieur : {text}", "en": "Taken up from an earlier build: {text}"},
    "record": {
        "fr": "Inscription du manifeste démentie par le fichier, corrigée : {text}",
        "en": "Record of the manifest that the file denies, corrected: {text}",
    },
    "import": {
        "fr": "Tableau importé retrouvé dans un autre état : {text}",
        "en": "Imported table found in another build: {text}",
    },
    "rolled_back": {
        "fr": "Retour en arrière maintenu ; les fichiers actuels des producteurs restent de côté. Pour les reprendre : "
        "qpv-sante rollback --undo, ou qpv-sante refresh --source NOM ({text})",
        "en": "Rollback upheld; the producers' current files stay aside. To take them again: qpv-sante rollback "
        "--undo, or qpv-sante refresh --source NAME ({text})",
    },
    "changed": {"fr": "Sources mises à jour", "en": "Updated sources"},
    "examples": {
        "fr": "{source} : {kind} ({shown} sur {number})",
        "en": "{source}: {kind} ({shown} of {number})",
    },
    "all": {"fr": "Ce que disent les producteurs", "en": "What the producers say"},
    "moves": {"fr": "Plus grands changements de valeur", "en": "Largest moves of values"},
    "back": {
        "fr": "Pour revenir aux données précédentes : qpv-sante rollback",
        "en": "To return to the previous data: qpv-sante rollback",
    },
    "made": {"fr": "qpv_sante {version}, en {seconds} s", "en": "qpv_sante {version}, in {seconds} s"},
}
KINDS: dict[str, dict[str, str]] = {
    "added": {"fr": "lignes ajoutées", "en": "rows added"},
    "removed": {"fr": "lignes retirées", "en": "rows removed"},
    "moved": {"fr": "valeurs modifiées", "en": "values moved"},
    "suppressed": {"fr": "valeurs qui ne sont plus publiées", "en": "values no longer published"},
    "visible": {"fr": "valeurs désormais publiées", "en": "values newly published"},
    "flagged": {"fr": "statuts modifiés", "en": "flags changed"},
    "qualified": {"fr": "bornes ou effectifs modifiés", "en": "bounds or sizes changed"},
    "labels": {"fr": "libellés ou codes modifiés", "en": "labels or codes changed"},
    "outlines": {"fr": "contours modifiés", "en": "outlines changed"},
}
STATES = {
    "unchanged": {"fr": "inchangé", "en": "unchanged"},
    "changed": {"fr": "modifié", "en": "changed"},
    "moved": {"fr": "déplacé", "en": "moved"},
    "new": {"fr": "jamais téléchargé", "en": "never downloaded"},
    "unknown": {"fr": "à comparer", "en": "to compare"},
    "missing": {"fr": "introuvable", "en": "missing"},
    "unreachable": {"fr": "sans réponse", "en": "no answer"},
}
REASONS = {  # as they begin in `Outcome.reasons`
    "file ": "fichier ",
    "not built yet": "jamais construite",
    "damaged in the store": "endommagée dans la base",
    "not assembled yet": "pas encore assemblée",
    "editions of the catalogue": "éditions du catalogue",
    "built by version": "construite par la version",
    "files newer than the store": "fichiers plus récents que la base",
}
HEADERS: dict[str, dict[str, tuple[str, ...]]] = {
    "moves": {
        "fr": ("Indicateur", "Territoire", "Année", "Avant", "Après", "Écart"),
        "en": ("Indicator", "Territory", "Year", "Before", "After", "Difference"),
    },
    "examples": {
        "fr": ("Territoire", "Indicateur ou table", "Année", "Avant", "Après"),
        "en": ("Territory", "Indicator or table", "Year", "Before", "After"),
    },
    "changed": {
        "fr": ("Source", "Ce qui a changé", "Pourquoi", "Lignes"),
        "en": ("Source", "What changed", "Why", "Rows"),
    },
    "all": {
        "fr": ("Édition", "État", "Détail technique", "Date annoncée", "Durée (s)"),
        "en": ("Edition", "State", "Technical detail", "Stated date", "Time (s)"),
    },
}
# what moved too far: kind -> language -> sentence
DRIFTS: dict[str, dict[str, str]] = {
    "table_gone": {
        "fr": "la table a disparu ({all} lignes avant)",
        "en": "the table is gone ({all} rows before)",
    },
    "rows": {
        "fr": "{before} lignes avant, {after} maintenant (admis : de {least} à {largest})",
        "en": "{before} rows before, {after} now (allowed: {least} to {largest})",
    },
    "area": {
        "fr": "surface totale de {before} km² avant, {after} maintenant ({share}, au plus {most})",
        "en": "total area {before} km2 before, {after} now ({share}, at most {most})",
    },
    "gone": {"fr": "disparu ({all} lignes avant)", "en": "gone ({all} rows before)"},
    "lost": {
        "fr": "{some} lignes sur {all} ont disparu (au plus {most})",
        "en": "{some} of {all} rows are gone (at most {most})",
    },
    "gained": {
        "fr": "{some} lignes nouvelles à côté de {all} (au plus {most})",
        "en": "{some} new rows beside {all} (at most {most})",
    },
    "hidden": {
        "fr": "{some} valeurs sur {all} ne sont plus publiées (au plus {most})",
        "en": "{some} of {all} values are no longer published (at most {most})",
    },
    "far": {
        "fr": "{some} valeurs sur {all} ont varié de plus de {factor} fois (au plus {most} d'entre elles)",
        "en": "{some} of {all} values changed by more than {factor} times (at most {most} of them)",
    },
    "departments": {
        "fr": "plus rien dans ces départements : {list}",
        "en": "nothing left in these departments: {list}",
    },
    "rewritten": {
        "fr": "{some} valeurs sur {all} d'une édition déjà publiée ont changé (au plus {most})",
        "en": "{some} of {all} values of an edition already published changed (at most {most})",
    },
    "qualified": {
        "fr": "{some} lignes sur {all} d'une édition déjà publiée ont d'autres bornes, effectifs ou dénominateurs (au "
        "plus {most})",
        "en": "{some} of {all} rows of an edition already published have other bounds, sizes or denominators (at most "
        "{most})",
    },
    "column": {
        "fr": "les nouvelles valeurs sont plus proches de celles qu'avait « {other} » : colonnes échangées ?",
        "en": 'the new values are nearer to those that "{other}" had: columns exchanged?',
    },
    "exchanged": {
        "fr": "territoires qui portent les valeurs qu'avaient d'autres, par lignes décalées ou échangées : {some}",
        "en": "{some} areas have the values that other ones had: rows shifted or exchanged",
    },
    "ranks": {
        "fr": "les territoires ne sont plus dans l'ordre de {year} : corrélation de {found} (au moins {least})",
        "en": "areas are no longer in the order of {year}: correlation of ranks {found} (at least {least})",
    },
    "jump": {
        "fr": "la valeur médiane est {ratio} fois celle de {year} (au plus {most} fois, dans un sens ou dans l'autre)",
        "en": "the middle value is {ratio} times that of {year} (at most {most} times, up or down)",
    },
    "copied": {
        "fr": "{some} valeurs sur {all} sont exactement celles de {year}",
        "en": "{some} of {all} values are exactly those of {year}",
    },
    "displaced": {
        "fr": "{some} contours sur {all} sont ailleurs, avec moins de la moitié de leur surface en commun (au plus "
        "{most})",
        "en": "{some} of {all} outlines are elsewhere, with less than half of their area in common (at most {most})",
    },
    "shifted": {
        "fr": "toute la couche s'est déplacée de {metres} m (au plus {least}) ; contours modifiés : {some} sur {all}",
        "en": "the whole layer moved by {metres} m (at most {least}); outlines changed: {some} of {all}",
    },
    "outline_taken": {
        "fr": "contours qui sont ceux qu'avaient d'autres codes : {some}",
        "en": "{some} outlines are those that other codes had",
    },
    "relabelled": {
        "fr": "{some} libellés sur {all} ont changé (au plus {most})",
        "en": "{some} of {all} labels changed (at most {most})",
    },
    "label_taken": {
        "fr": "sur {all} libellés modifiés, {some} sont ceux qu'avaient d'autres codes : lignes décalées ou échangées",
        "en": "of {all} labels that changed, {some} are those that other codes had: rows shifted or exchanged",
    },
    "parents": {
        "fr": "codes qui ont pris la place les uns des autres : {list} ({some} lignes)",
        "en": "codes that took each other's place: {list} ({some} rows)",
    },
    "points": {
        "fr": "{some} points sur {all} se sont déplacés de plus de 50 m",
        "en": "{some} of {all} points moved by more than 50 m",
    },
}
