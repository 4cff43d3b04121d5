"""Secrets: a corpus of texts as runs, servers and clouds write them; none keeps its secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import behind_server, failed_at, sweep, write_run
from synthetic_runs import facts as run_facts

from resolution_eval import cli
from resolution_eval.ground.redaction import STRUCK, redacted, redacted_within
from resolution_eval.jobs.job import _public

# built of parts, so that no scanner takes this file for a leak
X20, X36, X40 = "aB3dE6gH9jK2mN5pQ8sT", "aB3dE6gH9jK2mN5pQ8sTuV1wX4yZ7bC0dE3f", "aB3dE6gH9j" * 4
PEM = f"-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIE{X40}\n{X40}==\n-----END RSA {'PRIVATE'} KEY-----"

SECRET = "s3cretV4lue"
HEX = "9f86d081884c7d659a2feaa0c55ad015"
BARE = f"-----BEGIN {'PRIVATE'} KEY-----", f"-----END {'PRIVATE'} KEY-----"
CORPUS: tuple[tuple[str, str], ...] = (
    # passwords in addresses
    (f"postgres://me:{SECRET}@db/x", SECRET),
    (f"base_url=https://me:p/{SECRET}@host/v1,max_new_tokens=4", SECRET),
    (f"base_url=https://me:p@{SECRET}@host/v1", SECRET),
    (f"redis://:{SECRET}@localhost:6379/0", SECRET),
    (f"https://me:a,{SECRET}@host/v1", SECRET),
    (f"https://{SECRET}@host/v1", SECRET),
    (f"git+https://oauth2:{SECRET}@gitlab.com/x/y.git", SECRET),
    (f"http://proxy-user:{SECRET}#1@10.0.0.1:3128", SECRET),
    # names
    *((f"{name}={SECRET}", SECRET) for name in ("pwd", "DB_PASS", "passphrase", "pg_pwd", "pat")),
    *((f"{name}: {SECRET}", SECRET) for name in ("api_key", "X-Api-Key", "client_secret", "token")),
    (f"--token {SECRET} --model x", SECRET),
    (f"--hf-token={SECRET}", SECRET),
    (f'{{"api_key": "{SECRET}", "n": 1}}', SECRET),
    (json.dumps(json.dumps({"api_key": SECRET})), SECRET),
    (json.dumps(json.dumps(json.dumps({"password": SECRET}))), SECRET),
    (json.dumps({"password": f"a,b {SECRET}"}), SECRET),
    (f"'hf_token': '{SECRET}'", SECRET),
    (f"OPENAI_API_KEY={SECRET} python x.py", SECRET),
    (f"AZURE_OPENAI_KEY={SECRET}", SECRET),
    (f"machine hub login me password {SECRET}", SECRET),
    # headers
    (f"Bearer {SECRET}", SECRET),
    (f"the server refused Bearer {SECRET}.", SECRET),
    (f"Authorization: Bearer {SECRET}", SECRET),
    (f"Authorization: Basic bWU6{SECRET}==", SECRET),
    (f'Authorization: Digest username="me", response={SECRET}', SECRET),
    (f"Cookie: session=1; id={SECRET}", SECRET),
    (f"{{'Authorization': 'Bearer {SECRET}'}}", SECRET),
    (f"proxy-authorization: {SECRET}", SECRET),
    # signed addresses
    (f"https://s3.amazonaws.com/b/k?X-Amz-Signature={SECRET}&x=1", SECRET),
    (f"https://s3.amazonaws.com/b/k?X-Amz-Credential={SECRET}%2Fus", SECRET),
    (f"https://s3.amazonaws.com/b/k?X-Amz-Security-Token={SECRET}", SECRET),
    (f"https://x.blob.core.windows.net/c/b?sv=2024&se=2026&sig={SECRET}%3D", SECRET),
    (f"https://storage.googleapis.com/b/o?GoogleAccessId=a&Signature={SECRET}", SECRET),
    (f"https://d.cloudfront.net/k?Expires=1&Key-Pair-Id={SECRET}", SECRET),
    # by their form alone
    *(
        (f"said {begin}{X40} and ended", X40)
        for begin in (
            *("gsk_", "nvapi-", "r8_", "npm_", "pypi-", "ya29.", "hf_", "sk-", "sk-ant-api03-"),
            *("xai-", "ghp_", "github_pat_", "glpat-", "xoxb-", "AIza", "dapi", "dckr_pat_"),
            *("hvs.", "GOCSPX-", "eyJ"),
        )
    ),
    *((f"id {begin}{'ABCD' * 4} ", "ABCD" * 4) for begin in ("AKIA", "ASIA")),
    (f"{PEM}\nafter", X40),
    (json.dumps({"key_file": PEM}), X40),
    (f"-----BEGIN OPENSSH {'PRIVATE'} KEY-----\n{X40}", X40),
    # what detect-secrets knows besides
    (f"https://hooks.slack.com/services/T{X20[:8]}/B{X20[:8]}/{X20}", X20),
    (f"DefaultEndpointsProtocol=https;AccountKey={X40 + X40 + 'abcdef'}==", X40),
    (f"mailchimp {'0a' * 16}-us12", "0a" * 16),
    (f"telegram 123456789:{X36[:35]}", X36[:35]),
    (f"SG.{X20}ab.{X36}abcdefg", X36),
    # in queries and fragments
    *((f"https://x.org/v1?{name}={SECRET}&a=1", SECRET) for name in ("key", "apikey", "hf_token")),
    (f"https://x.org/#access_token={SECRET}&expires_in=3600", SECRET),
    (f"https://x.azurewebsites.net/api?code={SECRET}==", SECRET),
    (f"otpauth://totp/x?secret={X20}", X20),
    # passwords of connections
    (f"postgres://me:s%40cret{X20}@db/x", X20),
    (f"mongodb+srv://me:{SECRET}@c.x.net/?retryWrites=true", SECRET),
    (f"jdbc:mysql://h/db?user=me&password={SECRET}", SECRET),
    (f"Driver=x;Server=y;UID=me;PWD={SECRET};", SECRET),
    (f"Endpoint=sb://x.net/;SharedAccessKeyName=Root;SharedAccessKey={X40}=", X40),
    (f"SharedAccessSignature=sv=2022&sig={X40}%3D;BlobEndpoint=x", X40),
    # in other notations
    (f"{BARE[0]}\\nMIIE{X40}\\n{BARE[1]}\\n", X40),
    (f"{BARE[0]}\\nMIIE{X40}\\n", X40),
    (f"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{X40}\n{BARE[1]}", X40),
    (json.dumps(json.dumps({"private_key": f"{BARE[0]}\nMIIE{X40}\n{BARE[1]}\n"})), X40),
    (json.dumps({"type": "service_account", "private_key_id": HEX}), HEX),
    (json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": f"bWU6{X20}"}}}), X20),
    (json.dumps({"api_keys": [SECRET, "b"]}), SECRET),
    (json.dumps({"name": "API_KEY", "value": SECRET}), SECRET),
    (f"password: >-\n  {SECRET}\n", SECRET),
    (f"api_key: |\n  {SECRET}\n", SECRET),
    (f"<password>{SECRET}</password>", SECRET),
    (f'<add key="ApiKey" value="{SECRET}"/>', SECRET),
    (f"password => '{SECRET}'", SECRET),
    (f"%22api_key%22%3A%22{SECRET}%22", SECRET),
    (f"api_key%3D{SECRET}", SECRET),
    (f"client-key-data: {X40}", X40),
    (f"//registry.npmjs.org/:_authToken={SECRET}", SECRET),
    (f"Private-Lines: 1\n{X40}\nPrivate-MAC: 00", X40),
    # as clients show their headers
    (f"Headers([('authorization', 'Bearer {SECRET}')])", SECRET),
    (f"(b'x-api-key', b'{SECRET}')", SECRET),
    (f"('x-api-key', '{SECRET}')", SECRET),
    (f"curl -H 'X-Api-Key: {SECRET}' https://x", SECRET),
    (f"Ocp-Apim-Subscription-Key: {HEX}", HEX),
    (f"ApiKey {X40}", X40),
    # on command lines
    (f"curl -u me:{SECRET} https://x.org", SECRET),
    (f"curl --user me:{SECRET} https://x.org", SECRET),
    (f"docker login -u me -p {SECRET} reg", SECRET),
    (f"sshpass -p {SECRET} ssh host", SECRET),
    (f"helm registry login -u me -p {SECRET} reg", SECRET),
    ("curl -u admin:123456 https://x.org", "123456"),
    (f"mysql -u root -p{SECRET} db", SECRET),
    (f"wandb login {HEX}{HEX[:8]}", HEX),
    # in sentences
    (f"Incorrect API key provided: {SECRET}.", SECRET),
    (f"the password is {SECRET}", SECRET),
    # addresses that are secrets
    (f"https://discord.com/api/webhooks/123456789012345678/{X40}", X40),
    (f"https://x.webhook.office.com/webhookb2/{HEX}/IncomingWebhook/{HEX}", HEX),
    # more forms
    *(
        (f"said {begin}{X40} and ended", X40)
        for begin in (
            *(
                "sk-or-v1-",
                "sk-proj-",
                "sk-svcacct-",
                "pplx-",
                "whsec_",
                "sq0csp-",
                "HRKU-",
                "fm2_",
            ),
            *(
                "secret_",
                "dp.pt.",
                "glsa_",
                "NRAK-",
                "pul-",
                "lsv2_pt_",
                "glcbt-64_",
                "xoxe.xoxp-1-",
            ),
            *("sntrys_", "lin_api_", "ghs_", "tgp_v1_"),
        )
    ),
    (f"key-{HEX}", HEX),
    (f"s.{X20}abcd", X20),
    (f"pat{X20[:14]}.{HEX}{HEX}", HEX),
    (f"pat-na1-{HEX[:8]}-1111-2222-3333-{HEX[:12]}", HEX[:8]),
    (f"bce-v3/ALTAK-{X20}/{HEX}", HEX),
    # names with a number or a place behind them, in camel case, as an index, in other languages
    *(
        (f"{name}={SECRET}", SECRET)
        for name in (
            *("API_KEY_2", "OPENAI_API_KEY_PROD", "SECRET_KEY_BASE", "MY_KEY_1", "token2"),
            *("tokenValue", "passwordHash", "otp"),
        )
    ),
    (f"AccountName=x;AccountKey={X40}{X40}==;EndpointSuffix=core", X40),
    (f"os.environ['HF_TOKEN'] = '{SECRET}'", SECRET),
    *((f"{word}: {SECRET}", SECRET) for word in ("Passwort", "mot de passe", "contraseña", "密码")),
    (f"пароль={SECRET}", SECRET),
    (f"password：{SECRET}", SECRET),
    (f"<Password>\n{SECRET}\n</Password>", SECRET),
    # in shells and dockerfiles
    *((f"{begin} HF_TOKEN {SECRET}", SECRET) for begin in ("setenv", "ENV", "set -x", "set -gx")),
    (f"redis-cli -h x -a {SECRET}", SECRET),
    (f"vault login {X36}", X36),
    (f"ngrok authtoken {X36}", X36),
    (f"gh auth login --with-token <<< {SECRET}", SECRET),
    (f"http --auth me:{SECRET} x.org", SECRET),
    (f"requests.get(u, auth=('me', '{SECRET}'))", SECRET),
    # addresses within addresses, and more of their parameters
    (f"https%3A%2F%2Fme%3A{SECRET}%40x.org%2Fv1", SECRET),
    (f"https://x.org/?next=https%3A%2F%2Fy.org%3Fsig%3D{SECRET}%26a%3D1", SECRET),
    *((f"https://x.org/?{name}={SECRET}", SECRET) for name in ("ticket", "sessionid", "q-ak")),
)


@pytest.mark.parametrize(("text", "secret"), CORPUS)
def test_no_text_keeps_its_secret(text: str, secret: str) -> None:
    said = redacted(text)
    assert secret not in said and STRUCK in said
    assert redacted(said).count(STRUCK) >= 1 and secret not in redacted(said)


@pytest.mark.parametrize(
    "text",
    [
        "pretrained=Qwen/Qwen2-VL-2B-Instruct,revision=895c3a49bc3fa70a340399125c650a463535e71c",
        "max_new_tokens=64,batch_size=8,tokens=12,visual_tokens: 256",
        "sha256:78557e4759134e35b14344f366446cfb00881068a4cbcc36eeea0a7517930c21",
        "https://github.com/org/repo@v1.2 and http://localhost:8000/v1",
        "base_url=http://127.0.0.1:8000/models/a@b",
        "the key of the map, a basic knowledge of tokens, passed: 3",
        "CUDA out of memory. Tried to allocate 20.00 MiB",
        "image token <image> is not in the prompt",
        "/data/sk-learn/examples and co_occurrence of findings",
        "docker run --rm --user 1000:1000 -p 8000:8000 vllm/vllm-openai",
        "podman build . && mkdir -p /data/out",
        "the password is wrong, the token was not found",
        "image token <image_token> is not in the prompt",
        "visual_tokens=[12, 13], tokens: [1, 2]",
        "ssh -p 22 host; git -p log; missing key(s) in state_dict: a.weight",
        "/data/secret_santa/images, ('keys', 'values')",
        "max_tokens=64, MAX_TOKEN_COUNT=3, pad_token_id=0, token_type_ids: x, monkey=3, turkey: x",
        "https://x.org/?page=2&id=3 and set -e HOME x, session=1, key_points: many",
        "KeyError: 'abc' and the keyboard: x",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_struck_document_is_still_json() -> None:
    document = {"password": "a\\b", "args": json.dumps({"api_key": SECRET, "n": [1]}), "n": 2}
    found = json.loads(redacted(json.dumps(document)))
    assert found["n"] == 2 and json.loads(found["args"])["n"] == [1]
    assert SECRET not in str(found)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        *("sk-" * 60_000, "co_" * 60_000, "a://b:" * 30_000, "login a " * 20_000, "\\" * 100_000),
        *(
            "a.b." * 40_000,
            "<key " * 40_000,
            "api_key:[" * 20_000,
            "%22" * 60_000,
            "key: |\n" * 20_000,
            "auth=('" * 20_000,
            "a_key_1" * 20_000,
            "%3A%2F%2Fa" * 20_000,
        ),
    ],
)
def test_a_long_text_is_read_in_time(text: str) -> None:
    assert len(redacted(text)) <= 3 * len(text)


TOLD = f"at https://me:{SECRET}@host/v1, api_key={SECRET}"
"""What a stranger's server, checkpoint or folder may say of itself."""


def leaking(folder: Path) -> Path:
    """A run whose every text that is free holds a secret."""
    lines = behind_server(sweep({"28": 0.4, "64": 0.8}, samples=12))
    lines = failed_at(lines, {"tile-1"}, "28")
    for each in lines:
        each["attestation"] |= {"notes": [TOLD], "evidence": TOLD}
        if each["attestation"].get("served"):
            each["attestation"]["served"] |= {"rule": TOLD, "model": TOLD, "fingerprint": TOLD}
        if each["verdict"]["failure"]:
            each["verdict"]["failure"]["message"] = TOLD
    told = run_facts(revision=None, evidence=TOLD, training_data=TOLD, writing=TOLD, probes=[TOLD])
    told["data"] |= {"notes": [TOLD], "excluded": [{"item": TOLD, "reason": TOLD}], "source": TOLD}
    told["versions"] |= {"torch": TOLD}
    lines[0]["run"] = told

    def change(results: dict[str, Any]) -> None:
        results["config"] |= dict.fromkeys(
            ("model", "model_args", "batch_size", "gen_kwargs", "device"), TOLD
        )
        results |= {"git_hash": TOLD, "lmms_eval_version": TOLD, "model_name": TOLD}
        results["configs"]["synthetic_res"]["generation_kwargs"] = {"until": [TOLD]}

    return write_run(folder, lines, change=change)


def test_nothing_that_is_written_of_a_run_holds_its_secrets(tmp_path: Path) -> None:
    leaking(tmp_path / "run")
    out = tmp_path / "out"
    assert cli.main(["record", str(tmp_path / "run"), "--output", str(out / "records")]) == 0
    records = str(out / "records")
    assert cli.main(["report", records, "--output", str(out / "report.html")]) == 0
    written = [path for path in out.rglob("*") if path.is_file()]
    assert {path.suffix for path in written} >= {".json", ".parquet", ".html"}
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path
    (document,) = (out / "records").glob("*.json")
    assert document.read_text(encoding="utf-8").count(STRUCK) >= 10
    import pyarrow.parquet as parquet

    (answers,) = (out / "records").glob("*.parquet")
    assert SECRET not in str(parquet.read_table(answers).to_pylist())


@pytest.mark.parametrize(
    "value", ["correct horse battery", "a,b", 12345678, ["abc123xyz", "zzz"], {"value": "abc123"}]
)
def test_whatever_stands_under_a_secrets_name_is_struck(value: object) -> None:
    assert redacted_within({"password": value, "n": 2}) == {"password": STRUCK, "n": 2}


def test_what_only_reads_like_a_secrets_name_stays() -> None:
    kept = {"pad_token": "<pad>", "sort_key": "id", "answer_key": "B", "password": None, "a=b": "c"}
    assert redacted_within(kept) == kept


def test_an_argument_that_holds_its_own_value_is_no_name_of_the_next() -> None:
    argv = ["env", "CUDA_VISIBLE_DEVICES=0", "HF_TOKEN=abc123", "python", "--api_key", "x y"]
    struck = ["env", "CUDA_VISIBLE_DEVICES=0", f"HF_TOKEN={STRUCK}", "python", "--api_key", STRUCK]
    assert _public(argv) == struck
