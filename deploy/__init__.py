"""From a saved model to a running, hardened container; nothing of the project's own code is imported here."""
