"""What several tests of trust need."""

import pytest
from tests.trust.forked import Forks


@pytest.fixture(scope="package")
def forks():
    """The process from which commands are forked."""
    found = Forks()
    yield found
    found.close()
