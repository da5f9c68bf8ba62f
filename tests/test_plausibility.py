import pytest

from reader.plausibility import DECREASED, TOO_LARGE_INCREASE, implausibility


@pytest.mark.parametrize(
    ("text", "previous", "most", "expected", "why"),
    [
        ("00123.456", "123.4", None, None, "more than before"),
        ("00123.4", "00123.400", None, None, "the same: nothing was used"),
        ("00123.4", "123.5", None, DECREASED, "less, by a decimal"),
        ("00124", 123.5, "1", None, "a number instead of text"),
        ("00125", "123", "2", None, "exactly the most"),
        ("00125.001", "123", "2", TOO_LARGE_INCREASE, "a little more than the most"),
        ("0.3", "0.1", "0.2", None, "decimal arithmetic: 0.3 - 0.1 is 0.2 here"),
        ("00003", "99998", "10", None, "counted through zero, by 5"),
        ("00003", "99998", None, DECREASED, "through zero only where the most is known"),
        ("00003", "99998", "4", DECREASED, "through zero would be more than the most"),
        ("003", "1998", "10", DECREASED, "the last reading has more digits than this counter"),
        ("0012x", "12", None, ValueError, "an unknown digit is no number"),
        ("123", "12,5", None, ValueError, "a comma"),
        ("123", "-1", None, ValueError, "negative"),
        ("123", "", None, ValueError, "nothing"),
        ("123", float("nan"), None, ValueError, "not a number"),
        ("123", True, None, ValueError, "a boolean"),
        ("123", "1e3", None, ValueError, "an exponent"),
        ("123", "1", "a", ValueError, "the most is no number"),
    ],
)
def test_implausibility(text, previous, most, expected, why):
    if expected is ValueError:
        with pytest.raises(ValueError, match=r"such as 123\.4"):
            implausibility(text, previous, most)
    else:
        assert implausibility(text, previous, most) == expected, why
