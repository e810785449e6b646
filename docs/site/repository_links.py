"""Links to files of the repository that are no pages of the site."""

from __future__ import annotations

import posixpath
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform


class RepositoryLinks(SphinxTransform):
    """Points links to files and folders that are no pages to the repository, where its address is known.

    Elsewhere Sphinx copies the file into the site, and a folder's link is plain text.
    """

    default_priority = 5

    def apply(self) -> None:
        """Replace the links of one page."""
        root = Path(self.env.srcdir)
        for link in list(self.document.findall(addnodes.download_reference)):
            if self.config.repository_url:
                self._replace(link, "blob", self._path(link))
        for link in list(self.document.findall(addnodes.pending_xref)):
            path = self._path(link)
            if link.get("reftype") == "myst" and not link.get("refdomain") and (root / path).is_dir():
                self._replace(link, "tree", path)

    def _path(self, link: nodes.Element) -> str:
        folder = posixpath.dirname(self.env.docname)
        return posixpath.normpath(posixpath.join(folder, link["reftarget"]))

    def _replace(self, link: nodes.Element, kind: str, path: str) -> None:
        address = f"{self.config.repository_url}/{kind}/{self.config.repository_branch}/{path}"
        known = bool(self.config.repository_url)
        link.replace_self(nodes.reference("", "", *link.children, refuri=address) if known else link.children)
