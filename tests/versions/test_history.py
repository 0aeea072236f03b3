"""What was applied is compared with what the code holds."""

from __future__ import annotations

import pytest

from aaiclick.errors import MissingVersionError
from aaiclick.versions.history import ReleaseHistory, check_applied


def test_a_table_that_is_called_like_a_number_is_no_version() -> None:
    for recorded in (
        '{"level 5":"2","level form 5":"2","level t":"1"}',
        '{"\u00b2":"x","form \u00b2":"x"}',
        "[5]",
        "{",
    ):
        check_applied("app", recorded, 9, ReleaseHistory())
    for key in ("5", "form 5"):
        check_applied("app", f'{{"{key}":"x"}}', 4, ReleaseHistory())
        with pytest.raises(MissingVersionError, match="app v5"):
            check_applied("app", f'{{"{key}":"x"}}', 9, ReleaseHistory())
