"""Image-text models of random weights with a tokenizer of their own, made within a test: save_captioner(folder)."""

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "<image>", "motion", "static", "user", "assistant", ":", "Describe", "this",
         "photograph", *(f"w{k}" for k in range(80))]
SMOL = ["<fake_token_around_image>", "<end_of_utterance>", "<global-img>",
        *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))]
TEMPLATE = ("{% for m in messages %}{{ m['role'] }} : {% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}"
            "{{ c['text'] }}{% endif %}{% endfor %}</s> {% endfor %}{% if add_generation_prompt %}assistant :{% endif %}")
_SIZE = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)


def save_captioner(folder, seed=0, kind="llava", chat_template=TEMPLATE, ends=True):
    """Write model and processor.

    kind: "llava", or "smolvlm", whose family cuts pictures into tiles; ends: the last token that it may say is an end of text.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        processor, model = {"llava": _llava, "smolvlm": _smolvlm}[kind](chat_template)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    if ends:
        model.generation_config.forced_eos_token_id = 2
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _llava(chat_template):
    from transformers import CLIPImageProcessor, CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(pictures, _tokenizer(WORDS), patch_size=16, vision_feature_select_strategy="default",
                               num_additional_image_tokens=1, chat_template=chat_template, image_token="<image>")
    return processor, LlavaForConditionalGeneration(LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=32, patch_size=16, projection_dim=16, **_SIZE), text_config=_text(len(WORDS)),
        image_token_index=WORDS.index("<image>")))


def _smolvlm(chat_template):
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessor, Idefics3Processor

    words = [*WORDS, *SMOL]
    pictures = Idefics3ImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    processor = Idefics3Processor(pictures, _tokenizer(words, SMOL), image_seq_len=4, chat_template=chat_template)
    return processor, Idefics3ForConditionalGeneration(Idefics3Config(
        image_token_id=words.index("<image>"), scale_factor=2, pad_token_id=0, text_config=_text(len(words)).to_dict(),
        vision_config=dict(image_size=32, patch_size=8, **_SIZE)))


def _text(n_words):
    from transformers import LlamaConfig
    return LlamaConfig(vocab_size=n_words, num_key_value_heads=2, max_position_embeddings=512, bos_token_id=1, eos_token_id=2,
                       pad_token_id=0, initializer_range=0.3, **_SIZE)


def _tokenizer(words, more=()):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
                                   unk_token="<unk>", additional_special_tokens=["<image>", *more])
