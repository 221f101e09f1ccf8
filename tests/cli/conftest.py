"""What checks JSON schemas, for the tests of configurations."""

import importlib

import pytest


@pytest.fixture(scope="session")
def json_schema() -> type:
    """Return the validator of JSON schemas. Its import builds grammars, which takes a second."""
    return importlib.import_module("jsonschema").Draft202012Validator
