"""Fixtures that several tests of trust share."""

import pytest
from tests.trust.forked import Forks
from tests.trust.test_checkpoints import SHORT


@pytest.fixture(scope="package")
def images():
    """The images of short runs."""
    return SHORT.load()


@pytest.fixture(scope="package")
def forks():
    """The process from which commands are forked."""
    found = Forks()
    yield found
    found.close()


@pytest.fixture
def count(capsys):
    """Called with what was counted: a line that `make trust` collects."""

    def told(line):
        with capsys.disabled():
            print(f"\ncount: {line}")

    return told
