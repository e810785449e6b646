"""Your own components. Flotilla's components are in `flotilla_project.components`."""
