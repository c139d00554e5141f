"""Language networks of three blocks with random weights, in folders as save_pretrained writes them; nothing is downloaded."""

import torch
import transformers
from fake_dataset import CAPTIONS

_SIZES = {"vocab_size": 48, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 32,
          "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_SMALL = {"vocab_size": 48, "n_layer": 3, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2}
CONFIGS = {
    "llama": lambda: transformers.LlamaConfig(**_SIZES, intermediate_size=48, num_key_value_heads=2),
    "gemma2": lambda: transformers.Gemma2Config(**_SIZES, intermediate_size=48, num_key_value_heads=2, head_dim=8, sliding_window=4,
                                                query_pre_attn_scalar=8),
    "bloom": lambda: transformers.BloomConfig(**_SMALL, hidden_size=24),
    "gpt2": lambda: transformers.GPT2Config(**_SMALL, n_embd=24, n_positions=32),
    "bert": lambda: transformers.BertConfig(**_SIZES, intermediate_size=48),
}
BEGINS = {"llama": "<s>", "gemma2": "<s>", "bert": "[CLS]", "bloom": None, "gpt2": None}       # the token put before a text
SPREAD = 0.3                                                                    # of the weights: large enough to tell layers apart


def tiny_folder(folder, family, *, padding_side="right", seed=2):
    """Three blocks and a tokenizer of whole words; Llama and Gemma-2 begin with <s>, BERT with [CLS], the others with a word."""
    _tokenizer(family, padding_side).save_pretrained(folder)
    torch.manual_seed(seed)
    config = CONFIGS[family]()
    config.initializer_range = SPREAD
    kind_of(family).from_config(config).save_pretrained(folder)
    return folder


def kind_of(family):
    return transformers.AutoModel if family == "bert" else transformers.AutoModelForCausalLM


def _tokenizer(family, padding_side):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    words = sorted({word for caption in CAPTIONS for word in caption.replace(",", " ,").split()})
    known = {word: k for k, word in enumerate(["[UNK]", "<s>", "</s>", "[CLS]", "[SEP]", *words[:43]])}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if BEGINS[family]:
        template = f"{BEGINS[family]} $A" + (" [SEP]" if family == "bert" else "")
        tokenizer.post_processor = processors.TemplateProcessing(single=template,
                                                                 special_tokens=[(token, known[token]) for token in known if
                                                                                 token in template])
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]"} if family == "bert" else {"bos_token": "<s>", "eos_token": "</s>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", padding_side=padding_side, **special)
