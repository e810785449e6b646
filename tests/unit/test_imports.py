"""No two files import each other: either could then not be read, tested or moved without the other."""

import grimp


def test_no_two_files_import_each_other():
    graph = grimp.build_graph("flotilla", "components")
    pairs = {
        tuple(sorted((one, other)))
        for one in graph.modules
        for other in graph.find_modules_directly_imported_by(one)
        if one in graph.find_modules_directly_imported_by(other)
    }
    assert pairs == set()
