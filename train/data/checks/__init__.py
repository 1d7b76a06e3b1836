"""The checks of `doctor`: one class each, and one table of what they find, how bad it is and why.

What `finetune` refuses, and what makes its figures wrong, is an error; what makes the model worse, or others
liable, is a warning; what is only worth knowing is an info.
"""

from __future__ import annotations

from typing import NamedTuple

from train.data.checks.files import Files, QuotedFields
from train.data.checks.finding import Check, Finding, Note, Severity, overrides_of
from train.data.checks.labels import Labels
from train.data.checks.lengths import Lengths
from train.data.checks.personal import Personal
from train.data.checks.repeats import Groups, Repeats
from train.data.checks.scripts import Scripts
from train.data.checks.texts import Cleanable, Invisible, Misread, Unusable

__all__ = ["CHECKS", "Entry", "finding_of", "kinds_of_checks"]


class Entry(NamedTuple):
    """Which class finds it, how bad it is, and why it matters."""

    check: type[Check]
    severity: Severity
    why: str


CHECKS: dict[str, Entry] = {
    "wrong_encoding": Entry(Files, "error", "every Chinese character is read as another one"),
    "empty_text": Entry(Unusable, "error", "finetune refuses them: there is nothing to learn from"),
    "missing_label": Entry(Unusable, "error", "finetune refuses them: there is nothing to learn"),
    "unusable_row": Entry(Unusable, "error", "finetune refuses them"),
    "swapped_columns": Entry(Labels, "error", "finetune refuses them: the text is taken for the label"),
    "too_many_labels": Entry(Labels, "error", "finetune refuses them: this is no column of labels"),
    "one_label": Entry(Labels, "error", "finetune refuses them: there is nothing to tell apart"),
    "unknown_label": Entry(Labels, "error", "finetune refuses them: no model can give a label it never saw"),
    "leakage": Entry(Repeats, "error", "what is measured there is memory, and the figures are too good"),
    "mixed_line_ends": Entry(
        Files, "warning", "other programs see other rows, or a carriage return in labels"
    ),
    "quoted_fields": Entry(QuotedFields, "warning", "the model learns quotes, and breaks in them cut rows"),
    "different_columns": Entry(Files, "warning", "files with different columns seldom belong together"),
    "blank": Entry(Cleanable, "warning", "finetune takes them, and learns a label from nothing"),
    "one_character": Entry(Cleanable, "warning", "there is hardly anything to learn from"),
    "no_letters": Entry(Cleanable, "warning", "there is hardly anything to learn from"),
    "too_long": Entry(
        Cleanable, "warning", "the model sees a small part; often a quote swallowed other rows"
    ),
    "html_remnant": Entry(Cleanable, "warning", "markup costs tokens and differs from what is served"),
    "url_only": Entry(Cleanable, "warning", "an address says nothing, and the next one is another"),
    "mojibake": Entry(Cleanable, "warning", "what stood there is lost, and learned as noise"),
    "misread": Entry(Misread, "warning", "the model learns signs that no user will ever write"),
    "invisible_characters": Entry(Invisible, "warning", "texts look alike and are not, and words are cut"),
    "similar_labels": Entry(Labels, "warning", "the model is punished for what is right"),
    "rare_labels": Entry(
        Labels, "warning", "too few to learn, to split and to measure; a single row stays in train"
    ),
    "imbalance": Entry(Labels, "warning", "accuracy looks good where rare labels are never given"),
    "conflicting_labels": Entry(Repeats, "warning", "one of the labels is wrong, and no model can be right"),
    "duplicates": Entry(
        Repeats, "warning", "they weigh more than others and end up on both sides of a split"
    ),
    "near_duplicates": Entry(
        Repeats, "warning", "they weigh more than others and end up on both sides of a split"
    ),
    "near_leakage": Entry(Repeats, "warning", "what is measured there is partly memory"),
    "dev_test_overlap": Entry(Repeats, "warning", "the epoch was chosen on rows that are then measured"),
    "shared_groups": Entry(Groups, "warning", "the model knows the writer, and the figures are too good"),
    "truncation": Entry(Lengths, "warning", "what decides may stand in the part that is cut off"),
    "unknown_tokens": Entry(Lengths, "warning", "to the model all of these are the same sign"),
    "personal_data": Entry(Personal, "warning", "a model can repeat it, and whoever keeps it is liable"),
    "repeated_measure": Entry(Repeats, "info", "a text that stands there twice counts twice in the figures"),
    "foreign": Entry(Cleanable, "info", "a model of Chinese does worse on them"),
    "mixed_orthography": Entry(Scripts, "info", "to the model 国 and 國 are different characters"),
    "absent_labels": Entry(Labels, "info", "nothing is measured for them"),
    "base_model_unreadable": Entry(Lengths, "info", "nothing is known of truncation and unknown tokens"),
}
"""Name of a finding → who finds it, how bad it is, why it matters; in the order of the reports."""


def kinds_of_checks() -> list[type[Check]]:
    """Return every class of `CHECKS` once."""
    return list(dict.fromkeys(entry.check for entry in CHECKS.values()))


def finding_of(note: Note) -> Finding:
    """Return what the reports hold of a note."""
    entry = CHECKS[note.check]
    return {
        "check": note.check,
        "severity": entry.severity,
        "split": note.split,
        "file": note.where.file,
        "rows": note.where.rows,
        "count": note.where.count,
        "what": note.what,
        "why": entry.why,
        "fix": note.fix or " ".join(overrides_of(note.settings)),
        "settings": dict(note.settings),
        "by_prepare": note.by_prepare,
        "examples": list(note.examples),
    }
