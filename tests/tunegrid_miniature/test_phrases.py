"""Every attribute is stated and asked in several forms."""

from tunegrid_miniature.phrases import ASK, SAY


def test_every_attribute_is_asked_in_several_forms() -> None:
    assert set(ASK["zh"]) == set(ASK["en"]) == set(SAY["zh"])
    assert len(ASK["zh"]) >= 20
    assert all(len(forms.split("|")) >= 3 for forms in ASK["zh"].values())
    assert all(len(forms.split("|")) >= 2 for forms in ASK["en"].values())
