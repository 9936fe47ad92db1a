"""What tests of the guest languages share."""

from tests.sdk.building import workshop

__all__ = ["workshop"]
