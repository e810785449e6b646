"""Images for the node, built from programs of this machine: one layer with all programs, under many names."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path

_APPLETS = ("sleep", "httpd", "cp", "mkdir", "sed", "tr", "echo", "cat", "ls", "base64", "true", "test")
_MEDIA = "application/vnd.oci.image"


def layer(programs: dict[str, Path], target: Path) -> None:
    """Write a layer with programs at their paths, the libraries that they load, and busybox's applets.

    Args:
        programs: paths in the image, with the paths on this machine.
        target: the tar file to write.
    """
    files = {place.lstrip("/"): source for place, source in programs.items()}
    for source in programs.values():
        for library in _libraries(source):
            files.setdefault(str(library).lstrip("/"), library)
    with tarfile.open(target, "w") as tar:
        for name in ("tmp", "etc", "opt", "var", "run", "proc", "sys", "dev"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        passwd = b"root:x:0:0:root:/:/bin/sh\n"
        info = tarfile.TarInfo("etc/passwd")
        info.size = len(passwd)
        tar.addfile(info, io.BytesIO(passwd))
        for place, source in sorted(files.items()):
            info = tar.gettarinfo(str(source.resolve()), place)
            info.mode, info.uid, info.gid, info.uname, info.gname = 0o755, 0, 0, "root", "root"
            with source.resolve().open("rb") as stream:
                tar.addfile(info, stream)
        for applet in _APPLETS:
            if f"bin/{applet}" not in files:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "/bin/busybox"
                tar.addfile(link)


def archive(content: Path, images: dict[str, list[str]], target: Path) -> None:
    """Write an OCI archive in which all images have the same single layer.

    Args:
        content: the layer's tar file.
        images: entrypoints by full name with tag; empty if pods have their own command.
        target: the archive to write.
    """
    blobs: dict[str, bytes | Path] = {}

    def blob(data: bytes | Path) -> tuple[str, int]:
        digest = hashlib.sha256()
        if isinstance(data, Path):
            with data.open("rb") as stream:
                while part := stream.read(1 << 22):
                    digest.update(part)
        else:
            digest.update(data)
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        blobs[digest.hexdigest()] = data
        return f"sha256:{digest.hexdigest()}", size

    layer_digest, layer_size = blob(content)
    manifests = []
    for name, entrypoint in images.items():
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": entrypoint, "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "User": "0"},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        }
        config_digest, config_size = blob(json.dumps(config).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": {"mediaType": f"{_MEDIA}.config.v1+json", "digest": config_digest, "size": config_size},
            "layers": [{"mediaType": f"{_MEDIA}.layer.v1.tar", "digest": layer_digest, "size": layer_size}],
        }
        digest, size = blob(json.dumps(manifest).encode())
        manifests.append(
            {
                "mediaType": f"{_MEDIA}.manifest.v1+json",
                "digest": digest,
                "size": size,
                "annotations": {"io.containerd.image.name": name},
            }
        )
    index = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    with tarfile.open(target, "w") as tar:
        _add(tar, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(tar, "index.json", index)
        for name, data in blobs.items():
            _add(tar, f"blobs/sha256/{name}", data)


def _add(tar: tarfile.TarFile, name: str, data: bytes | Path) -> None:
    if isinstance(data, Path):
        tar.add(data, name)
        return
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _libraries(program: Path) -> list[Path]:
    """Return the libraries that a program loads; none for a static program."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [Path(found) for found in re.findall(r"(?:=> )?(/\S+) \(0x", listed)]
