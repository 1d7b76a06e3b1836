"""Looks at the service from outside, over HTTP; it imports nothing else of the project."""
