"""What may be a secret in a text, by kind."""

from __future__ import annotations

import pytest

from aaiclick.sql.secrets import without_secrets


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("SELECT encrypt('aes-256-ofb', b, 'K', 'iv')", "SELECT encrypt('aes-256-ofb', b, '[HIDDEN]', '[HIDDEN]')"),
        ("SELECT tryDecrypt('aes-256-gcm', b, unhex('4B'))", "SELECT tryDecrypt('aes-256-gcm', b, unhex('[HIDDEN]'))"),
        ("aes_decrypt_mysql('aes-128-ecb', b, $$K$$)", "aes_decrypt_mysql('aes-128-ecb', b, '[HIDDEN]')"),
        ("HMAC('sha256', b, 'K' || 'L')", "HMAC('sha256', b, '[HIDDEN]' || '[HIDDEN]')"),
        ("sipHash64Keyed((1, 2), 'x')", "sipHash64Keyed(('[HIDDEN]', '[HIDDEN]'), 'x')"),
        (
            "url('http://u:P@h:80/x?page=S&sig=T#f', 'CSV')",
            "url('http://u:[HIDDEN]@h:80/x?page=[HIDDEN]&sig=[HIDDEN]#f', 'CSV')",
        ),
        ("url('https://T@h/x')", "url('https://[HIDDEN]@h/x')"),
        ("URL('http://h/x', 'CSV', headers('A'='S'))", "URL('http://h/x', 'CSV', headers('A'='[HIDDEN]'))"),
        ("s3('https://h/k?X-Amz-Signature=S', 'CSV')", "s3('https://h/k?X-Amz-Signature=[HIDDEN]', 'CSV')"),
        ("s3Cluster('c', 'ID', 'KEY', 'CSV')", "s3Cluster('c', '[HIDDEN]', '[HIDDEN]', 'CSV')"),
        ("s3(named, url = 'x', secret_access_key = 'S')", "s3(named, url = 'x', secret_access_key = '[HIDDEN]')"),
        ("mysql('h:1', 'd', 't', 'u', 'P')", "mysql('h:1', 'd', 't', 'u', '[HIDDEN]')"),
        ("remote('h', d.t, 'u', 'P')", "remote('h', d.t, 'u', '[HIDDEN]')"),
        ("kafka_sasl_password='P', kafka_topic_list='t'", "kafka_sasl_password='[HIDDEN]', kafka_topic_list='t'"),
        (
            "SOURCE(HTTP(URL 'http://h/p?t=S' HEADERS(HEADER(NAME 'X' VALUE 'S'))))",
            "SOURCE(HTTP(URL 'http://h/p?t=[HIDDEN]' HEADERS(HEADER(NAME 'X' VALUE '[HIDDEN]'))))",
        ),
        (
            "AzureBlobStorage('AccountName=x;AccountKey=S;E=y')",
            "AzureBlobStorage('AccountName=x;AccountKey=[HIDDEN];E=y')",
        ),
        (
            "ALTER USER u IDENTIFIED WITH sha256_password BY 'P' HOST IP '::1'",
            "ALTER USER u IDENTIFIED WITH sha256_password BY '[HIDDEN]' HOST IP '::1'",
        ),
        ("CREATE NAMED COLLECTION c AS a = 'S' b = 'S", "CREATE NAMED COLLECTION c AS a = '[HIDDEN]' b = '[HIDDEN]'"),
        (
            "CREATE /* c */ NAMED -- d\nCOLLECTION c AS a = /* e */ 'S', b = $x$S S$x$, c = 5",
            "CREATE /* c */ NAMED -- d\nCOLLECTION c AS a = /* e */ '[HIDDEN]', b = '[HIDDEN]', c = '[HIDDEN]'",
        ),
        ("url('http://u:P@h/x' is no statement", "url('http://u:[HIDDEN]@h/x' is no statement"),
    ],
)
def test_hidden_by_kind(text: str, hidden: str) -> None:
    assert without_secrets(text) == hidden
    assert without_secrets(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (`token` String DEFAULT 'x' COMMENT 'the value', `password` Enum8('a' = 1)) ENGINE = MergeTree",
        "SELECT * FROM t WHERE token = 'x' AND value IN ('a') AND url = 'http://h/path/b'",
        "url('https://h/x.csv', 'CSV')",
        "-- 3 chunks of url",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert without_secrets(text) == text
