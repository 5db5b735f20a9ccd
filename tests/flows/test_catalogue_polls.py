"""Every poll of every file of the catalogue, present and future: its sample tells what is new by a time or a growing number."""

import pytest

from blubees.connectors.catalogue import list_catalogue, load_connector
from blubees.flows.asking import News
from blubees.flows.asking_action import _order, _tell_news
from blubees.model.connector import PollRule

NOW = 1_796_000_000_000


def list_polls() -> list[tuple[str, PollRule, object]]:
    found = []
    for name in list_catalogue():
        connector = load_connector(name)
        assert connector is not None
        polls = [(trigger, each) for trigger, each in connector.triggers.items() if each.poll is not None]
        found += [(f"{name}.{trigger}", each.poll, each.sample) for trigger, each in polls if each.poll is not None]
    return [each for each in found if not each[1].taken_by]  # what is taken away is news whenever it is there


@pytest.mark.parametrize(("rule", "sample"), [pytest.param(rule, sample, id=name) for name, rule, sample in list_polls()])
def test_a_sample_is_news_once(rule: PollRule, sample: object) -> None:
    news = _tell_news(rule, [sample], "", NOW, is_passed_over=False)
    assert isinstance(news, News)
    assert [item for _, item in news.items] == [sample]
    assert _order(news.cursor)[0] < 2, "neither a time nor a number"
    again = _tell_news(rule, [sample], news.cursor, NOW * 2, is_passed_over=False)
    assert again == News((), news.cursor)
