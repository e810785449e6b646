"""A stand-in for the `sops` command: it decrypts what `sealed` has encrypted, and needs a key, as the real one does."""

import base64
import json
import stat
import sys

PROGRAM = """#!{python}
import base64, json, os, re, sys
import yaml
asked = sys.argv[1:]
with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "asked"), "a") as log:
    log.write(json.dumps({{"arguments": asked, "environment": dict(os.environ)}}) + "\\n")
if os.environ.get("STAND_IN_KEY") != "the-key":
    sys.stderr.write("Failed to get the data key required to decrypt the SOPS file.\\n\\nGroup 0: FAILED\\n")
    sys.exit(128)
def opened(value):
    if isinstance(value, dict):
        return {{key: opened(entry) for key, entry in value.items() if key != "sops"}}
    if isinstance(value, list):
        return [opened(entry) for entry in value]
    found = re.fullmatch(r"ENC\\[AES256_GCM,data:([^,]*),.*\\]", value) if isinstance(value, str) else None
    return base64.b64decode(found[1]).decode() if found else value
documents = list(yaml.safe_load_all(open(asked[-1])))
if asked[asked.index("--output-type") + 1] == "json":
    print(json.dumps(opened(documents[0])))
else:
    print(yaml.safe_dump_all([opened(one) for one in documents]))
"""


def install(folder):
    """Write the stand-in into a folder as `sops`; `asked(folder)` returns its runs."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "sops"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def asked(folder):
    """Return the arguments and the environment of each run."""
    log = folder / "asked"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def closed(value):
    """Return a value in the format of a value that SOPS has encrypted."""
    data = base64.b64encode(value.encode()).decode()
    return f"ENC[AES256_GCM,data:{data},iv:aXY=,tag:dGFn,type:str]"


def sealed(document, *parts, **keys):
    """Return a document with the values of some keys encrypted, and with the section `sops`."""
    section = {"age": [{"recipient": "age1x", "enc": "-----BEGIN AGE ENCRYPTED FILE-----"}], **keys}
    section |= {"lastmodified": "2026-01-01T00:00:00Z", "mac": closed("mac"), "version": "3.10.0"}
    result = {
        key: {name: closed(entry) for name, entry in value.items()} if key in parts else value
        for key, value in document.items()
    }
    return {**result, "sops": section}
