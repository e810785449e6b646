"""Components of your own. Flotilla's are in `flotilla_project.components`."""
