"""Which ranges of Unicode belong to which script: the property Script of Unicode 18.0 (``Scripts.txt``), in ISO 15924
codes.

Unassigned characters between two of one script count to it; what no range holds is common to all scripts (``Zyyy``).
"""

from __future__ import annotations

__all__ = ["RANGES", "SCRIPT_NAMES"]

RANGES = """
Adlm 1E900-1E95F
Aghb 10530-1056F
Ahom 11700-11746
Arab 600-604 606-60B 60D-61A 61C-61E 620-63F 641-64A 656-66F 671-6DC 6DE-6FF 750-77F 870-8E1 8E3-8FF FB50-FD3D
Arab FD40-FDFF FE70-FEFC 10E60-10E7E 10EC2-10EFF 1EE00-1EEF1
Armi 10840-1085F
Armn 531-58F FB13-FB17
Avst 10B00-10B3F
Bali 1B00-1B7F
Bamu A6A0-A6F7 16800-16A38
Bass 16AD0-16AF5
Batk 1BC0-1BFF
Beng 980-9FE 11DF0-11DF1
Berf 16EA0-16ED3
Bhks 11C00-11C6C
Bopo 2EA-2EB 3105-312F 31A0-31BF
Brah 11000-1107F
Brai 2800-28FF
Bugi 1A00-1A1F
Buhd 1740-1753
Cakm 11100-11147
Cans 1400-167F 18B0-18F5 11AB0-11ABF
Cari 102A0-102D0
Cham AA00-AA5F
Cher 13A0-13FD AB70-ABBF
Chrs 10FB0-10FCB
Copt 3E2-3EF 2C80-2CFF
Cpmn 12F90-12FF2
Cprt 10800-1083F
Cyrl 400-484 487-52F 1C80-1C8A 1D2B 1D78 2DE0-2DFF A640-A69F FE2E-FE2F 1E030-1E08F
Deva 900-950 955-963 966-97F A8E0-A8FF 11B00-11B0A
Diak 11900-11959
Dogr 11800-1183B
Dsrt 10400-1044F
Dupl 1BC00-1BC9F
Egyp 13000-143FA
Elba 10500-10527
Elym 10FE0-10FF6
Ethi 1200-1399 2D80-2DDE AB01-AB2E 1E7E0-1E7FE
Gara 10D40-10D8F
Geor 10A0-10FA 10FC-10FF 1C90-1CBF 2D00-2D2D
Glag 2C00-2C5F 1E000-1E02A
Gong 11D60-11DA9
Gonm 11D00-11D59
Goth 10330-1034A
Gran 11300-11339 1133C-11374
Grek 370-373 375-37D 37F-384 386 388-3E1 3F0-3FF 1D26-1D2A 1D5D-1D61 1D66-1D6A 1DBF 1F00-1FFE 2126 AB65 10140-1018E
Grek 101A0 1D200-1D245 1DFF3-1DFF4
Gujr A81-AFF
Gukh 16100-16139
Guru A01-A76
Hang 1100-11FF 302E-302F 3131-318E 3200-321E 3260-327E A960-A97C AC00-D7FB FFA0-FFDC
Hani 2E80-2FD5 3005 3007 3021-3029 3038-303B 3400-4DBF 4E00-9FFF F900-FAD9 16FE2-16FE3 16FF0-16FF6 20000-33479
Hano 1720-1734
Hatr 108E0-108FF
Hebr 591-5F4 FB1D-FB4F
Hira 3041-3096 309D-309F 1B001-1B11F 1B123 1B132-1B152 1F200
Hluw 14400-14646
Hmng 16B00-16B8F
Hmnp 1E100-1E14F
Hung 10C80-10CFF
Ital 10300-1032F
Java A980-A9CD A9D0-A9DF
Jurc 18E00-191D2
Kali A900-A92D A92F
Kana 30A1-30FA 30FD-30FF 31F0-31FF 32D0-32FE 3300-3357 FF66-FF6F FF71-FF9D 1AFF0-1B000 1B120-1B122 1B124-1B128
Kana 1B155-1B168
Kawi 11F00-11F5A
Khar 10A00-10A58
Khmr 1780-17F9 19E0-19FF
Khoj 11200-11241
Kits 16FE4 18B00-18CFF
Knda C80-CF3
Krai 16D40-16D79
Kthi 11080-110CD
Lana 1A20-1AAD
Laoo E81-EDF
Latn 41-5A 61-7A AA BA C0-D6 D8-F6 F8-2B8 2E0-2E4 1D00-1D25 1D2C-1D5C 1D62-1D65 1D6B-1D77 1D79-1DBE 1E00-1EFF 2071
Latn 207F 2090-209F 212A-212B 2132 214E 2160-2188 2C60-2C7F A722-A787 A78B-A7FF AB30-AB5A AB5C-AB64 AB66-AB69
Latn AB6C-AB6D FB00-FB06 FF21-FF3A FF41-FF5A 10780-107BF 1DF00-1DFF2 1DFF5-1DFFF
Lepc 1C00-1C4F
Limb 1900-194F
Lina 10600-10767
Linb 10000-100FA
Lisu A4D0-A4FF 11FB0
Lyci 10280-1029C
Lydi 10920-1093F
Mahj 11150-11176
Maka 11EE0-11EF8
Mand 840-85E
Mani 10AC0-10AF6
Marc 11C70-11CB6
Medf 16E40-16E9A
Mend 1E800-1E8D6
Merc 109A0-109FF
Mero 10980-1099F
Mlym D00-D7F
Modi 11600-11659
Mong 1800-1801 1804 1806-18AA 11660-1166C
Mroo 16A40-16A6F
Mtei AAE0-AAF6 ABC0-ABF9
Mult 11280-112A9
Mymr 1000-109F A9E0-A9FE AA60-AA7F 116D0-116E3
Nagm 1E4D0-1E4F9
Nand 119A0-119E4
Narb 10A80-10A9F
Nbat 10880-108AF
Newa 11400-11461
Nkoo 7C0-7FF
Nshu 16FE1 1B170-1B2FB
Ogam 1680-169C
Olck 1C50-1C7F
Onao 1E5D0-1E5FF
Orkh 10C00-10C48
Orya B01-B77
Osge 104B0-104FB
Osma 10480-104A9
Ougr 10F70-10F89
Palm 10860-1087F
Pauc 11AC0-11AF8
Pcun 125A8-1264B
Perm 10350-1037A
Phag A840-A877
Phli 10B60-10B7F
Phlp 10B80-10BAF
Phnx 10900-1091F
Plrd 16F00-16F9F
Prti 10B40-10B5F
Rjng A930-A95F
Rohg 10D00-10D39
Runr 16A0-16EA 16EE-16F8
Samr 800-83E
Sarb 10A60-10A7F
Saur A880-A8D9
Seal 3D000-3FC3F
Sgnw 1D800-1DAAF
Shaw 10450-1047F
Shrd 11180-111DF 11B60-11B67
Sidd 11580-115DD
Sidt 10940-10959
Sind 112B0-112F9
Sinh D81-DF4 111E1-111F4
Sogd 10F30-10F59
Sogo 10F00-10F27
Sora 110D0-110F9
Soyo 11A50-11AA2
Sund 1B80-1BBF 1CC0-1CC7
Sunu 11BC0-11BF9
Sylo A800-A82C
Syrc 700-74F 860-86A
Tagb 1760-1773
Takr 11680-116C9
Tale 1950-1974
Talu 1980-19DF
Taml B82-BFA 11FC0-11FFF
Tang 16FE0 17000-18AFF 18D00-18DF2
Tavt AA80-AADF
Tayo 1E6C0-1E6FF
Telu C00-C7F
Tfng 2D30-2D7F
Tglg 1700-171F
Thaa 780-7B1
Thai E01-E3A E40-E5B
Tibt F00-FD4 FD9-FDA
Tirh 11480-114D9
Tnsa 16A70-16AC9
Todr 105C0-105F3
Tols 11DB0-11DE9
Toto 1E290-1E2AE
Tutg 11380-113E2
Ugar 10380-1039F
Vaii A500-A62B
Vith 10570-105BC
Wara 118A0-118FF
Wcho 1E2C0-1E2FF
Xpeo 103A0-103D5
Xsux 12000-125A7 1264C-12686
Yezi 10E80-10EB1
Yiii A000-A4C6
Zanb 11A00-11A47
Zinh 300-36F 485-486 64B-655 670 951-954 1AB0-1AF0 1CD0-1CD2 1CD4-1CE0 1CE2-1CE8 1CED 1CF4 1CF8-1CF9 1DC0-1DFF
Zinh 200C-200D 20D0-20F0 302A-302D 3099-309A FE00-FE0F FE20-FE2D 101FD 102E0 1133B 1CF00-1CF46 1D127-1D128 1D167-1D169
Zinh 1D17B-1D182 1D185-1D18B 1D1AA-1D1AD 1D25B-1D25C E0100-E01EF
"""
"""A script, and some of its ranges, in hexadecimal; a script with many has several lines."""

SCRIPT_NAMES: dict[str, str] = dict(
    line.split(" ", 1)
    for line in """
Adlm Adlam
Aghb Caucasian Albanian
Ahom Ahom
Arab Arabic
Armi Imperial Aramaic
Armn Armenian
Avst Avestan
Bali Balinese
Bamu Bamum
Bass Bassa Vah
Batk Batak
Beng Bengali
Berf Beria Erfe
Bhks Bhaiksuki
Bopo Bopomofo
Brah Brahmi
Brai Braille
Bugi Buginese
Buhd Buhid
Cakm Chakma
Cans Canadian Aboriginal
Cari Carian
Cham Cham
Cher Cherokee
Chrs Chorasmian
Copt Coptic
Cpmn Cypro Minoan
Cprt Cypriot
Cyrl Cyrillic
Deva Devanagari
Diak Dives Akuru
Dogr Dogra
Dsrt Deseret
Dupl Duployan
Egyp Egyptian Hieroglyphs
Elba Elbasan
Elym Elymaic
Ethi Ethiopic
Gara Garay
Geor Georgian
Glag Glagolitic
Gong Gunjala Gondi
Gonm Masaram Gondi
Goth Gothic
Gran Grantha
Grek Greek
Gujr Gujarati
Gukh Gurung Khema
Guru Gurmukhi
Hang Hangul
Hani Han
Hano Hanunoo
Hatr Hatran
Hebr Hebrew
Hira Hiragana
Hluw Anatolian Hieroglyphs
Hmng Pahawh Hmong
Hmnp Nyiakeng Puachue Hmong
Hung Old Hungarian
Ital Old Italic
Java Javanese
Jpan Japanese
Jurc Jurchen
Kali Kayah Li
Kana Katakana
Kawi Kawi
Khar Kharoshthi
Khmr Khmer
Khoj Khojki
Kits Khitan Small Script
Knda Kannada
Krai Kirat Rai
Kthi Kaithi
Lana Tai Tham
Laoo Lao
Latn Latin
Lepc Lepcha
Limb Limbu
Lina Linear A
Linb Linear B
Lisu Lisu
Lyci Lycian
Lydi Lydian
Mahj Mahajani
Maka Makasar
Mand Mandaic
Mani Manichaean
Marc Marchen
Medf Medefaidrin
Mend Mende Kikakui
Merc Meroitic Cursive
Mero Meroitic Hieroglyphs
Mlym Malayalam
Modi Modi
Mong Mongolian
Mroo Mro
Mtei Meetei Mayek
Mult Multani
Mymr Myanmar
Nagm Nag Mundari
Nand Nandinagari
Narb Old North Arabian
Nbat Nabataean
Newa Newa
Nkoo Nko
Nshu Nushu
Ogam Ogham
Olck Ol Chiki
Onao Ol Onal
Orkh Old Turkic
Orya Oriya
Osge Osage
Osma Osmanya
Ougr Old Uyghur
Palm Palmyrene
Pauc Pau Cin Hau
Pcun Proto Cuneiform
Perm Old Permic
Phag Phags Pa
Phli Inscriptional Pahlavi
Phlp Psalter Pahlavi
Phnx Phoenician
Plrd Miao
Prti Inscriptional Parthian
Rjng Rejang
Rohg Hanifi Rohingya
Runr Runic
Samr Samaritan
Sarb Old South Arabian
Saur Saurashtra
Seal Seal
Sgnw SignWriting
Shaw Shavian
Shrd Sharada
Sidd Siddham
Sidt Sidetic
Sind Khudawadi
Sinh Sinhala
Sogd Sogdian
Sogo Old Sogdian
Sora Sora Sompeng
Soyo Soyombo
Sund Sundanese
Sunu Sunuwar
Sylo Syloti Nagri
Syrc Syriac
Tagb Tagbanwa
Takr Takri
Tale Tai Le
Talu New Tai Lue
Taml Tamil
Tang Tangut
Tavt Tai Viet
Tayo Tai Yo
Telu Telugu
Tfng Tifinagh
Tglg Tagalog
Thaa Thaana
Thai Thai
Tibt Tibetan
Tirh Tirhuta
Tnsa Tangsa
Todr Todhri
Tols Tolong Siki
Toto Toto
Tutg Tulu Tigalari
Ugar Ugaritic
Vaii Vai
Vith Vithkuqi
Wara Warang Citi
Wcho Wancho
Xpeo Old Persian
Xsux Cuneiform
Yezi Yezidi
Yiii Yi
Zanb Zanabazar Square
Zinh Inherited
Zyyy Common
Zzzz Unknown
""".strip().splitlines()
)
"""The English name of each code."""
