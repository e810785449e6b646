"""A query of Prometheus in a gate: whether its result passes.

The API is Prometheus's `/api/v1/query` (https://prometheus.io/docs/prometheus/latest/querying/api/), which Thanos,
Mimir and VictoriaMetrics have as well. The result is interpreted as follows:

- It has to have at least one sample: an empty result doesn't pass.
- A query that compares (`a < 1`, `a < 1 and b > 0`) returns only samples for which the comparison is true: any sample
  passes.
- The values of any other query, and of a comparison with `bool`, pass if none of them is 0 or NaN.
"""

from __future__ import annotations

import math
import os
import re
import time
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3

from flotilla.kube.answers import Answer, UnexpectedAnswer, document, refuse_redirect, shortened
from flotilla.kube.children import PROMETHEUS_TOKEN
from flotilla.kube.secrecy import redacted, remember
from flotilla.kube.wire import CONNECT_SECONDS

_LARGEST_ANSWER = 2**22
_CHUNK = 2**16
# Texts, comments, and ranges in brackets: a `<` inside of them isn't a comparison. The same applies to matchers in
# braces.
_NOT_CODE = re.compile(
    r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*|\[[^\]]*\]""",
)
_MATCHERS = re.compile(r"\{[^}]*\}")
_TOKEN = re.compile(r"(?P<compare>==|!=|<=|>=|<|>)(?P<bool>\s*bool\b)?|(?P<open>\()|(?P<close>\))|(?P<word>[\w:.]+)|\S")
_BETWEEN = frozenset({"and", "or", "unless"})
"""Operators before and after which a parenthesis contains an expression rather than arguments."""


def judge_query(address: str, query: str, *, seconds: float) -> str:
    """Query Prometheus once; return why the result doesn't pass, or '' where it passes.

    Args:
        address: the address of Prometheus, such as `https://prometheus.example:9090/path`. Certificates are verified
            with the machine's certificate authorities, or with those in the file that SSL_CERT_FILE names.
        query: the query, in PromQL.
        seconds: the maximum time. If a bearer token is needed, the variable FLOTILLA_PROMETHEUS_TOKEN contains it.
    """
    try:
        answer = _query(address, query, seconds)
        refuse_redirect(answer)
        return _judged(answer, filters=_filters(query))
    except _Refused as error:
        return str(error)
    except UnexpectedAnswer as error:
        return f"answered with {error}, which is not Prometheus's API"
    except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
        return f"gave no answer: {_why(error)}"


class _Refused(Exception):
    """A result that doesn't pass, or no result at all."""


def _query(address: str, query: str, seconds: float) -> Answer:
    where = urlsplit(address)
    if where.scheme not in ("http", "https") or not where.hostname:
        raise _Refused("its address isn't an http:// or https:// address")
    token = os.environ.get(PROMETHEUS_TOKEN, "").strip()
    if token and not (token.isascii() and token.isprintable()):
        raise _Refused(f"{PROMETHEUS_TOKEN} contains a line break or another character that isn't allowed in a header")
    remember(token)
    headers = {"accept": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    end = time.monotonic() + seconds
    url = f"{where.scheme}://{where.netloc.rpartition('@')[2]}{where.path.rstrip('/')}/api/v1/query"
    with urllib3.PoolManager(retries=False, cert_reqs="CERT_REQUIRED") as pool:
        response = pool.request(
            "GET",
            f"{url}?{urlencode({'query': query})}",
            headers=headers,
            timeout=urllib3.Timeout(connect=min(seconds, CONNECT_SECONDS), read=seconds),
            preload_content=False,
            redirect=False,
        )
        try:
            body = _body(response, end, seconds)
        finally:
            response.close()
    found = {key.lower(): value for key, value in response.headers.items()}
    return Answer(response.status, body, found, str(response.reason or ""))


def _body(response: urllib3.BaseHTTPResponse, end: float, seconds: float) -> bytes:
    body = b""
    while part := response.read1(_CHUNK, decode_content=True):
        body += part
        if len(body) > _LARGEST_ANSWER:
            raise _Refused(f"its answer has more than {_LARGEST_ANSWER >> 20} MiB: ask for fewer series")
        if time.monotonic() > end:
            raise _Refused(f"its answer was not complete within {seconds:g} s")
    return body


def _judged(answer: Answer, *, filters: bool) -> str:
    refused = answer.status >= HTTPStatus.BAD_REQUEST
    try:
        content = document(answer)
    except UnexpectedAnswer:
        if not refused:
            raise
        content = {}
    if refused or content.get("status") != "success":
        why = ": ".join(str(content[key]) for key in ("errorType", "error") if content.get(key))
        how = f"refused the query with HTTP {answer.status}" if refused else "did not answer the query"
        return f"{how}: {shortened(redacted(why), 200)}" if why else how
    data = content.get("data")
    if not isinstance(data, dict):
        raise UnexpectedAnswer("JSON without data")
    return _result(str(data.get("resultType")), data.get("result"), filters=filters)


def _result(kind: str, result: Any, *, filters: bool) -> str:
    if not isinstance(result, list):
        raise UnexpectedAnswer("JSON without a result")
    if kind == "scalar":
        result = [{"value": result}]
    elif kind != "vector":
        return f"the query gives a {shortened(kind)}; a gate needs one value for each series (an instant vector)"
    if not result:
        return "the result is empty: the condition isn't true, or there is no such series"
    for sample in result:
        if not isinstance(sample, dict):
            raise UnexpectedAnswer("JSON with a sample that is no object")
        value = sample.get("value")
        number = _number(value[1]) if isinstance(value, list) and len(value) > 1 else math.nan
        if math.isnan(number) or (number == 0 and not filters):
            shown = "no number" if math.isnan(number) else "0"
            return f"the value{_series(sample.get('metric'))} is {shown}"
    return ""


def _number(text: Any) -> float:
    """Return a sample's value, which Prometheus writes as a text: `1.5`, `NaN`, `+Inf`."""
    try:
        return float(text)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _series(metric: Any) -> str:
    if not isinstance(metric, dict) or not metric:
        return ""
    labels = ", ".join(f"{key}={value}" for key, value in metric.items())
    return f" of {shortened('{' + labels + '}', 150)}"


def _filters(query: str) -> bool:
    """Return whether a query consists of comparisons that filter: then only the existence of samples matters."""
    code = _MATCHERS.sub(" ", _NOT_CODE.sub(" ", query))
    depth = 0
    before = ""
    for token in _TOKEN.finditer(code):
        if token["close"]:
            depth = max(0, depth - 1)
        elif token["open"]:
            opens_arguments = (before not in _BETWEEN and before.replace("_", "a").isalnum()) or before == ")"
            depth += 1 if depth or opens_arguments else 0
        elif token["compare"] and not depth and not token["bool"]:
            return True
        before = token[0].lower()
    return False


def _why(error: BaseException) -> str:
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "its name can't be resolved"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "nothing answers at its address"
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return "it took too long"
    if "certificate" in str(error).lower():
        return f"its certificate can't be verified ({shortened(str(error), 150)})"
    return shortened(str(error), 150) or type(error).__name__
