"""Secrets struck out of what is written: keys, tokens and passwords, wherever a text repeats them.

Three looks, one after the other: what stands behind a name or in a place that tells (api_key=,
Authorization:, the user part of a URL, what signs it); what the detectors of detect-secrets know;
and tokens that tell by how they begin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any

STRUCK = "[REDACTED]"

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|^[A-Za-z0-9+/=\s\\]*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
    r"|(?<=Private-Lines: ).*?(?=Private-MAC:|\Z)",
    re.DOTALL,
)
"""A private key, whole or cut short at either end."""
_HEADER = re.compile(
    r"(?P<name>\b(?:proxy-)?authorization:\s*|\b(?:set-)?cookie:\s*)"
    r"(?P<value>digest [^\r\n]+|[^\r\n\"'}]+)",
    re.IGNORECASE,
)
"""A header that is a secret up to its end."""
_WORDS = r"""(?:(?:api[ _-]?key|access[_-]?key|secret(?:[_-]?key)?|password|private[_-]?key
      |(?:access|auth|hf|api|refresh)[_-]?token)(?:[_-]\w{1,12}|Value|Hash|\d{1,3})?
    |api[ _-]?key|access[_-]?key(?:[_-]?id)?|secret(?:[_-]?key)?|password|passwd
    |passphrase|pwd|pass|credentials?|authorization|auth|bearer|cookie|private[_-]?key(?:[_-]?id)?
    |signature|jwt|pat|(?:api|access|secret)[_-]?keys|passwords|secrets|key[_-]?data
    |(?:^|(?<=[^a-z])|(?<=[a-z])(?-i:(?=K)))key(?:_\d{1,3})?|token(?:\d{1,3}|Value)?|otp
    |passwort|kennwort|mot[ ]de[ ]passe|contrase\u00f1a|senha
    |\u043f\u0430\u0440\u043e\u043b\u044c|\u5bc6\u7801|\u5bc6\u94a5|\u53e3\u4ee4
    |\u30d1\u30b9\u30ef\u30fc\u30c9)"""
"""What a secret is called, the same with the number or the place that several have, and the word
for it in other languages."""
_NAMED = re.compile(
    rf"""(?P<name>(?<![\w.-])[\w.-]*{_WORDS}(?:\\*["'])?\]?\s*(?:=>|[=:\uff1a\uff1d])\s*)
        (?: (?P<quote>\\*["'])(?P<quoted>.+?)(?P=quote)
          | (?:\\*["'])?(?P<value>(?:bearer|basic)\s+[^,"'&\s}}]+
              |(?:[^,"'&\s}}\\]|\\(?!\\*["']))+))""",
    re.IGNORECASE | re.VERBOSE,
)
"""A value behind a name that ends in one of these words: api_key=..., \\"hf_token\\": \\"...\\"."""
_SPREAD = re.compile(
    rf"""(?P<name>(?<![\w.-])[\w.-]{{0,80}}{_WORDS}
        (?:(?:\\*["'])?\s*[=:]\s*(?=\[)
          |["']?\s*:\s*[|>][+-]?[ ]*\n\s*
          |(?:%22|%27)?(?:%3D|%3A)(?:%20|\+)*(?:%22|%27)?)
      |\(b?["'][\w.-]{{0,80}}{_WORDS}["']\s*,\s*(?=b?["'])
      |\b(?:key|name)\\*["']?\s*[:=]\s*\\*["'][\w.-]{{0,80}}{_WORDS}\\*["']
        \s*,?\s*\\*["']?value\\*["']?\s*[:=]\s*(?=\\*["']))
        (?P<value>\[[^\]\n]*\]|b?(?P<mark>\\*["'])[^"'\n]+(?P=mark)
          |(?:[^<\s&"'%,]|%(?!22|26|27|2C|7D)[0-9A-F]{{2}})+)""",
    re.IGNORECASE | re.VERBOSE,
)
"""The same in a list, over lines of YAML, in a pair of Python's, in a pair of name and value, and
written for an address: api_keys: [...], ('x-api-key', '...'), api_key%3D..."""
_XML = re.compile(
    rf"""(?P<name><[\w:.-]{{0,80}}{_WORDS}(?:\s[^>\n]{{0,80}})?>)(?P<value>[^<]{{1,500}})(?=</)""",
    re.IGNORECASE | re.VERBOSE,
)
_SHELL = re.compile(
    r"""(?P<name>\s(?:-u|-U|--user|--proxy-user)\s+["']?(?!\d+:\d+(?:["'\s]|$))[^\s:"']+:
        |\b(?:(?:docker|podman|helm|skopeo)\s+(?:registry\s+)?login|sshpass|mysql\w*|mariadb)\b
          [^\n;&|]{0,200}?\s-p\s*["']?
        |\b(?:login|key)\s+(?=[0-9a-f]{40,})
        |\b(?:vault\s+login|authtoken)\s+(?=\S*\d)|--with-token\s*<<<\s*["']?
        |\bredis-cli\b[^\n;&|]{0,200}?\s-a\s+
        |(?:\s--auth|\bhttps?\s[^\n;&|]{0,200}?-a)\s+["']?[^\s:"']+:(?!//)
        |\bauth\s*=\s*\(b?["'][^"'\n]{0,80}["']\s*,\s*b?["']
        |\b(?:setenv|ENV|set\s+-\w+)\s+\w*(?:KEY|TOKEN|SECRET|PASSWORD)\s+["']?)
        (?P<value>[^\s"']+)""",
    re.VERBOSE,
)
"""What programs are told on a command line without a name: -u me:..., sshpass -p ..."""
_SAID = re.compile(
    r"(?P<name>\b(?:api[ _-]?key|password|passphrase|secret|token)\s+(?:is|was|provided|given|used)"
    r"\s*[:=]?\s*[\"'`]?)(?P<value>(?=\S{0,80}\d)[^\s\"'`]{6,})",
    re.IGNORECASE,
)
"""What a sentence tells: Incorrect API key provided: ..."""
_OPTION = re.compile(
    r"(?P<name>(?:^|(?<=\s))--?[\w-]*(?:api[_-]?key|secret(?:[_-]?key)?|password|passwd|pwd|token)"
    r"\s+)(?P<value>(?!-)\S+)",
    re.IGNORECASE,
)
"""A value that follows an option of such a name on a command line: --token ..."""
_SCHEME = re.compile(
    r"(?P<name>\b(?:bearer\s+(?=\S{6,})|(?:basic|token|apikey)\s+(?=[\w+/.~=-]{8,})(?=\S*[\d=])))"
    r"(?P<value>[\w+/.~=-]+)",
    re.IGNORECASE,
)
"""What follows the name of a way to sign in: Bearer ..."""
_ENCODED = re.compile(
    r"(?P<name>%3A%2F%2F)(?P<value>[^\s\"'&%]{0,200}%3A(?:[^\s\"'&%]|%(?!40|2F))+)(?=%40)",
    re.IGNORECASE,
)
"""User and password of a URL that is itself written for another's query."""
_NETRC = re.compile(r"(?P<name>\blogin\s+\S+\s+password\s+)(?P<value>\S+)", re.IGNORECASE)
_PASSWORD = re.compile(
    r"(?P<name>\b[a-z][a-z0-9+.-]{0,20}://)"
    r"(?P<value>[^\s/:@,\"']{0,200}:(?!\d{1,5}(?:/|$))(?:[^\s,\"'<>]{0,500}|[^\s\"'<>]{0,500}?))@",
    re.IGNORECASE,
)
"""User and password of a URL; the password may hold `/`, `@` and `,` of its own."""
_USER = re.compile(
    r"(?P<name>\b[a-z][a-z0-9+.-]{0,20}://)(?P<value>[^/@\s,\"']{1,500})@", re.IGNORECASE
)
"""The user, or a token in its place, of a URL."""
_SIGNED = re.compile(
    r"(?P<name>(?:[?&;]|%3F|%26)[\w.-]*(?:sig|signature|signed|expires|policy|key-pair-id|code"
    r"|credential|token|accesskeyid|accessid|hmac|auth|sas|ticket|session(?:[_-]?id)?|sid|pw|otp"
    r"|-ak)(?:=|%3D))(?P<value>(?:[^&\s,\"'%]|%(?!26))+)",
    re.IGNORECASE,
)
"""What signs an address: ?X-Amz-Signature=..., &sig=..."""
_PLACES = (_NETRC, _SIGNED, _ENCODED)
_FORMS = re.compile(
    r"\b(?:(?:hf_|sk-|sk_|gsk_|nvapi-|xai-|pplx-|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|A(?:KIA"
    r"|SIA|BIA|CCA)|AIza|ya29\.|GOCSPX-|eyJ|dckr_pat_|hvs\.|hvb\.|AGE-SECRET-KEY-)[\w.-]{12,}"
    r"|(?:r8_|npm_|pypi-|rk_|pk_live_|tgp_v1_|fw_|jina_|tvly-|gl(?:dt|ft|rt|soat|ptt|agent|oas)-"
    r"|xapp-|glcbt-|whsec_|sq0[a-z]{3}-|HRKU-|secret_|dp\.(?:pt|st|ct|sa|scim|audit)\.|glsa_|glc_"
    r"|NRAK-|pat-(?:na|eu)\d-|pul-|fm[12]_|lsv2_(?:pt|sk)_|key-(?=[0-9a-f]{32}\b)"
    r"|pat(?=\w{14}\.[0-9a-f]{64})|s\.(?=[A-Za-z0-9]{24}\b)(?=[a-z\d]*[A-Z])(?=\D*\d)"
    r"|1//0|dapi|dop_v1_|shp(?:at|ca|ss)_|lin_api_|ntn_|figd_|PMAK-|SG\.|sntrys_|ops_|vercel_"
    r"|wandb_v1_|api_org_|co_|ATATT|ATCTT)(?=[\w.-]{0,80}[\dA-Z])[\w.-]{12,}|bce-v3/[\w./-]{12,})={0,2}"
)
"""Tokens that are known by how they begin, wherever they stand: of the second
kind, which words may begin with too, those that hold a digit or a capital."""
_HOOK = re.compile(
    r"(?P<name>https://(?:[\w.-]*discord(?:app)?\.com/api/webhooks/|[\w.-]+\.webhook\.office\.com/"
    r"|hooks\.slack\.com/|[\w.-]+\.logic\.azure\.com[:/]|open\.feishu\.cn/open-apis/bot/))"
    r"(?P<value>[^\s\"'<>]+)",
    re.IGNORECASE,
)
"""Addresses that are secrets themselves: who knows one may write there."""
_NAME = re.compile(r"[\w.-]+")
_HARMLESS = re.compile(
    r"(?:(?:^|_)(?:pad|bos|eos|unk|cls|sep|mask|image|video|audio|start|end|begin|stop|special)_tokens?"
    r"|(?:^|_)(?:sort|answer|group|label|index|primary|foreign)_keys?)$",
    re.IGNORECASE,
)
"""Names that read like those of secrets, of a tokenizer's signs and a table's columns."""
_WINDOW, _OVERLAP = 2_000, 500
"""Characters that a detector is shown at once, since its time may grow with their square, and how
many of them again: no secret that it knows is longer."""
_LOOSE = frozenset({"Artifactory Credentials", "Public IP (ipv4)", "Secret Keyword"})
"""Detectors that take words for secrets; names are looked at above."""


def redacted(text: str) -> str:
    """`text` with its secrets replaced.

    Example:
        >>> redacted("model=gpt,api_key=abc123,max_new_tokens=64,base_url=https://me:pw@host/v1")
        'model=gpt,api_key=[REDACTED],max_new_tokens=64,base_url=https://[REDACTED]@host/v1'
        >>> redacted("Authorization: Bearer abc")
        'Authorization: [REDACTED]'
        >>> redacted("postgres://me:p/w@rd@db/x")
        'postgres://[REDACTED]@db/x'
    """
    struck = _PEM.sub(STRUCK, text)
    struck = _PASSWORD.sub(rf"\g<name>{STRUCK}@", struck)
    struck = _USER.sub(rf"\g<name>{STRUCK}@", struck)
    struck = _HEADER.sub(_behind, struck)
    for pattern in (_HOOK, _SHELL, _SPREAD, _XML, _NAMED, _OPTION, _SAID, _SCHEME, *_PLACES):
        struck = pattern.sub(_behind, struck)
    struck = _FORMS.sub(STRUCK, struck)
    for secret in _detected(struck):
        struck = struck.replace(secret, STRUCK)
    return struck


def redacted_value(name: str, value: object) -> str:
    """`value` as text, without its secrets; it is one itself where `name` says so.

    Example:
        >>> redacted_value("api_key", "abc 123"), redacted_value("pad_token", "<pad>")
        ('[REDACTED]', '<pad>')
    """
    return STRUCK if _names_secret(name) else redacted(str(value))


@lru_cache(maxsize=1024)
def _names_secret(name: str) -> bool:
    """Whether what stands under a name is a secret, whatever it is."""
    return (
        bool(_NAME.fullmatch(name))
        and not _HARMLESS.search(name)
        and STRUCK in redacted(f"{name}=x")
    )


def redacted_within(value: Any) -> Any:
    """`value` with the secrets of every text in its lists and tables replaced, and whatever stands
    under a secret's name but a yes, a no or nothing.

    Example:
        >>> redacted_within({"notes": ["api_key=abc123"], "api_key": "abc123", "n": 2})
        {'notes': ['api_key=[REDACTED]'], 'api_key': '[REDACTED]', 'n': 2}
    """
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {
            name: STRUCK
            if each and not isinstance(each, bool) and _names_secret(str(name))
            else redacted_within(each)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted_within(each) for each in value]
    return value


def _behind(match: re.Match[str]) -> str:
    """The name that was found, and a mark in place of what stood behind it."""
    quote = match.groupdict().get("quote") or ""
    return f"{match['name']}{quote}{STRUCK}{quote}"


def _detected(text: str) -> Iterator[str]:
    """What the detectors of detect-secrets find, longest first."""
    parts = [text[i : i + _WINDOW] for i in range(0, len(text), _WINDOW - _OVERLAP)]
    secrets = {one for part in parts for detect in _detectors() for one in detect(part) if one}
    yield from sorted(secrets - {STRUCK}, key=len, reverse=True)


@cache
def _detectors() -> tuple[Callable[[str], Any], ...]:
    """The detectors that know a secret by its form: those of entropy would strike every digest."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector

    known: dict[str, Any] = get_mapping_from_secret_type_to_class()
    return tuple(
        made().analyze_string
        for name, made in sorted(known.items())
        if issubclass(made, RegexBasedDetector) and name not in _LOOSE
    )
