"""Kustomizations as a source of a workload: which program builds them, when they are built again, what is refused."""

import pytest

from flotilla.stack import ConfigError, parse_fleet
from flotilla.stack.files import ManifestFiles
from flotilla.workloads.notices import rendered_notices
from flotilla.workloads.objects import manifests_of
from tests.renderers import Programs

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAMEconfig}\ndata: {a: b}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: NAMEweb}\nspec: {ports: [{port: 80}]}\n"


@pytest.fixture
def tools(tmp_path, monkeypatch):
    return Programs(tmp_path / "bin", monkeypatch, "kustomize")


@pytest.fixture
def place(project):
    write(project / "app" / "base", "resources: [config.yaml, service.yaml]\n")
    (project / "app" / "base" / "config.yaml").write_text(CONFIG_MAP)
    (project / "app" / "base" / "service.yaml").write_text(SERVICE)
    write(project / "app" / "overlays" / "prod", "resources: [../../base]\nnamePrefix: prod-\n")
    return project


def write(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(text)


@pytest.fixture
def declared(place, sections, tools):
    def read(path="app/overlays/prod", base=None, **more):
        sections["workloads"] = [{"name": "shop", "placement": {}, "kustomize": {"path": path}, **more}]
        files = ManifestFiles(base or place)
        fleet = parse_fleet(sections, base=base or place, manifests=files)
        return manifests_of(fleet.workloads[0], files), rendered_notices(fleet, files)

    return read


def refused(declared, *arguments, **more):
    with pytest.raises(ConfigError) as caught:
        declared(*arguments, **more)
    (problem,) = caught.value.problems
    return str(problem)


def names(objects):
    return [f"{one['kind']} {one['metadata']['name']}" for one in objects]


def test_overlay_is_declared_as_its_objects(declared, tools, place):
    objects, notices = declared()
    assert names(objects) == ["ConfigMap prod-config", "Service prod-web"]
    assert notices == []
    assert [call.arguments for call in tools.calls] == [
        ["version"],
        ["build", str(place / "app" / "overlays" / "prod")],
    ]


def test_kubectl_builds_it_if_kustomize_is_missing(declared, tools, monkeypatch):
    tools.remove("kustomize")
    tools.install("kubectl")
    asked = []

    def kubectl(arguments, _variables, **_bounds):
        from flotilla.kube.children import Ended

        asked.append(arguments[1:2])
        return Ended(0, CONFIG_MAP.encode(), b"", late=False)

    monkeypatch.setattr("flotilla.kube.children.bounded", kubectl)
    assert names(declared()[0]) == ["ConfigMap NAMEconfig"]
    assert asked == [["version"], ["kustomize"]]


def test_missing_programs_are_one_line(declared, tools):
    tools.remove("kustomize")
    line = refused(declared)
    assert line.startswith(
        "workloads[0].kustomize: needs the kustomize or the kubectl command, and neither is on the PATH"
    )
    assert "install kustomize 5.0 or newer" in line


@pytest.mark.parametrize("file", ["app/overlays/prod/kustomization.yaml", "app/base/config.yaml", "app/base/new.yaml"])
def test_kustomization_is_built_again_only_if_a_file_of_it_or_a_base_changes(declared, tools, place, file):
    first = declared()
    tools.calls.clear()
    assert declared() == first
    assert tools.calls == []
    with (place / file).open("a") as stream:
        stream.write("# changed\n")
    declared()
    assert len(tools.of("build")) == 1


def test_changed_line_changes_only_its_object(declared, place):
    before, _ = declared()
    (place / "app" / "base" / "config.yaml").write_text(CONFIG_MAP.replace("a: b", "a: c"))
    after, _ = declared()
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, False]


def test_another_checkout_with_the_same_files_has_the_same_key(declared, place, tmp_path):
    import shutil

    from flotilla.stack.workloads import Workload
    from flotilla.workloads.sources.renderings import Renderings

    other = tmp_path / "other"
    shutil.copytree(place / "app", other / "app")
    workload = Workload.model_validate({"name": "a", "placement": {}, "kustomize": {"path": "app/overlays/prod"}})
    assert Renderings(place).key(workload) == Renderings(other).key(workload)


def test_remote_base_without_a_fixed_version_is_reported(declared, place):
    pinned = "https://github.com/example/app//base?ref=v1.2.3"
    floating = "https://github.com/example/app//base"
    write(place / "app" / "overlays" / "prod", f"resources: ['{pinned}', '{floating}']\n")
    _, notices = declared()
    (notice,) = notices
    assert notice.startswith(
        f"workload shop: {floating}: fetched once and then cached until a file of the kustomization "
    )
    assert notice.endswith("name a commit or a tag (`?ref=`), so that every machine builds the same")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("app", "has no kustomization.yaml; there would be nothing to run; give the folder of a kustomization"),
        ("nothing", "has no kustomization.yaml"),
        ("app/base/config.yaml", "has no kustomization.yaml"),
        ("a\0b", "has no kustomization.yaml"),
    ],
)
def test_folder_without_a_kustomization_is_refused(declared, tools, path, wanted):
    line = refused(declared, path)
    assert line.startswith("workloads[0].kustomize.path:")
    assert wanted in line
    assert tools.calls == []


def test_error_of_kustomize_is_one_line(declared, place):
    write(place / "app" / "base", "resources: [missing.yaml]\n")
    line = refused(declared)
    assert "kustomize build: accumulating resources: missing.yaml: no such file or directory" in line
    assert line.endswith("there would be nothing to run; correct the kustomization")


def test_build_output_must_be_objects(declared, place):
    (place / "app" / "base" / "service.yaml").write_text("kind: Service\nmetadata: {name: a}\n")
    assert "what kustomize built: a document has no apiVersion, line" in refused(declared)


def test_kustomization_in_the_project_folder_is_refused_if_the_project_is_large(declared, place, tools, monkeypatch):
    monkeypatch.setattr("flotilla.workloads.sources.inputs.MOST_FILES", 3)
    (place / "kustomization.yaml").write_text("resources: [app/base]\n")
    line = refused(declared, ".")
    assert "has more than 3 files and folders below it" in line
    assert "give the kustomization a folder with nothing else in it" in line
    assert tools.calls == []
