"""Kubeconfigs as kubectl reads them: which are refused, with which message, and which are accepted."""

import json

import pytest
from yaml import safe_dump as dump

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.kube import kubeconfig, yaml
from flotilla.kube.kubeconfig import KubeconfigError


def document(cluster=None, user=None, **more):
    return {
        "current-context": "x",
        "clusters": [{"name": "a", "cluster": {"server": "https://192.0.2.1:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "a", "user": "u"}}],
        **more,
    }


def refusal(content, tmp_path):
    file = tmp_path / "config"
    file.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    with pytest.raises(KubeconfigError) as caught:
        kubeconfig.checked(kubeconfig.select(kubeconfig.read(file), base=tmp_path))
    assert "\n" not in caught.value.message
    return caught.value.message


ENTRY = {"name": "a", "cluster": {"server": "https://192.0.2.2:6443"}}
SHAPES = [
    (document(clusters=[ENTRY, ENTRY]), "the name 'a' occurs twice in 'clusters'"),
    (document(users=[{"name": "u", "user": {"token": "1"}}] * 2), "the name 'u' occurs twice in 'users'"),
    (document(contexts=[{"name": "x", "context": {"cluster": "a"}}] * 2), "the name 'x' occurs twice in 'contexts'"),
    (document(contexts=[{"context": {"cluster": "a"}}]), "contexts[0] has no name"),
    (document(contexts=[{"name": "x"}]), "the context 'x' names no cluster"),
    (document(contexts=[{"name": "x", "context": "a"}]), "contexts[0].context must be a mapping"),
    (document(contexts=["x"]), "contexts[0] must be a mapping"),
    (document(contexts={"x": "a"}), "'contexts' must be a list"),
    (document(**{"current-context": ""}), "no context is named and the kubeconfig has no current one; it has x"),
    (document(**{"current-context": "y"}), "no context 'y'; the kubeconfig has x"),
    (document(**{"current-context": True}), "current-context is a boolean and must be a text"),
    (document(users=None), "refers to user 'u', which the kubeconfig doesn't have; it has none"),
    (document(contexts=[{"name": True, "context": {"cluster": "a"}}]), "contexts[0].name is a boolean"),
    (document(contexts=[{"name": "x", "context": {"cluster": "b"}}]), "refers to cluster 'b'"),
    ({"clusters": {}}, "it has no list 'clusters'"),
    ("a: [", "is not valid YAML: line 2, column 1"),
    ("", "is not a kubeconfig"),
]


@pytest.mark.parametrize(("content", "said"), SHAPES, ids=[said for _, said in SHAPES])
def test_file_that_kubectl_refuses_is_refused_with_a_clear_message(content, said, tmp_path):
    assert said in refusal(content, tmp_path)


PEM = "LS0t"
CREDENTIALS = [
    (
        {"insecure-skip-tls-verify": True, "certificate-authority-data": PEM},
        {},
        "together with a certificate authority",
    ),
    ({"insecure-skip-tls-verify": "yes"}, {}, "must be true or false"),
    ({"certificate-authority-data": "%%%"}, {}, "certificate-authority-data is not base64"),
    ({"certificate-authority": "gone.crt"}, {}, "certificate-authority {folder}/gone.crt can't be read: no such file"),
    ({"certificate-authority": "/dev/zero"}, {}, "it is a device"),
    ({"proxy-url": "socks5://127.0.0.1:1080"}, {}, "proxy-url has no scheme http or https (socks5 is not supported"),
    ({"server": 5}, {}, "clusters[0].cluster.server is a number and must be a text"),
    ({}, {"client-certificate-data": PEM}, "a client certificate without a key"),
    ({}, {"client-key-data": "%%%", "client-certificate-data": PEM}, "client-key-data is not base64"),
    ({}, {"client-key": "gone.key", "client-certificate-data": PEM}, "client-key {folder}/gone.key can't be read"),
    ({}, {"token": "hunter2\n2"}, "token has a line break"),
    ({}, {"token": 12345}, "users[0].user.token is a number and must be a text: quote it"),
    ({}, {"token": "hunter2", "username": "me", "password": "hunter2"}, "only one way to authenticate"),
    ({}, {"auth-provider": {"name": "gcp"}}, "auth-provider, which client-go no longer has"),
    ({}, {"token": "hunter2", "as": "admin", "as-groups": ["a"]}, "impersonates another (as, as-groups)"),
    ({}, {"exec": "aws"}, "exec must be a mapping"),
    ({}, {"exec": {"apiVersion": "client.authentication.k8s.io/v1"}}, "exec has no command"),
    ({}, {"exec": {"command": "aws", "apiVersion": "v1"}}, "exec has no apiVersion of client.authentication"),
    (
        {},
        {"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1", "args": [1]}},
        "exec.args must be a list of texts",
    ),
]


@pytest.mark.parametrize(("cluster", "user", "said"), CREDENTIALS, ids=[said for *_, said in CREDENTIALS])
def test_invalid_credentials_are_refused_without_printing_them(cluster, user, said, tmp_path):
    found = refusal(document(cluster, user), tmp_path)
    assert said.format(folder=tmp_path) in found
    assert "hunter2" not in found


def test_paths_are_relative_to_the_kubeconfigs_folder_as_in_client_go(tmp_path):
    (tmp_path / "ca.crt").write_text("CA")
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/login"}
    content = document({"certificate-authority": "ca.crt"}, {"tokenFile": "token", "exec": plugin})
    chosen = kubeconfig.select(content, base=tmp_path)
    user = chosen["users"][0]["user"]
    assert chosen["clusters"][0]["cluster"]["certificate-authority-data"] == "Q0E="
    assert user["tokenFile"] == str(tmp_path / "token")
    assert user["exec"]["command"] == str(tmp_path / "bin" / "login")
    on_path = kubeconfig.select(document({}, {"exec": {**plugin, "command": "aws"}}), base=tmp_path)
    assert on_path["users"][0]["user"]["exec"]["command"] == "aws"
    absolute = kubeconfig.select(document({}, {"exec": {**plugin, "command": "/bin/aws"}}), base=tmp_path)
    assert absolute["users"][0]["user"]["exec"]["command"] == "/bin/aws"


def test_file_that_kubectl_accepts_is_accepted_unchanged():
    anonymous = document(users=None, contexts=[{"name": "x", "context": {"cluster": "a", "user": ""}}])
    assert kubeconfig.select(anonymous)["users"] == [{"name": "x", "user": {}}]
    extras = {"server": "https://[2001:db8::10]:6443/k8s/c-m-1/", "tls-server-name": "one", "proxy-url": "http://p:1"}
    assert kubeconfig.select(document(extras))["clusters"][0]["cluster"] == extras


def test_list_of_files_is_refused_with_the_reason(tmp_path):
    with pytest.raises(KubeconfigError, match="is a list of files, as KUBECONFIG may be: name one file"):
        kubeconfig.read(tmp_path / "a.yaml:b.yaml")


@pytest.fixture
def validate(project, sections, repository, capsys):
    """Run `validate` on a stack with some sections; return its output."""
    (project / "Pulumi.yaml").write_text((repository / "Pulumi.yaml").read_text())
    (project / "stacks").mkdir()

    def run(changed, code=ExitCode.USAGE):
        config = {f"flotilla:{key}": value for key, value in {**sections, **changed}.items()}
        (project / "stacks" / "Pulumi.dev.yaml").write_text(json.dumps({"config": config}))
        assert main(["validate", "-C", str(project), "-s", "dev"]) == code
        said = capsys.readouterr()
        return said.err + said.out

    return run


def test_published_cases_are_one_line_each(validate, repository, sections):
    folder = repository.parent / "shared" / "cases" / "15-kubeconfig-names" / "kube"
    if not folder.is_dir():
        pytest.skip("not beside the checkout: shared/cases (kubeconfigs)")
    said = {}
    for file in sorted(folder.glob("*.yaml")):
        taken = file.stem in ("empty-user", "trailing-slash")
        members = [sections["members"][0], {"name": "member2", "kubeconfig": str(file)}]
        said[file.stem] = validate({"members": members}, ExitCode.DONE if taken else ExitCode.USAGE)
    assert "occurs twice in 'clusters'" in said["duplicate-context"]
    assert "contexts[0] has no name" in said["no-name"]
    assert "names no cluster" in said["no-context"]
    assert "line 5" in said["no-current"]  # kubectl, too, reads `name: y` as a boolean
    assert not any("Traceback" in text for text in said.values())


def test_two_members_with_the_same_server_are_refused(validate, project):
    one, two = ({"name": name, "kubeconfig": "member1.yaml"} for name in ("member1", "member2"))
    said = validate({"members": [one, two]})
    assert "members[1].kubeconfig: leads to the same server as members[0]; one cluster can't join twice" in said
    written = (project / "member1.yaml").read_text()
    (project / "other.yaml").write_text(written.replace("127.0.0.1:2", "127.0.0.1:2/").replace("one", "another"))
    said = validate({"members": [one, {**two, "kubeconfig": "other.yaml"}]})
    assert "leads to the same server as members[0]" in said
    said = validate({"members": [one, {**two, "kubeconfig": "kube.yaml"}]})
    assert "same server as controlPlane; Karmada itself can't be one of its members" in said


@pytest.mark.parametrize(
    "server", ["https://[::1", "https://a b", "https://:6443", "10.0.0.1:6443", "https://a:99999", ""]
)
def test_server_that_is_no_url_is_refused(validate, project, server, sections):
    (project / "odd.yaml").write_text(json.dumps(document({"server": server})))
    said = validate({"members": [sections["members"][0], {"name": "member2", "kubeconfig": "odd.yaml"}]})
    assert "members[1].kubeconfig: its cluster's server" in said


def test_merging_into_a_file_with_a_duplicate_name_is_refused(tmp_path):
    file = tmp_path / "config"
    file.write_text(json.dumps(document(clusters=[ENTRY, ENTRY])))
    with pytest.raises(KubeconfigError, match="occurs twice"):
        kubeconfig.merged(file, kubeconfig.select(document()))
    assert yaml.load(file.read_text())["clusters"] == [ENTRY, ENTRY]


def test_same_content_is_written_once_and_equally_for_any_order_and_shared_parts(monkeypatch):
    """Every run writes each member's kubeconfig several times. Regression: large certificates made that slow."""
    written = []
    monkeypatch.setattr(kubeconfig, "safe_dump", lambda *a, **kw: written.append(a) or dump(*a, **kw))
    part = {"server": "https://192.0.2.77:6443"}
    apart = {"b": dict(part), "a": [dict(part)]}
    texts = {kubeconfig.dump(one) for one in ({"a": [part], "b": part}, apart, apart)}
    assert texts == {dump(apart, sort_keys=True)}
    assert len(written) == 1
