"""Words of a verification: what to do about a fault, and headings, in French and in English."""

from __future__ import annotations

ADVICE = {
    "raw": {
        "fr": "lancer `qpv-sante build --source {source}`, qui télécharge de nouveau ce fichier",
        "en": "run `qpv-sante build --source {source}`, which downloads this file again",
    },
    "lock": {
        "fr": "le reprendre d'une copie ; sans copie, le supprimer et lancer `qpv-sante build`",
        "en": "restore it from a copy; without any, delete it and run `qpv-sante build`",
    },
    "refresh": {
        "fr": "lancer `qpv-sante refresh`, qui refait ce qui manque",
        "en": "run `qpv-sante refresh`, which makes again what is missing",
    },
    "build": {
        "fr": "lancer `qpv-sante build`, qui refait les données",
        "en": "run `qpv-sante build`, which makes the data again",
    },
    "import": {
        "fr": "importer de nouveau {file} : `qpv-sante import`",
        "en": "import {file} again: `qpv-sante import`",
    },
    "earlier": {
        "fr": "on ne peut plus revenir à cet état antérieur : supprimer le dossier {folder}",
        "en": "this earlier build can no longer be returned to: delete the folder {folder}",
    },
    "orphan": {
        "fr": "lancer `qpv-sante refresh`, qui le reprend d'un autre état si l'un d'eux l'a encore ; sinon, l'importer "
        "de nouveau : `qpv-sante import FICHIER --source {source}`",
        "en": "run `qpv-sante refresh`, which takes it from another build if one still has it; else import it again: "
        "`qpv-sante import FILE --source {source}`",
    },
    "stale": {
        "fr": "lancer `qpv-sante refresh`, qui efface ces chiffres de {source} : ils datent d'avant la règle, la "
        "licence ou le retrait en vigueur",
        "en": "run `qpv-sante refresh`, which erases these figures of {source}: they date from before the rule, the "
        "licence or the removal in force",
    },
    "rollback": {
        "fr": "lancer de nouveau `qpv-sante rollback` si ce retour en arrière doit tenir ; sinon `qpv-sante refresh`",
        "en": "run `qpv-sante rollback` again if that rollback is to hold; else `qpv-sante refresh`",
    },
    "rights": {
        "fr": "retirer aux autres le droit de lire ce tableau (`chmod 600`) : sa diffusion est restreinte",
        "en": "take the right to read this table away from others (`chmod 600`): it is restricted",
    },
    "held": {
        "fr": "garder ce dossier tant que {names}, dont il a peut-être le seul tableau, n'est pas importé de nouveau ; "
        "puis supprimer {folder}",
        "en": "keep this folder, which may have the only table of {names}, until it is imported again; then delete "
        "{folder}",
    },
    "behind": {
        "fr": "les chiffres viennent d'un autre fichier que celui qui est enregistré : lancer "
        "`qpv-sante build --source {source}`",
        "en": "the figures come from another file than the recorded one: run `qpv-sante build --source {source}`",
    },
    "package": {
        "fr": "réinstaller le paquet : `pip install --force-reinstall qpv-sante`",
        "en": "reinstall the package: `pip install --force-reinstall qpv-sante`",
    },
}
HEADINGS = {
    "fr": {
        "place": "Emplacement",
        "name": "Nom",
        "status": "État",
        "expected": "Attendu",
        "got": "Trouvé",
        "advice": "Que faire",
        "sound": "{number} fichiers lus en entier, tous conformes à ce qui a été enregistré.",
        "unsound": "{number} fichiers lus en entier ; à traiter : {faults}.",
        "rolled_back": "Retour en arrière du {day} (depuis {left}) : les chiffres de {sources} viennent des fichiers "
        "antérieurs, ceux des producteurs sont de côté. Pour les reprendre : `qpv-sante rollback --undo`.",
    },
    "en": {
        "place": "Place",
        "name": "Name",
        "status": "Status",
        "expected": "Expected",
        "got": "Found",
        "advice": "What to do",
        "sound": "{number} files read whole, all of them as recorded.",
        "unsound": "{number} files read whole; to be dealt with: {faults}.",
        "rolled_back": "Rolled back on {day} (from {left}): the figures of {sources} come from the earlier files, the "
        "producers' are put aside. To take them again: `qpv-sante rollback --undo`.",
    },
}
