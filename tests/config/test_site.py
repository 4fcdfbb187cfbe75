"""The admin site looks for its pages when it needs them."""

import threading
from unittest.mock import Mock

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group

from config.site import ConsoleSite


def test_pages_are_sought_once_and_when_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    seek = Mock()
    monkeypatch.setattr(admin, "autodiscover", seek)
    site = ConsoleSite()
    assert not seek.called
    assert not site.is_registered(Group)
    assert not site.is_registered(Group)
    assert seek.call_count == 1


def test_a_page_that_can_not_be_imported_is_told_of_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admin, "autodiscover", Mock(side_effect=[ImportError, ImportError, None]))
    site = ConsoleSite()
    for _ in range(2):
        with pytest.raises(ImportError):
            site.is_registered(Group)
    assert not site.is_registered(Group)


def test_others_wait_until_all_pages_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    site = ConsoleSite()

    def seek() -> None:
        begun.set()
        assert go_on.wait(5)
        site.register(Group)

    monkeypatch.setattr(admin, "autodiscover", seek)
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.append(site.is_registered(Group))) for _ in range(2)
    ]
    threads[0].start()
    assert begun.wait(5)
    threads[1].start()
    threads[1].join(0.1)
    assert found == []
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert found == [True, True]
