"""What tests of the guest languages share."""

import pytest

from tests.python_functions.prepared import python_cache, python_ready
from tests.sdk.building import workshop

__all__ = ["python_cache", "python_ready", "workshop"]


@pytest.fixture(autouse=True)
def _python_is_ready(request: pytest.FixtureRequest) -> None:
    """Tests that run a function in Python find its interpreter made."""
    of = getattr(request.node, "callspec", None)
    if of is not None and of.params.get("lang") == "python" and "workshop" in request.fixturenames:
        request.getfixturevalue("python_ready")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test that needs Python waits for its interpreter to be made and compiled."""
    for item in items:
        of = getattr(item, "callspec", None)
        if of is not None and of.params.get("lang") == "python":
            item.add_marker(pytest.mark.timeout(400))
