"""Every error the project raises on purpose; it knows nothing of who shows them.

    BentobertError
    ├── ModelError            a model directory cannot be served
    │   ├── ManifestError     its manifest is missing, unreadable or contradicts the files
    │   ├── DigestError       a file is missing or differs from its recorded sha256
    │   ├── ProbeError        recorded texts no longer give their recorded logits
    │   └── BackendError      the engine it names is unknown, not installed or cannot load it
    ├── InputError            a text that cannot be classified: the caller's to mend
    ├── EngineError           the engine failed on texts that were in order: ours to mend
    ├── UsageError            wrong command line (exit status 2)
    │   ├── RecipeError       wrong recipe (exit status 2)
    │   └── SettingsError     wrong operator setting (exit status 2)
    ├── ProtectionError       a key, an encrypted file or a record is not in order (exit status 1)
    ├── DataError             rows that cannot be trained on (exit status 1)
    └── TrainingError         training or saving could not finish (exit status 1)

The message of each is one sentence: what was given, what is allowed, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BentobertError(Exception):
    """Root of all errors that carry a sentence for the user."""


class ModelError(BentobertError):
    """A model directory cannot be served."""


class ManifestError(ModelError):
    """The manifest is missing, unreadable or contradicts the files beside it."""


class DigestError(ModelError):
    """A file of the model is missing or differs from its recorded digest."""


class ProbeError(ModelError):
    """The recorded texts no longer give their recorded logits."""


class BackendError(ModelError):
    """The engine is unknown, not installed, or cannot load this model."""


class InputError(BentobertError):
    """A text cannot be classified."""


class EngineError(BentobertError):
    """The engine failed on texts that were in order."""


class UsageError(BentobertError):
    """The command line is wrong."""


class RecipeError(UsageError):
    """The recipe is wrong."""


class SettingsError(UsageError):
    """An operator setting is wrong."""


class ProtectionError(BentobertError):
    """A key is missing or wrong, or something it protects was changed."""


class DataError(BentobertError):
    """The rows cannot be trained on."""


class TrainingError(BentobertError):
    """Training, exporting or saving could not finish."""


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the closest allowed name, else the list of allowed names."""
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(names)}"
