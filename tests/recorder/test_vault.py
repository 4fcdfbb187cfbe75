from pathlib import Path

import pytest

from recorder.vault import (
    UnknownSecret,
    Vault,
    VaultUnreadable,
    environment,
    header_secrets,
    option_secrets,
    secret_name,
)


def test_a_value_keeps_one_name_and_names_follow_the_field() -> None:
    vault = Vault()
    assert vault.seal("one") == {"secret": "PASSWORD_1"}
    assert vault.seal("two") == {"secret": "PASSWORD_2"}
    assert vault.seal("one", field="Confirm") == {"secret": "PASSWORD_1"}
    assert vault.seal("three", field="Current pass-word!") == {"secret": "CURRENT_PASS_WORD_1"}
    assert vault.seal("four", field="密码") == {"secret": "SECRET_1"}
    assert vault.seal("five", field="2fa") == {"secret": "SECRET_2FA_1"}
    assert vault.open({"secret": "PASSWORD_2"}) == "two"
    assert "one" not in repr(vault)


@pytest.mark.parametrize(
    "reference", ["PASSWORD_1", {"secret": "NONE_1"}, {"secret": "x; y"}, None]
)
def test_what_is_not_in_the_vault_is_an_error(reference: object) -> None:
    with pytest.raises(UnknownSecret):
        Vault({"PASSWORD_1": "x"}).open(reference)


def test_only_names_of_the_right_shape_are_references() -> None:
    assert secret_name({"secret": "A_1"}) == "A_1"
    for value in (
        {"secret": "a"},
        {"secret": 'A"'},
        {"secret": "A", "x": 1},
        "A",
        None,
        {"secret": 1},
    ):
        assert secret_name(value) is None


def test_the_file_is_unreadable_without_its_key(tmp_path: Path) -> None:
    key, path = Vault.new_key(), tmp_path / "vault.json"
    Vault({"PASSWORD_1": "hunter-two"}).write(path, key=key)
    assert b"hunter-two" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert Vault.read(path, key=key).values == {"PASSWORD_1": "hunter-two"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["vault.json"]
    with pytest.raises(VaultUnreadable):
        Vault.read(path, key=Vault.new_key())


def test_sealed_for_the_database_and_back() -> None:
    stored = Vault({"PASSWORD_1": "hunter-two"}).sealed()
    assert "hunter-two" not in str(stored)
    assert Vault.unsealed(stored).values == {"PASSWORD_1": "hunter-two"}


def test_keep_only_forgets_the_rest() -> None:
    vault = Vault({"A_1": "a", "B_1": "b"})
    vault.keep_only({"B_1"})
    assert vault.values == {"B_1": "b"}


def test_secrets_of_options() -> None:
    options = {
        "http_credentials": {"username": "bob", "password": "pw"},
        "extra_headers": {"X-Token": "t", "x_token": "u", "X-Token-Two": "v"},
        "locale": "de",
    }
    assert option_secrets(options) == {
        "HTTP_USERNAME": "bob",
        "HTTP_PASSWORD": "pw",
        "HEADER_X_TOKEN": "t",
        "HEADER_X_TOKEN__2": "u",
        "HEADER_X_TOKEN_TWO": "v",
    }
    assert header_secrets(options["extra_headers"])["x_token"] == "HEADER_X_TOKEN__2"
    assert option_secrets({}) == {}
    assert environment({"A_1": "x"}) == {"TAPEDECK_SECRET_A_1": "x"}
