"""State files with any content lead to a snapshot or to one of our own errors."""

import json

from hypothesis import given
from hypothesis import strategies as st

from flotilla.errors import FlotillaError
from flotilla.state import reading
from flotilla.state.checkpoint import Snapshot, secrets_salt
from tests import rounds
from tests.unit.fuzzing import ANYTHING, damaged, fuzz, mutated

CRYPTER = rounds.crypter("unit")
URN = "urn:pulumi:dev::flotilla::kubernetes:core/v1:ConfigMap::a"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": CRYPTER.encrypt(json.dumps("hunter2"))}
STATE = {
    "version": 3,
    "checkpoint": {
        "stack": "organization/flotilla/dev",
        "latest": {
            "manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""},
            "secrets_providers": {"type": "passphrase", "state": {"salt": CRYPTER.state}},
            "resources": [
                {"urn": "urn:pulumi:dev::flotilla::pulumi:pulumi:Stack::flotilla-dev", "custom": False,
                 "type": "pulumi:pulumi:Stack"},
                {"urn": URN, "custom": True, "id": "default/a", "type": "kubernetes:core/v1:ConfigMap",
                 "inputs": {"data": {"k": SECRET}}, "outputs": {"data": {"k": SECRET}},
                 "parent": "urn:pulumi:dev::flotilla::pulumi:pulumi:Stack::flotilla-dev",
                 "dependencies": [], "propertyDependencies": {"data": []},
                 "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z"},
            ],
            "pending_operations": [],
        },
    },
}  # fmt: skip


def json_text(value):
    return json.dumps(value, default=str)


TEXTS = st.one_of(
    st.text(max_size=60),
    ANYTHING.map(json_text),
    mutated(STATE).map(json_text),
    damaged(json.dumps(STATE)),
)


def test_state_before_mutation_is_valid():
    snapshot = reading.snapshot_of(reading.parse(json.dumps(STATE).encode(), "flotilla", "dev"), CRYPTER)
    assert len(snapshot.resources) == 2


@fuzz(examples=250)
@given(TEXTS)
def test_any_state_gives_a_snapshot_or_is_refused(text):
    try:
        document = reading.parse(text.encode("utf-8", "surrogatepass"), "flotilla", "dev")
        assert isinstance(secrets_salt(document), str | None)
        snapshot = reading.snapshot_of(document, CRYPTER)
    except FlotillaError as error:
        assert "hunter2" not in error.message  # noqa: PT017 - an error is as good an answer as a snapshot
        return
    assert isinstance(snapshot, Snapshot)
    assert reading.count_of(document) == len(snapshot.resources)
