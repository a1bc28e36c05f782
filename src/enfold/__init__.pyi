# Written by scripts/generate_stubs.py; run it after adding a name or a family.

from enfold.compression import quantise as quantise
from enfold.data import read_table as read_table
from enfold.errors import EnfoldError as EnfoldError
from enfold.evaluation import Report as Report
from enfold.evaluation import evaluate as evaluate
from enfold.generation import GenerationConfig as GenerationConfig
from enfold.generation import TextIteratorStreamer as TextIteratorStreamer
from enfold.generation import TextStreamer as TextStreamer
from enfold.models import AutoConfig as AutoConfig
from enfold.models import AutoModel as AutoModel
from enfold.models import AutoModelForCausalLM as AutoModelForCausalLM
from enfold.models import AutoModelForMaskedLM as AutoModelForMaskedLM
from enfold.models import AutoModelForMultipleChoice as AutoModelForMultipleChoice
from enfold.models import AutoModelForNextSentencePrediction as AutoModelForNextSentencePrediction
from enfold.models import AutoModelForPreTraining as AutoModelForPreTraining
from enfold.models import AutoModelForQuestionAnswering as AutoModelForQuestionAnswering
from enfold.models import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
from enfold.models import AutoModelForSequenceClassification as AutoModelForSequenceClassification
from enfold.models import AutoModelForTokenClassification as AutoModelForTokenClassification
from enfold.models import PreTrainedModel as PreTrainedModel
from enfold.models.encoder import DecoderModel as _DecoderModel
from enfold.models.encoder import EncoderModel as _EncoderModel
from enfold.models.encoder_decoder import EncoderDecoderModel as _EncoderDecoderModel
from enfold.models.families.albert import AlbertConfig as AlbertConfig
from enfold.models.families.bart import BartConfig as BartConfig
from enfold.models.families.bert import BertConfig as BertConfig
from enfold.models.families.blenderbot import BlenderbotConfig as BlenderbotConfig
from enfold.models.families.blenderbot_small import BlenderbotSmallConfig as BlenderbotSmallConfig
from enfold.models.families.deberta_v2 import DebertaV2Config as DebertaV2Config
from enfold.models.families.distilbert import DistilBertConfig as DistilBertConfig
from enfold.models.families.electra import ElectraConfig as ElectraConfig
from enfold.models.families.flaubert import FlaubertConfig as FlaubertConfig
from enfold.models.families.gemma import GemmaConfig as GemmaConfig
from enfold.models.families.gpt2 import GPT2Config as GPT2Config
from enfold.models.families.gpt_neox import GPTNeoXConfig as GPTNeoXConfig
from enfold.models.families.llama import LlamaConfig as LlamaConfig
from enfold.models.families.m2m_100 import M2M100Config as M2M100Config
from enfold.models.families.marian import MarianConfig as MarianConfig
from enfold.models.families.mbart import MBartConfig as MBartConfig
from enfold.models.families.mistral import MistralConfig as MistralConfig
from enfold.models.families.modernbert import ModernBertConfig as ModernBertConfig
from enfold.models.families.mpnet import MPNetConfig as MPNetConfig
from enfold.models.families.opt import OPTConfig as OPTConfig
from enfold.models.families.pegasus import PegasusConfig as PegasusConfig
from enfold.models.families.qwen2 import Qwen2Config as Qwen2Config
from enfold.models.families.qwen3 import Qwen3Config as Qwen3Config
from enfold.models.families.roberta import CamembertConfig as CamembertConfig
from enfold.models.families.roberta import RobertaConfig as RobertaConfig
from enfold.models.families.roberta import XLMRobertaConfig as XLMRobertaConfig
from enfold.models.families.t5 import MT5Config as MT5Config
from enfold.models.families.t5 import T5Config as T5Config
from enfold.models.heads import MultipleChoice as _MultipleChoice
from enfold.models.heads import NextSentence as _NextSentence
from enfold.models.heads import QuestionAnswering as _QuestionAnswering
from enfold.models.heads import SequenceClassification as _SequenceClassification
from enfold.models.heads import TokenClassification as _TokenClassification
from enfold.models.language_encoder import LanguageEncoder as _LanguageEncoder
from enfold.models.language_heads import CausalLM as _CausalLM
from enfold.models.language_heads import ConditionalGeneration as _ConditionalGeneration
from enfold.models.language_heads import DecoderAlone as _DecoderAlone
from enfold.models.language_heads import MaskedLM as _MaskedLM
from enfold.models.language_heads import PreTraining as _PreTraining
from enfold.models.language_heads import ReplacedTokens as _ReplacedTokens
from enfold.models.language_heads import SentenceOrderPreTraining as _SentenceOrderPreTraining
from enfold.pipelines import TextClassificationPipeline as TextClassificationPipeline
from enfold.pipelines import pipeline as pipeline
from enfold.project import Project as Project
from enfold.text import AlbertTokenizer as AlbertTokenizer
from enfold.text import AlbertTokenizer as AlbertTokenizerFast
from enfold.text import AutoTokenizer as AutoTokenizer
from enfold.text import BertTokenizer as BertTokenizer
from enfold.text import BertTokenizer as BertTokenizerFast
from enfold.text import BertTokenizer as ElectraTokenizer
from enfold.text import BertTokenizer as ElectraTokenizerFast
from enfold.text import BlenderbotSmallTokenizer as BlenderbotSmallTokenizer
from enfold.text import BlenderbotSmallTokenizer as BlenderbotSmallTokenizerFast
from enfold.text import BlenderbotTokenizer as BlenderbotTokenizer
from enfold.text import BlenderbotTokenizer as BlenderbotTokenizerFast
from enfold.text import CamembertTokenizer as CamembertTokenizer
from enfold.text import CamembertTokenizer as CamembertTokenizerFast
from enfold.text import DebertaV2Tokenizer as DebertaV2Tokenizer
from enfold.text import DebertaV2Tokenizer as DebertaV2TokenizerFast
from enfold.text import DistilBertTokenizer as DistilBertTokenizer
from enfold.text import DistilBertTokenizer as DistilBertTokenizerFast
from enfold.text import FlaubertTokenizer as FlaubertTokenizer
from enfold.text import GPT2Tokenizer as GPT2Tokenizer
from enfold.text import GPT2Tokenizer as GPT2TokenizerFast
from enfold.text import GPTNeoXTokenizer as GPTNeoXTokenizer
from enfold.text import GPTNeoXTokenizer as GPTNeoXTokenizerFast
from enfold.text import GemmaTokenizer as GemmaTokenizer
from enfold.text import GemmaTokenizer as GemmaTokenizerFast
from enfold.text import LlamaTokenizer as LlamaTokenizer
from enfold.text import LlamaTokenizer as LlamaTokenizerFast
from enfold.text import M2M100Tokenizer as M2M100Tokenizer
from enfold.text import MBart50Tokenizer as MBart50Tokenizer
from enfold.text import MBart50Tokenizer as MBart50TokenizerFast
from enfold.text import MBartTokenizer as MBartTokenizer
from enfold.text import MBartTokenizer as MBartTokenizerFast
from enfold.text import MPNetTokenizer as MPNetTokenizer
from enfold.text import MPNetTokenizer as MPNetTokenizerFast
from enfold.text import MarianTokenizer as MarianTokenizer
from enfold.text import NllbTokenizer as NllbTokenizer
from enfold.text import NllbTokenizer as NllbTokenizerFast
from enfold.text import PegasusTokenizer as PegasusTokenizer
from enfold.text import PegasusTokenizer as PegasusTokenizerFast
from enfold.text import Qwen2Tokenizer as Qwen2Tokenizer
from enfold.text import Qwen2Tokenizer as Qwen2TokenizerFast
from enfold.text import RobertaTokenizer as BartTokenizer
from enfold.text import RobertaTokenizer as BartTokenizerFast
from enfold.text import RobertaTokenizer as RobertaTokenizer
from enfold.text import RobertaTokenizer as RobertaTokenizerFast
from enfold.text import T5Tokenizer as T5Tokenizer
from enfold.text import T5Tokenizer as T5TokenizerFast
from enfold.text import Tokenizer as Tokenizer
from enfold.text import XLMRobertaTokenizer as XLMRobertaTokenizer
from enfold.text import XLMRobertaTokenizer as XLMRobertaTokenizerFast
from enfold.text import identify_language as identify_language
from enfold.text import normalise as normalise
from enfold.text import split_sentences as split_sentences
from enfold.text import train_tokenizer as train_tokenizer
from enfold.training import DataCollatorForLanguageModeling as DataCollatorForLanguageModeling
from enfold.training import DataCollatorForSeq2Seq as DataCollatorForSeq2Seq
from enfold.training import DataCollatorForTokenClassification as DataCollatorForTokenClassification
from enfold.training import DataCollatorWithPadding as DataCollatorWithPadding
from enfold.training import EarlyStoppingCallback as EarlyStoppingCallback
from enfold.training import Seq2SeqTrainer as Seq2SeqTrainer
from enfold.training import Seq2SeqTrainingArguments as Seq2SeqTrainingArguments
from enfold.training import Trainer as Trainer
from enfold.training import TrainerCallback as TrainerCallback
from enfold.training import TrainingArguments as TrainingArguments
from enfold.training import get_linear_schedule_with_warmup as get_linear_schedule_with_warmup
from enfold.training import set_seed as set_seed
from enfold.values import ClassPrediction as ClassPrediction
from enfold.values import Encoding as Encoding
from enfold.values import Feedback as Feedback
from enfold.values import LabelSet as LabelSet
from enfold.values import Metric as Metric
from enfold.values import Prediction as Prediction
from enfold.values import Span as Span

__version__: str

class AlbertForMaskedLM(_MaskedLM): ...
class AlbertForMultipleChoice(_MultipleChoice): ...
class AlbertForPreTraining(_SentenceOrderPreTraining): ...
class AlbertForQuestionAnswering(_QuestionAnswering): ...
class AlbertForSequenceClassification(_SequenceClassification): ...
class AlbertForTokenClassification(_TokenClassification): ...
class AlbertModel(_EncoderModel): ...
class BartDecoder(_DecoderModel): ...
class BartForCausalLM(_DecoderAlone): ...
class BartForConditionalGeneration(_ConditionalGeneration): ...
class BartForQuestionAnswering(_QuestionAnswering): ...
class BartForSequenceClassification(_SequenceClassification): ...
class BartModel(_EncoderDecoderModel): ...
class BertForMaskedLM(_MaskedLM): ...
class BertForMultipleChoice(_MultipleChoice): ...
class BertForNextSentencePrediction(_NextSentence): ...
class BertForPreTraining(_PreTraining): ...
class BertForQuestionAnswering(_QuestionAnswering): ...
class BertForSequenceClassification(_SequenceClassification): ...
class BertForTokenClassification(_TokenClassification): ...
class BertLMHeadModel(_CausalLM): ...
class BertModel(_EncoderModel): ...
class BlenderbotDecoder(_DecoderModel): ...
class BlenderbotForCausalLM(_DecoderAlone): ...
class BlenderbotForConditionalGeneration(_ConditionalGeneration): ...
class BlenderbotModel(_EncoderDecoderModel): ...
class BlenderbotSmallDecoder(_DecoderModel): ...
class BlenderbotSmallForCausalLM(_DecoderAlone): ...
class BlenderbotSmallForConditionalGeneration(_ConditionalGeneration): ...
class BlenderbotSmallModel(_EncoderDecoderModel): ...
class CamembertForCausalLM(_CausalLM): ...
class CamembertForMaskedLM(_MaskedLM): ...
class CamembertForMultipleChoice(_MultipleChoice): ...
class CamembertForQuestionAnswering(_QuestionAnswering): ...
class CamembertForSequenceClassification(_SequenceClassification): ...
class CamembertForTokenClassification(_TokenClassification): ...
class CamembertModel(_EncoderModel): ...
class DebertaV2ForMaskedLM(_MaskedLM): ...
class DebertaV2ForMultipleChoice(_MultipleChoice): ...
class DebertaV2ForQuestionAnswering(_QuestionAnswering): ...
class DebertaV2ForSequenceClassification(_SequenceClassification): ...
class DebertaV2ForTokenClassification(_TokenClassification): ...
class DebertaV2Model(_EncoderModel): ...
class DistilBertForMaskedLM(_MaskedLM): ...
class DistilBertForMultipleChoice(_MultipleChoice): ...
class DistilBertForQuestionAnswering(_QuestionAnswering): ...
class DistilBertForSequenceClassification(_SequenceClassification): ...
class DistilBertForTokenClassification(_TokenClassification): ...
class DistilBertModel(_EncoderModel): ...
class ElectraForCausalLM(_CausalLM): ...
class ElectraForMaskedLM(_MaskedLM): ...
class ElectraForMultipleChoice(_MultipleChoice): ...
class ElectraForPreTraining(_ReplacedTokens): ...
class ElectraForQuestionAnswering(_QuestionAnswering): ...
class ElectraForSequenceClassification(_SequenceClassification): ...
class ElectraForTokenClassification(_TokenClassification): ...
class ElectraModel(_EncoderModel): ...
class FlaubertForMultipleChoice(_MultipleChoice): ...
class FlaubertForQuestionAnsweringSimple(_QuestionAnswering): ...
class FlaubertForSequenceClassification(_SequenceClassification): ...
class FlaubertForTokenClassification(_TokenClassification): ...
class FlaubertModel(_LanguageEncoder): ...
class FlaubertWithLMHeadModel(_MaskedLM): ...
class GPT2ForQuestionAnswering(_QuestionAnswering): ...
class GPT2ForSequenceClassification(_SequenceClassification): ...
class GPT2ForTokenClassification(_TokenClassification): ...
class GPT2LMHeadModel(_CausalLM): ...
class GPT2Model(_DecoderModel): ...
class GPTNeoXForCausalLM(_CausalLM): ...
class GPTNeoXForQuestionAnswering(_QuestionAnswering): ...
class GPTNeoXForSequenceClassification(_SequenceClassification): ...
class GPTNeoXForTokenClassification(_TokenClassification): ...
class GPTNeoXModel(_DecoderModel): ...
class GemmaForCausalLM(_CausalLM): ...
class GemmaForSequenceClassification(_SequenceClassification): ...
class GemmaForTokenClassification(_TokenClassification): ...
class GemmaModel(_DecoderModel): ...
class LlamaForCausalLM(_CausalLM): ...
class LlamaForQuestionAnswering(_QuestionAnswering): ...
class LlamaForSequenceClassification(_SequenceClassification): ...
class LlamaForTokenClassification(_TokenClassification): ...
class LlamaModel(_DecoderModel): ...
class M2M100Decoder(_DecoderModel): ...
class M2M100ForConditionalGeneration(_ConditionalGeneration): ...
class M2M100Model(_EncoderDecoderModel): ...
class MBartDecoder(_DecoderModel): ...
class MBartForCausalLM(_DecoderAlone): ...
class MBartForConditionalGeneration(_ConditionalGeneration): ...
class MBartForQuestionAnswering(_QuestionAnswering): ...
class MBartForSequenceClassification(_SequenceClassification): ...
class MBartModel(_EncoderDecoderModel): ...
class MPNetForMaskedLM(_MaskedLM): ...
class MPNetForMultipleChoice(_MultipleChoice): ...
class MPNetForQuestionAnswering(_QuestionAnswering): ...
class MPNetForSequenceClassification(_SequenceClassification): ...
class MPNetForTokenClassification(_TokenClassification): ...
class MPNetModel(_EncoderModel): ...
class MT5EncoderModel(_EncoderModel): ...
class MT5ForConditionalGeneration(_ConditionalGeneration): ...
class MT5ForQuestionAnswering(_QuestionAnswering): ...
class MT5ForSequenceClassification(_SequenceClassification): ...
class MT5ForTokenClassification(_TokenClassification): ...
class MT5Model(_EncoderDecoderModel): ...
class MarianDecoder(_DecoderModel): ...
class MarianForCausalLM(_DecoderAlone): ...
class MarianMTModel(_ConditionalGeneration): ...
class MarianModel(_EncoderDecoderModel): ...
class MistralForCausalLM(_CausalLM): ...
class MistralForQuestionAnswering(_QuestionAnswering): ...
class MistralForSequenceClassification(_SequenceClassification): ...
class MistralForTokenClassification(_TokenClassification): ...
class MistralModel(_DecoderModel): ...
class ModernBertForMaskedLM(_MaskedLM): ...
class ModernBertForMultipleChoice(_MultipleChoice): ...
class ModernBertForQuestionAnswering(_QuestionAnswering): ...
class ModernBertForSequenceClassification(_SequenceClassification): ...
class ModernBertForTokenClassification(_TokenClassification): ...
class ModernBertModel(_EncoderModel): ...
class OPTForCausalLM(_CausalLM): ...
class OPTForQuestionAnswering(_QuestionAnswering): ...
class OPTForSequenceClassification(_SequenceClassification): ...
class OPTModel(_DecoderModel): ...
class PegasusDecoder(_DecoderModel): ...
class PegasusForCausalLM(_DecoderAlone): ...
class PegasusForConditionalGeneration(_ConditionalGeneration): ...
class PegasusModel(_EncoderDecoderModel): ...
class Qwen2ForCausalLM(_CausalLM): ...
class Qwen2ForQuestionAnswering(_QuestionAnswering): ...
class Qwen2ForSequenceClassification(_SequenceClassification): ...
class Qwen2ForTokenClassification(_TokenClassification): ...
class Qwen2Model(_DecoderModel): ...
class Qwen3ForCausalLM(_CausalLM): ...
class Qwen3ForQuestionAnswering(_QuestionAnswering): ...
class Qwen3ForSequenceClassification(_SequenceClassification): ...
class Qwen3ForTokenClassification(_TokenClassification): ...
class Qwen3Model(_DecoderModel): ...
class RobertaForCausalLM(_CausalLM): ...
class RobertaForMaskedLM(_MaskedLM): ...
class RobertaForMultipleChoice(_MultipleChoice): ...
class RobertaForQuestionAnswering(_QuestionAnswering): ...
class RobertaForSequenceClassification(_SequenceClassification): ...
class RobertaForTokenClassification(_TokenClassification): ...
class RobertaModel(_EncoderModel): ...
class T5EncoderModel(_EncoderModel): ...
class T5ForConditionalGeneration(_ConditionalGeneration): ...
class T5ForQuestionAnswering(_QuestionAnswering): ...
class T5ForSequenceClassification(_SequenceClassification): ...
class T5ForTokenClassification(_TokenClassification): ...
class T5Model(_EncoderDecoderModel): ...
class XLMRobertaForCausalLM(_CausalLM): ...
class XLMRobertaForMaskedLM(_MaskedLM): ...
class XLMRobertaForMultipleChoice(_MultipleChoice): ...
class XLMRobertaForQuestionAnswering(_QuestionAnswering): ...
class XLMRobertaForSequenceClassification(_SequenceClassification): ...
class XLMRobertaForTokenClassification(_TokenClassification): ...
class XLMRobertaModel(_EncoderModel): ...

__all__ = [
    "AlbertConfig",
    "AlbertForMaskedLM",
    "AlbertForMultipleChoice",
    "AlbertForPreTraining",
    "AlbertForQuestionAnswering",
    "AlbertForSequenceClassification",
    "AlbertForTokenClassification",
    "AlbertModel",
    "AlbertTokenizer",
    "AlbertTokenizerFast",
    "AutoConfig",
    "AutoModel",
    "AutoModelForCausalLM",
    "AutoModelForMaskedLM",
    "AutoModelForMultipleChoice",
    "AutoModelForNextSentencePrediction",
    "AutoModelForPreTraining",
    "AutoModelForQuestionAnswering",
    "AutoModelForSeq2SeqLM",
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoTokenizer",
    "BartConfig",
    "BartDecoder",
    "BartForCausalLM",
    "BartForConditionalGeneration",
    "BartForQuestionAnswering",
    "BartForSequenceClassification",
    "BartModel",
    "BartTokenizer",
    "BartTokenizerFast",
    "BertConfig",
    "BertForMaskedLM",
    "BertForMultipleChoice",
    "BertForNextSentencePrediction",
    "BertForPreTraining",
    "BertForQuestionAnswering",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertLMHeadModel",
    "BertModel",
    "BertTokenizer",
    "BertTokenizerFast",
    "BlenderbotConfig",
    "BlenderbotDecoder",
    "BlenderbotForCausalLM",
    "BlenderbotForConditionalGeneration",
    "BlenderbotModel",
    "BlenderbotSmallConfig",
    "BlenderbotSmallDecoder",
    "BlenderbotSmallForCausalLM",
    "BlenderbotSmallForConditionalGeneration",
    "BlenderbotSmallModel",
    "BlenderbotSmallTokenizer",
    "BlenderbotSmallTokenizerFast",
    "BlenderbotTokenizer",
    "BlenderbotTokenizerFast",
    "CamembertConfig",
    "CamembertForCausalLM",
    "CamembertForMaskedLM",
    "CamembertForMultipleChoice",
    "CamembertForQuestionAnswering",
    "CamembertForSequenceClassification",
    "CamembertForTokenClassification",
    "CamembertModel",
    "CamembertTokenizer",
    "CamembertTokenizerFast",
    "ClassPrediction",
    "DataCollatorForLanguageModeling",
    "DataCollatorForSeq2Seq",
    "DataCollatorForTokenClassification",
    "DataCollatorWithPadding",
    "DebertaV2Config",
    "DebertaV2ForMaskedLM",
    "DebertaV2ForMultipleChoice",
    "DebertaV2ForQuestionAnswering",
    "DebertaV2ForSequenceClassification",
    "DebertaV2ForTokenClassification",
    "DebertaV2Model",
    "DebertaV2Tokenizer",
    "DebertaV2TokenizerFast",
    "DistilBertConfig",
    "DistilBertForMaskedLM",
    "DistilBertForMultipleChoice",
    "DistilBertForQuestionAnswering",
    "DistilBertForSequenceClassification",
    "DistilBertForTokenClassification",
    "DistilBertModel",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "EarlyStoppingCallback",
    "ElectraConfig",
    "ElectraForCausalLM",
    "ElectraForMaskedLM",
    "ElectraForMultipleChoice",
    "ElectraForPreTraining",
    "ElectraForQuestionAnswering",
    "ElectraForSequenceClassification",
    "ElectraForTokenClassification",
    "ElectraModel",
    "ElectraTokenizer",
    "ElectraTokenizerFast",
    "Encoding",
    "EnfoldError",
    "Feedback",
    "FlaubertConfig",
    "FlaubertForMultipleChoice",
    "FlaubertForQuestionAnsweringSimple",
    "FlaubertForSequenceClassification",
    "FlaubertForTokenClassification",
    "FlaubertModel",
    "FlaubertTokenizer",
    "FlaubertWithLMHeadModel",
    "GPT2Config",
    "GPT2ForQuestionAnswering",
    "GPT2ForSequenceClassification",
    "GPT2ForTokenClassification",
    "GPT2LMHeadModel",
    "GPT2Model",
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "GPTNeoXConfig",
    "GPTNeoXForCausalLM",
    "GPTNeoXForQuestionAnswering",
    "GPTNeoXForSequenceClassification",
    "GPTNeoXForTokenClassification",
    "GPTNeoXModel",
    "GPTNeoXTokenizer",
    "GPTNeoXTokenizerFast",
    "GemmaConfig",
    "GemmaForCausalLM",
    "GemmaForSequenceClassification",
    "GemmaForTokenClassification",
    "GemmaModel",
    "GemmaTokenizer",
    "GemmaTokenizerFast",
    "GenerationConfig",
    "LabelSet",
    "LlamaConfig",
    "LlamaForCausalLM",
    "LlamaForQuestionAnswering",
    "LlamaForSequenceClassification",
    "LlamaForTokenClassification",
    "LlamaModel",
    "LlamaTokenizer",
    "LlamaTokenizerFast",
    "M2M100Config",
    "M2M100Decoder",
    "M2M100ForConditionalGeneration",
    "M2M100Model",
    "M2M100Tokenizer",
    "MBart50Tokenizer",
    "MBart50TokenizerFast",
    "MBartConfig",
    "MBartDecoder",
    "MBartForCausalLM",
    "MBartForConditionalGeneration",
    "MBartForQuestionAnswering",
    "MBartForSequenceClassification",
    "MBartModel",
    "MBartTokenizer",
    "MBartTokenizerFast",
    "MPNetConfig",
    "MPNetForMaskedLM",
    "MPNetForMultipleChoice",
    "MPNetForQuestionAnswering",
    "MPNetForSequenceClassification",
    "MPNetForTokenClassification",
    "MPNetModel",
    "MPNetTokenizer",
    "MPNetTokenizerFast",
    "MT5Config",
    "MT5EncoderModel",
    "MT5ForConditionalGeneration",
    "MT5ForQuestionAnswering",
    "MT5ForSequenceClassification",
    "MT5ForTokenClassification",
    "MT5Model",
    "MarianConfig",
    "MarianDecoder",
    "MarianForCausalLM",
    "MarianMTModel",
    "MarianModel",
    "MarianTokenizer",
    "Metric",
    "MistralConfig",
    "MistralForCausalLM",
    "MistralForQuestionAnswering",
    "MistralForSequenceClassification",
    "MistralForTokenClassification",
    "MistralModel",
    "ModernBertConfig",
    "ModernBertForMaskedLM",
    "ModernBertForMultipleChoice",
    "ModernBertForQuestionAnswering",
    "ModernBertForSequenceClassification",
    "ModernBertForTokenClassification",
    "ModernBertModel",
    "NllbTokenizer",
    "NllbTokenizerFast",
    "OPTConfig",
    "OPTForCausalLM",
    "OPTForQuestionAnswering",
    "OPTForSequenceClassification",
    "OPTModel",
    "PegasusConfig",
    "PegasusDecoder",
    "PegasusForCausalLM",
    "PegasusForConditionalGeneration",
    "PegasusModel",
    "PegasusTokenizer",
    "PegasusTokenizerFast",
    "PreTrainedModel",
    "Prediction",
    "Project",
    "Qwen2Config",
    "Qwen2ForCausalLM",
    "Qwen2ForQuestionAnswering",
    "Qwen2ForSequenceClassification",
    "Qwen2ForTokenClassification",
    "Qwen2Model",
    "Qwen2Tokenizer",
    "Qwen2TokenizerFast",
    "Qwen3Config",
    "Qwen3ForCausalLM",
    "Qwen3ForQuestionAnswering",
    "Qwen3ForSequenceClassification",
    "Qwen3ForTokenClassification",
    "Qwen3Model",
    "Report",
    "RobertaConfig",
    "RobertaForCausalLM",
    "RobertaForMaskedLM",
    "RobertaForMultipleChoice",
    "RobertaForQuestionAnswering",
    "RobertaForSequenceClassification",
    "RobertaForTokenClassification",
    "RobertaModel",
    "RobertaTokenizer",
    "RobertaTokenizerFast",
    "Seq2SeqTrainer",
    "Seq2SeqTrainingArguments",
    "Span",
    "T5Config",
    "T5EncoderModel",
    "T5ForConditionalGeneration",
    "T5ForQuestionAnswering",
    "T5ForSequenceClassification",
    "T5ForTokenClassification",
    "T5Model",
    "T5Tokenizer",
    "T5TokenizerFast",
    "TextClassificationPipeline",
    "TextIteratorStreamer",
    "TextStreamer",
    "Tokenizer",
    "Trainer",
    "TrainerCallback",
    "TrainingArguments",
    "XLMRobertaConfig",
    "XLMRobertaForCausalLM",
    "XLMRobertaForMaskedLM",
    "XLMRobertaForMultipleChoice",
    "XLMRobertaForQuestionAnswering",
    "XLMRobertaForSequenceClassification",
    "XLMRobertaForTokenClassification",
    "XLMRobertaModel",
    "XLMRobertaTokenizer",
    "XLMRobertaTokenizerFast",
    "__version__",
    "evaluate",
    "get_linear_schedule_with_warmup",
    "identify_language",
    "normalise",
    "pipeline",
    "quantise",
    "read_table",
    "set_seed",
    "split_sentences",
    "train_tokenizer",
]
