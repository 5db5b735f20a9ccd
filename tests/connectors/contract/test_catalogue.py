"""Every file of the catalogue, present and future: it is read, and sound."""

import pytest

from blubees.connectors.catalogue import list_catalogue, load_connector


def test_there_are_connectors() -> None:
    assert "slack" in list_catalogue()


def test_a_name_that_is_not_in_the_catalogue_gives_none() -> None:
    assert load_connector("../secrets") is None


@pytest.mark.parametrize("name", list_catalogue())
def test_a_file_of_the_catalogue_is_sound(name: str) -> None:
    connector = load_connector(name)  # tells all that is wrong, with lines
    assert connector is not None
    assert connector.name == name
    assert connector.source == "catalogue"
    assert connector.actions
