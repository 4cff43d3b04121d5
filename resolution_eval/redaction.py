"""Secrets struck out of what a record repeats: keys, tokens and passwords in arguments and URLs."""

from __future__ import annotations

import re

STRUCK = "[REDACTED]"

_NAMED = re.compile(
    r"""(?P<name>(?<![\w-])[\w-]*(?:api[_-]?key|access[_-]?key|secret(?:[_-]?key)?|password|passwd
        |credentials?|authorization|auth|bearer|(?:^|(?<=[^a-z]))key|token)["']?\s*[=:]\s*["']?)
        (?P<value>(?:bearer|basic)\s+[^,"'&\s}]+|[^,"'&\s}]+)""",
    re.IGNORECASE | re.VERBOSE,
)
"""A value behind a name that ends in one of these words: api_key=..., "hf_token": "..."."""
_OPTION = re.compile(
    r"(?P<name>(?:^|(?<=\s))--[\w-]*(?:api[_-]?key|secret(?:[_-]?key)?|password|passwd|token)\s+)"
    r"(?P<value>(?!-)\S+)",
    re.IGNORECASE,
)
"""A value that follows an option of such a name on a command line: --token ..."""
_USER = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,20}://)[^/@\s,\"']{1,500}@", re.IGNORECASE)
"""The user and password of a URL."""
_SIGNED = re.compile(
    r"(?P<name>[?&;][\w.-]*(?:sig|signature|signed|expires|policy|key-pair-id|code)=)[^&\s,\"']+",
    re.IGNORECASE,
)
"""What signs an address: ?X-Amz-Signature=..., &sig=..."""
_FORMS = re.compile(
    r"\b(?:hf_|sk-|sk_|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|AIza|eyJ)[\w.-]{12,}"
)
"""Tokens that are known by how they begin, wherever they stand."""


def redacted(text: str) -> str:
    """`text` with its secrets replaced.

    Example:
        >>> redacted("model=gpt,api_key=abc123,max_new_tokens=64,base_url=https://me:pw@host/v1")
        'model=gpt,api_key=[REDACTED],max_new_tokens=64,base_url=https://[REDACTED]@host/v1'
    """
    struck = _USER.sub(rf"\g<scheme>{STRUCK}@", text)
    struck = _NAMED.sub(rf"\g<name>{STRUCK}", struck)
    struck = _OPTION.sub(rf"\g<name>{STRUCK}", struck)
    struck = _SIGNED.sub(rf"\g<name>{STRUCK}", struck)
    return _FORMS.sub(STRUCK, struck)
