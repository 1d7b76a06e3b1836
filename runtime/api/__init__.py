"""HTTP around a classifier: settings, schemas, limits, errors and pages; it knows no model and no engine."""
