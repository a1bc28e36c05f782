"""Codes of languages against the lists of the models, and identification on 72 languages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from enfold.errors import InputError, MissingExtra
from enfold.text.languages import (
    code_for,
    codes_of,
    identified_languages,
    identify_language,
    identify_languages,
    language,
)

UDHR = Path(os.environ.get("ENFOLD_DATA", "")) / "udhr"


def test_the_codes_are_those_of_the_models():
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M
    from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES as MBART
    from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB

    assert codes_of("m2m100") == tuple(sorted(M2M["m2m100"]))
    assert codes_of("mbart") == tuple(sorted(MBART))
    assert codes_of("nllb") == tuple(sorted(NLLB))


@pytest.mark.parametrize("code", ["en", "eng", "eng_Latn", "en_XX", "English", "english", "en-GB", "en_US", " EN "])
def test_a_language_goes_by_any_of_its_codes(code):
    found = language(code)
    assert (found.iso3, found.iso1, found.name) == ("eng", "en", "English")
    assert (found.m2m100, found.nllb, found.mbart) == ("en", "eng_Latn", "en_XX")


@pytest.mark.parametrize(
    ("code", "scheme", "wanted"),
    [
        ("zh", "nllb", "zho_Hans"),
        ("zho_Hant", "iso3", "cmn"),
        ("zho", "mbart", "zh_CN"),
        ("no", "m2m100", "no"),
        ("nb", "nllb", "nob_Latn"),
        ("nso", "m2m100", "ns"),
        ("fa", "nllb", "pes_Arab"),
        ("arb_Arab", "mbart", "ar_AR"),
        ("ara", "m2m100", "ar"),
        ("sw_KE", "nllb", "swh_Latn"),
        ("German", "iso1", "de"),
        ("iw", "m2m100", "he"),
        ("bjn", "nllb", "bjn_Latn"),
        ("kas_Deva", "iso1", "ks"),
    ],
)
def test_one_code_for_another(code, scheme, wanted):
    assert code_for(code, scheme) == wanted


def test_every_code_of_a_scheme_leads_back_to_itself():
    for scheme in ("m2m100", "nllb", "mbart", "iso1"):
        for code in codes_of(scheme):
            if (scheme, code) != ("m2m100", "ns"):
                assert code_for(code, scheme) == code
    assert code_for("ns", "m2m100") == "ns"


def test_what_is_not_there_is_named():
    with pytest.raises(InputError, match="no language 'Germn'; did you mean 'German'"):
        language("Germn")
    with pytest.raises(InputError, match="Esperanto .eo. has no code in m2m100"):
        code_for("eo", "m2m100")
    with pytest.raises(InputError, match="no scheme of codes 'nlb'; .*did you mean 'nllb'"):
        code_for("en", "nlb")
    with pytest.raises(InputError, match="no scheme of codes 'nlb'"):
        codes_of("nlb")


# ---- identification --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("All human beings are born free and equal in dignity and rights.", "en"),
        ("Alle Menschen sind frei und gleich an Würde und Rechten geboren.", "de"),
        ("Tous les êtres humains naissent libres et égaux en dignité et en droits.", "fr"),
        ("人人生而自由,在尊严和权利上一律平等。", "zh"),
        ("すべての人間は、生れながらにして自由である。", "ja"),
        ("Все люди рождаются свободными и равными.", "ru"),
        ("يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.", "ar"),
        ("सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।", "hi"),
        ("Alle mennesker er født frie og med samme menneskeverd og menneskerettigheter.", "nb"),
    ],
)
def test_a_sentence_is_identified(text, wanted):
    guess = identify_language(text)
    assert guess.language == wanted
    assert 0 < guess.score <= 1


def test_candidates_decide_among_themselves():
    text = "Alle mennesker er født frie"
    assert identify_language(text, ["en", "Danish"]).language == "da"
    assert identify_language(text, ["eng_Latn", "nb"]).language == "nb"
    assert identify_language("Hola", ["en"]) == identify_language("Hola", ["eng"])
    with pytest.raises(InputError, match=r"Shan .shn_Mymr. cannot be identified; those that can: .*\ben, "):
        identify_language(text, ["shn_Mymr"])
    with pytest.raises(InputError, match="no language 'xx'"):
        identify_language(text, ["xx"])
    with pytest.raises(InputError, match="there are no candidates"):
        identify_language(text, [])


def test_texts_without_letters_and_odd_ones_are_guesses():
    for guess in identify_languages(["", "123 !?", "\ud800", "👩‍👩‍👧"]):
        assert 0 <= guess.score <= 1


def test_without_the_package_the_command_is_named(monkeypatch):
    from enfold.text import languages

    languages._identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid", None)
    with pytest.raises(MissingExtra, match=r"identifying languages needs py3langid: pip install 'enfold\[languages\]'"):
        identify_language("Hello")


@pytest.mark.skipif(
    not UDHR.is_dir(),
    reason="no Universal Declaration of Human Rights: set ENFOLD_DATA to a folder that has udhr/*.txt",
)
def test_lines_of_the_declaration_of_human_rights():
    right = total = 0
    for file in sorted(UDHR.glob("*.txt")):
        code = {"mly": "ms"}.get(file.stem.split("_")[0], file.stem.split("_")[0])
        row = language(code)
        wanted = row.iso1 or row.iso3
        if wanted not in identified_languages():
            continue
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if len(line.strip()) >= 30]
        guesses = identify_languages(lines[5:25])
        right += sum(guess.language == wanted for guess in guesses)
        total += len(guesses)
    assert total > 1000
    assert right / total > 0.97
