"""An MLflow store of a project's own, as in the tests of tracking."""

from tests.base.conftest import client, fresh_store, root

__all__ = ["client", "fresh_store", "root"]
