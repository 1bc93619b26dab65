"""The version of the installed package."""


def version_line() -> str:
    """Returns what --version prints, such as "corallite 0.1.0"."""
    # Imported late: it takes a tenth of the time of a start.
    import importlib.metadata

    return f"corallite {importlib.metadata.version('corallite')}"
