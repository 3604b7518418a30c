"""The generated tables of docs/ say what the code says. `make docs` renews them."""

import pytest

from tests.docs import generated


@pytest.mark.parametrize("name", generated.TABLES)
def test_the_table_is_up_to_date(name: str) -> None:
    file, make = generated.TABLES[name]
    page = (generated.DOCS / file).read_text()
    assert generated.with_table(page, name, make()) == page, f"docs/{file} is out of date: run `make docs`"


def test_every_setting_has_a_description() -> None:
    assert "|  |" not in generated.settings_table()
