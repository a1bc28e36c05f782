"""Languages, and how models with many of them call each: one line for each language and script.

Columns: ISO 639-3; ISO 639-1 or ``-``; the code of M2M100; of NLLB (FLORES-200); of mBART-50; the English name. Where a
model's code is that of a macrolanguage or of its standard variety, the line is that of the standard variety.
"""

from __future__ import annotations

__all__ = ["TABLE"]

TABLE = """
ace -  -   ace_Arab -     Acehnese (Arabic script)
ace -  -   ace_Latn -     Acehnese
acm -  -   acm_Arab -     Mesopotamian Arabic
acq -  -   acq_Arab -     Ta'izzi-Adeni Arabic
aeb -  -   aeb_Arab -     Tunisian Arabic
afr af af  afr_Latn af_ZA Afrikaans
ajp -  -   ajp_Arab -     South Levantine Arabic
aka ak -   aka_Latn -     Akan
als sq sq  als_Latn -     Albanian
amh am am  amh_Ethi -     Amharic
apc -  -   apc_Arab -     North Levantine Arabic
arb ar ar  arb_Arab ar_AR Arabic
ars -  -   ars_Arab -     Najdi Arabic
ary -  -   ary_Arab -     Moroccan Arabic
arz -  -   arz_Arab -     Egyptian Arabic
asm as -   asm_Beng -     Assamese
ast -  ast ast_Latn -     Asturian
awa -  -   awa_Deva -     Awadhi
ayr ay -   ayr_Latn -     Aymara
azb -  -   azb_Arab -     South Azerbaijani
azj az az  azj_Latn az_AZ Azerbaijani
bak ba ba  bak_Cyrl -     Bashkir
bam bm -   bam_Latn -     Bambara
ban -  -   ban_Latn -     Balinese
bel be be  bel_Cyrl -     Belarusian
bem -  -   bem_Latn -     Bemba
ben bn bn  ben_Beng bn_IN Bengali
bho -  -   bho_Deva -     Bhojpuri
bjn -  -   bjn_Arab -     Banjar (Arabic script)
bjn -  -   bjn_Latn -     Banjar
bod bo -   bod_Tibt -     Tibetan
bos bs bs  bos_Latn -     Bosnian
bre br br  -        -     Breton
bug -  -   bug_Latn -     Buginese
bul bg bg  bul_Cyrl -     Bulgarian
cat ca ca  cat_Latn -     Catalan
ceb -  ceb ceb_Latn -     Cebuano
ces cs cs  ces_Latn cs_CZ Czech
cjk -  -   cjk_Latn -     Chokwe
ckb -  -   ckb_Arab -     Central Kurdish
cmn zh zh  zho_Hans zh_CN Chinese
cmn -  -   zho_Hant -     Chinese (traditional script)
crh -  -   crh_Latn -     Crimean Tatar
cym cy cy  cym_Latn -     Welsh
dan da da  dan_Latn -     Danish
deu de de  deu_Latn de_DE German
dik -  -   dik_Latn -     Dinka
dyu -  -   dyu_Latn -     Dyula
dzo dz -   dzo_Tibt -     Dzongkha
ell el el  ell_Grek -     Greek
eng en en  eng_Latn en_XX English
epo eo -   epo_Latn -     Esperanto
est et et  est_Latn et_EE Estonian
eus eu -   eus_Latn -     Basque
ewe ee -   ewe_Latn -     Ewe
fao fo -   fao_Latn -     Faroese
fij fj -   fij_Latn -     Fijian
fin fi fi  fin_Latn fi_FI Finnish
fon -  -   fon_Latn -     Fon
fra fr fr  fra_Latn fr_XX French
fry fy fy  -        -     Western Frisian
fur -  -   fur_Latn -     Friulian
fuv ff ff  fuv_Latn -     Fulah
gaz om -   gaz_Latn -     Oromo
gla gd gd  gla_Latn -     Scottish Gaelic
gle ga ga  gle_Latn -     Irish
glg gl gl  glg_Latn gl_ES Galician
grn gn -   grn_Latn -     Guarani
guj gu gu  guj_Gujr gu_IN Gujarati
hat ht ht  hat_Latn -     Haitian Creole
hau ha ha  hau_Latn -     Hausa
heb he he  heb_Hebr he_IL Hebrew
hin hi hi  hin_Deva hi_IN Hindi
hne -  -   hne_Deva -     Chhattisgarhi
hrv hr hr  hrv_Latn hr_HR Croatian
hun hu hu  hun_Latn -     Hungarian
hye hy hy  hye_Armn -     Armenian
ibo ig ig  ibo_Latn -     Igbo
ilo -  ilo ilo_Latn -     Iloko
ind id id  ind_Latn id_ID Indonesian
isl is is  isl_Latn -     Icelandic
ita it it  ita_Latn it_IT Italian
jav jv jv  jav_Latn -     Javanese
jpn ja ja  jpn_Jpan ja_XX Japanese
kab -  -   kab_Latn -     Kabyle
kac -  -   kac_Latn -     Kachin
kam -  -   kam_Latn -     Kamba
kan kn kn  kan_Knda -     Kannada
kas -  -   kas_Arab -     Kashmiri
kas ks -   kas_Deva -     Kashmiri (Devanagari script)
kat ka ka  kat_Geor ka_GE Georgian
kaz kk kk  kaz_Cyrl kk_KZ Kazakh
kbp -  -   kbp_Latn -     Kabiye
kea -  -   kea_Latn -     Kabuverdianu
khk mn mn  khk_Cyrl mn_MN Mongolian
khm km km  khm_Khmr km_KH Khmer
kik ki -   kik_Latn -     Kikuyu
kin rw -   kin_Latn -     Kinyarwanda
kir ky -   kir_Cyrl -     Kyrgyz
kmb -  -   kmb_Latn -     Kimbundu
kmr ku -   kmr_Latn -     Kurdish
knc -  -   knc_Arab -     Kanuri (Arabic script)
knc kr -   knc_Latn -     Kanuri
kon kg -   kon_Latn -     Kongo
kor ko ko  kor_Hang ko_KR Korean
lao lo lo  lao_Laoo -     Lao
lat la -   -        -     Latin
lij -  -   lij_Latn -     Ligurian
lim li -   lim_Latn -     Limburgish
lin ln ln  lin_Latn -     Lingala
lit lt lt  lit_Latn lt_LT Lithuanian
lmo -  -   lmo_Latn -     Lombard
ltg -  -   ltg_Latn -     Latgalian
ltz lb lb  ltz_Latn -     Luxembourgish
lua -  -   lua_Latn -     Luba-Lulua
lug lg lg  lug_Latn -     Ganda
luo -  -   luo_Latn -     Luo
lus -  -   lus_Latn -     Mizo
lvs lv lv  lvs_Latn lv_LV Latvian
mag -  -   mag_Deva -     Magahi
mai -  -   mai_Deva -     Maithili
mal ml ml  mal_Mlym ml_IN Malayalam
mar mr mr  mar_Deva mr_IN Marathi
min -  -   min_Latn -     Minangkabau
mkd mk mk  mkd_Cyrl mk_MK Macedonian
mlt mt -   mlt_Latn -     Maltese
mni -  -   mni_Beng -     Manipuri
mos -  -   mos_Latn -     Mossi
mri mi -   mri_Latn -     Maori
mya my my  mya_Mymr my_MM Burmese
nld nl nl  nld_Latn nl_XX Dutch
nno nn -   nno_Latn -     Norwegian Nynorsk
nob nb no  nob_Latn -     Norwegian
npi ne ne  npi_Deva ne_NP Nepali
nso -  ns  nso_Latn -     Northern Sotho
nus -  -   nus_Latn -     Nuer
nya ny -   nya_Latn -     Nyanja
oci oc oc  oci_Latn -     Occitan
ory or or  ory_Orya -     Odia
pag -  -   pag_Latn -     Pangasinan
pan pa pa  pan_Guru -     Punjabi
pap -  -   pap_Latn -     Papiamento
pbt ps ps  pbt_Arab ps_AF Pashto
pes fa fa  pes_Arab fa_IR Persian
plt mg mg  plt_Latn -     Malagasy
pol pl pl  pol_Latn pl_PL Polish
por pt pt  por_Latn pt_XX Portuguese
prs -  -   prs_Arab -     Dari
quy qu -   quy_Latn -     Quechua
ron ro ro  ron_Latn ro_RO Romanian
run rn -   run_Latn -     Rundi
rus ru ru  rus_Cyrl ru_RU Russian
sag sg -   sag_Latn -     Sango
san sa -   san_Deva -     Sanskrit
sat -  -   sat_Beng -     Santali
scn -  -   scn_Latn -     Sicilian
shn -  -   shn_Mymr -     Shan
sin si si  sin_Sinh si_LK Sinhala
slk sk sk  slk_Latn -     Slovak
slv sl sl  slv_Latn sl_SI Slovenian
sme se -   -        -     Northern Sami
smo sm -   smo_Latn -     Samoan
sna sn -   sna_Latn -     Shona
snd sd sd  snd_Arab -     Sindhi
som so so  som_Latn -     Somali
sot st -   sot_Latn -     Southern Sotho
spa es es  spa_Latn es_XX Spanish
srd sc -   srd_Latn -     Sardinian
srp sr sr  srp_Cyrl -     Serbian
ssw ss ss  ssw_Latn -     Swati
sun su su  sun_Latn -     Sundanese
swe sv sv  swe_Latn sv_SE Swedish
swh sw sw  swh_Latn sw_KE Swahili
szl -  -   szl_Latn -     Silesian
tam ta ta  tam_Taml ta_IN Tamil
taq -  -   taq_Latn -     Tamasheq
taq -  -   taq_Tfng -     Tamasheq (Tifinagh script)
tat tt -   tat_Cyrl -     Tatar
tel te -   tel_Telu te_IN Telugu
tgk tg -   tgk_Cyrl -     Tajik
tgl tl tl  tgl_Latn tl_XX Tagalog
tha th th  tha_Thai th_TH Thai
tir ti -   tir_Ethi -     Tigrinya
tpi -  -   tpi_Latn -     Tok Pisin
tsn tn tn  tsn_Latn -     Tswana
tso ts -   tso_Latn -     Tsonga
tuk tk -   tuk_Latn -     Turkmen
tum -  -   tum_Latn -     Tumbuka
tur tr tr  tur_Latn tr_TR Turkish
twi tw -   twi_Latn -     Twi
tzm -  -   tzm_Tfng -     Central Atlas Tamazight
uig ug -   uig_Arab -     Uyghur
ukr uk uk  ukr_Cyrl uk_UA Ukrainian
umb -  -   umb_Latn -     Umbundu
urd ur ur  urd_Arab ur_PK Urdu
uzn uz uz  uzn_Latn -     Uzbek
vec -  -   vec_Latn -     Venetian
vie vi vi  vie_Latn vi_VN Vietnamese
vol vo -   -        -     Volapük
war -  -   war_Latn -     Waray
wln wa -   -        -     Walloon
wol wo wo  wol_Latn -     Wolof
xho xh xh  xho_Latn xh_ZA Xhosa
ydd yi yi  ydd_Hebr -     Yiddish
yor yo yo  yor_Latn -     Yoruba
yue -  -   yue_Hant -     Cantonese
zsm ms ms  zsm_Latn -     Malay
arg an -   -        -     Aragonese
zul zu zu  zul_Latn -     Zulu
"""
