"""The stand-in for the service that the load tests' tests use."""

from __future__ import annotations

from tests.loadtests.conftest import stand_in

__all__ = ["stand_in"]
