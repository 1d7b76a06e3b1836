"""From data files to rows, and from rows to what the model reads."""
