# Written by scripts/generate_stubs.py; run it after adding a name or a family.

from enfold.compression import quantise as quantise
from enfold.data import read_table as read_table
from enfold.errors import EnfoldError as EnfoldError
from enfold.evaluation import Report as Report
from enfold.evaluation import evaluate as evaluate
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
from enfold.models.families.bart import BartConfig as BartConfig
from enfold.models.families.bert import BertConfig as BertConfig
from enfold.models.families.gpt2 import GPT2Config as GPT2Config
from enfold.models.families.llama import LlamaConfig as LlamaConfig
from enfold.models.families.modernbert import ModernBertConfig as ModernBertConfig
from enfold.models.families.roberta import CamembertConfig as CamembertConfig
from enfold.models.families.roberta import RobertaConfig as RobertaConfig
from enfold.models.families.roberta import XLMRobertaConfig as XLMRobertaConfig
from enfold.models.heads import MultipleChoice as _MultipleChoice
from enfold.models.heads import NextSentence as _NextSentence
from enfold.models.heads import QuestionAnswering as _QuestionAnswering
from enfold.models.heads import SequenceClassification as _SequenceClassification
from enfold.models.heads import TokenClassification as _TokenClassification
from enfold.models.language_heads import CausalLM as _CausalLM
from enfold.models.language_heads import ConditionalGeneration as _ConditionalGeneration
from enfold.models.language_heads import DecoderAlone as _DecoderAlone
from enfold.models.language_heads import MaskedLM as _MaskedLM
from enfold.models.language_heads import PreTraining as _PreTraining
from enfold.pipelines import TextClassificationPipeline as TextClassificationPipeline
from enfold.pipelines import pipeline as pipeline
from enfold.project import Project as Project
from enfold.text import AutoTokenizer as AutoTokenizer
from enfold.text import BertTokenizer as BertTokenizer
from enfold.text import BertTokenizer as BertTokenizerFast
from enfold.text import GPT2Tokenizer as GPT2Tokenizer
from enfold.text import GPT2Tokenizer as GPT2TokenizerFast
from enfold.text import LlamaTokenizer as LlamaTokenizer
from enfold.text import LlamaTokenizer as LlamaTokenizerFast
from enfold.text import RobertaTokenizer as BartTokenizer
from enfold.text import RobertaTokenizer as BartTokenizerFast
from enfold.text import Tokenizer as Tokenizer
from enfold.training import DataCollatorForTokenClassification as DataCollatorForTokenClassification
from enfold.training import DataCollatorWithPadding as DataCollatorWithPadding
from enfold.training import EarlyStoppingCallback as EarlyStoppingCallback
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
class CamembertForCausalLM(_CausalLM): ...
class CamembertForMaskedLM(_MaskedLM): ...
class CamembertForMultipleChoice(_MultipleChoice): ...
class CamembertForQuestionAnswering(_QuestionAnswering): ...
class CamembertForSequenceClassification(_SequenceClassification): ...
class CamembertForTokenClassification(_TokenClassification): ...
class CamembertModel(_EncoderModel): ...
class GPT2ForQuestionAnswering(_QuestionAnswering): ...
class GPT2ForSequenceClassification(_SequenceClassification): ...
class GPT2ForTokenClassification(_TokenClassification): ...
class GPT2LMHeadModel(_CausalLM): ...
class GPT2Model(_DecoderModel): ...
class LlamaForCausalLM(_CausalLM): ...
class LlamaForQuestionAnswering(_QuestionAnswering): ...
class LlamaForSequenceClassification(_SequenceClassification): ...
class LlamaForTokenClassification(_TokenClassification): ...
class LlamaModel(_DecoderModel): ...
class ModernBertForMaskedLM(_MaskedLM): ...
class ModernBertForMultipleChoice(_MultipleChoice): ...
class ModernBertForQuestionAnswering(_QuestionAnswering): ...
class ModernBertForSequenceClassification(_SequenceClassification): ...
class ModernBertForTokenClassification(_TokenClassification): ...
class ModernBertModel(_EncoderModel): ...
class RobertaForCausalLM(_CausalLM): ...
class RobertaForMaskedLM(_MaskedLM): ...
class RobertaForMultipleChoice(_MultipleChoice): ...
class RobertaForQuestionAnswering(_QuestionAnswering): ...
class RobertaForSequenceClassification(_SequenceClassification): ...
class RobertaForTokenClassification(_TokenClassification): ...
class RobertaModel(_EncoderModel): ...
class XLMRobertaForCausalLM(_CausalLM): ...
class XLMRobertaForMaskedLM(_MaskedLM): ...
class XLMRobertaForMultipleChoice(_MultipleChoice): ...
class XLMRobertaForQuestionAnswering(_QuestionAnswering): ...
class XLMRobertaForSequenceClassification(_SequenceClassification): ...
class XLMRobertaForTokenClassification(_TokenClassification): ...
class XLMRobertaModel(_EncoderModel): ...

__all__ = [
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
    "CamembertConfig",
    "CamembertForCausalLM",
    "CamembertForMaskedLM",
    "CamembertForMultipleChoice",
    "CamembertForQuestionAnswering",
    "CamembertForSequenceClassification",
    "CamembertForTokenClassification",
    "CamembertModel",
    "ClassPrediction",
    "DataCollatorForTokenClassification",
    "DataCollatorWithPadding",
    "EarlyStoppingCallback",
    "Encoding",
    "EnfoldError",
    "Feedback",
    "GPT2Config",
    "GPT2ForQuestionAnswering",
    "GPT2ForSequenceClassification",
    "GPT2ForTokenClassification",
    "GPT2LMHeadModel",
    "GPT2Model",
    "GPT2Tokenizer",
    "GPT2TokenizerFast",
    "LabelSet",
    "LlamaConfig",
    "LlamaForCausalLM",
    "LlamaForQuestionAnswering",
    "LlamaForSequenceClassification",
    "LlamaForTokenClassification",
    "LlamaModel",
    "LlamaTokenizer",
    "LlamaTokenizerFast",
    "Metric",
    "ModernBertConfig",
    "ModernBertForMaskedLM",
    "ModernBertForMultipleChoice",
    "ModernBertForQuestionAnswering",
    "ModernBertForSequenceClassification",
    "ModernBertForTokenClassification",
    "ModernBertModel",
    "PreTrainedModel",
    "Prediction",
    "Project",
    "Report",
    "RobertaConfig",
    "RobertaForCausalLM",
    "RobertaForMaskedLM",
    "RobertaForMultipleChoice",
    "RobertaForQuestionAnswering",
    "RobertaForSequenceClassification",
    "RobertaForTokenClassification",
    "RobertaModel",
    "Span",
    "TextClassificationPipeline",
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
    "__version__",
    "evaluate",
    "get_linear_schedule_with_warmup",
    "pipeline",
    "quantise",
    "read_table",
    "set_seed",
]
