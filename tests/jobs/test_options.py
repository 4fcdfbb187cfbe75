"""Options: camelCase or snake_case in, every unfit field named, secrets sealed."""

import pytest
from rest_framework import serializers

from jobs.options import clean_options
from jobs.registry import InvalidOptions
from jobs.secrets import MASK, is_sealed, masked, unseal


class Credentials(serializers.Serializer):
    user_name = serializers.CharField()
    password = serializers.CharField()


class Options(serializers.Serializer):
    page_limit = serializers.IntegerField(min_value=1, max_value=10, default=3)
    start_url = serializers.URLField()
    api_token = serializers.CharField(write_only=True, required=False)
    http_credentials = Credentials(write_only=True, required=False)


def test_defaults_are_filled_in_and_either_spelling_is_read() -> None:
    expected = {"page_limit": 3, "start_url": "http://a.test/"}
    assert clean_options(Options, {"startUrl": "http://a.test/"}) == expected
    assert clean_options(Options, {"start_url": "http://a.test/"}) == expected


def test_every_wrong_field_is_named_as_it_was_given() -> None:
    with pytest.raises(InvalidOptions) as caught:
        clean_options(Options, {"startUrl": "nowhere", "page_limit": 11, "pageLimits": 2})
    assert set(caught.value.errors) == {"startUrl", "page_limit", "pageLimits"}
    assert "pageLimit" in caught.value.errors["pageLimits"][0]


def test_a_missing_field_is_named_as_the_wire_spells_it() -> None:
    with pytest.raises(InvalidOptions) as caught:
        clean_options(Options, {})
    assert set(caught.value.errors) == {"startUrl"}


@pytest.mark.parametrize("raw", [None, [], "x", 3])
def test_options_that_are_no_object_are_refused(raw: object) -> None:
    with pytest.raises(InvalidOptions):
        clean_options(Options, raw)  # type: ignore[arg-type]


def test_secrets_are_sealed_at_every_depth_and_shown_as_dots() -> None:
    values = clean_options(
        Options,
        {
            "startUrl": "http://a.test/",
            "apiToken": "t0ken",
            "httpCredentials": {"user_name": "ada", "password": "pass word"},
        },
    )
    assert "t0ken" not in str(values)
    assert "pass word" not in str(values)
    assert is_sealed(values["api_token"])
    assert unseal(values)["http_credentials"] == {"user_name": "ada", "password": "pass word"}
    assert masked(values)["api_token"] == MASK


def test_a_rerun_passes_sealed_options_through_and_still_checks_the_rest() -> None:
    first = clean_options(Options, {"startUrl": "http://a.test/", "apiToken": "t0ken"})
    assert unseal(clean_options(Options, first)) == unseal(first)
    with pytest.raises(InvalidOptions) as caught:
        clean_options(Options, {"api_token": first["api_token"]})
    assert set(caught.value.errors) == {"startUrl"}


def test_a_secret_sealed_with_another_key_names_its_field() -> None:
    with pytest.raises(InvalidOptions) as caught:
        clean_options(
            Options, {"startUrl": "http://a.test/", "apiToken": {"$sealed": "gAAAAABnotours"}}
        )
    assert "another key" in caught.value.errors["apiToken"][0]
