"""Every published family's checkpoint, written and loaded once."""

import pytest

from published_checkpoints import Published
from published_families import FAMILIES


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """From the name of a profile to its tiny checkpoint on disk and to what loads from there."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = Published(name, tmp_path_factory.mktemp("hub"))
        return made[name]

    return make


@pytest.fixture(params=list(FAMILIES))
def family(request):
    """The name of a profile whose scores are read from states."""
    return request.param
