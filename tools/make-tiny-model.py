#!/usr/bin/env python3
"""Writes a tiny Llama model with random weights, for driving real engines on a CPU (docs/real-engines.md).

    make-tiny-model.py DIR     DIR/hf: for vLLM and transformers;  DIR/tiny.gguf: for llama.cpp

Needs the Python packages numpy, tokenizers, safetensors and gguf. The vocabulary is a byte-level BPE trained on the
text of Python's own help pages; the weights are normal noise, so the answers are noise too. Same script, same model.
"""
import json
import pathlib
import sys
from pydoc_data.topics import topics

import gguf
import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY, CONTEXT = 4096, 4096
LAYERS, WIDTH, HEADS, KV_HEADS, INNER = 4, 256, 4, 2, 704
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
EOS = 0
CHAT = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
# the names of one layer's parts: Hugging Face, GGUF, rows, columns
PARTS = [("self_attn.q_proj", "attn_q", WIDTH, WIDTH),
         ("self_attn.k_proj", "attn_k", WIDTH * KV_HEADS // HEADS, WIDTH),
         ("self_attn.v_proj", "attn_v", WIDTH * KV_HEADS // HEADS, WIDTH),
         ("self_attn.o_proj", "attn_output", WIDTH, WIDTH),
         ("mlp.gate_proj", "ffn_gate", INNER, WIDTH),
         ("mlp.up_proj", "ffn_up", INNER, WIDTH),
         ("mlp.down_proj", "ffn_down", WIDTH, INNER)]
NORMS = [("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm")]


def train_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        (topics[key] for key in sorted(topics)),
        trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, show_progress=False,
                            initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def weights():
    """(Hugging Face name, GGUF name, array) of every tensor."""
    rng = numpy.random.default_rng(1)

    def noise(rows, columns):
        return rng.normal(0, columns ** -0.5, (rows, columns)).astype(numpy.float32)

    ones = numpy.ones(WIDTH, numpy.float32)
    yield "model.embed_tokens.weight", "token_embd.weight", noise(VOCABULARY, WIDTH)
    yield "model.norm.weight", "output_norm.weight", ones
    yield "lm_head.weight", "output.weight", noise(VOCABULARY, WIDTH)
    for i in range(LAYERS):
        for theirs, ggufs, rows, columns in PARTS:
            yield f"model.layers.{i}.{theirs}.weight", f"blk.{i}.{ggufs}.weight", noise(rows, columns)
        for theirs, ggufs in NORMS:
            yield f"model.layers.{i}.{theirs}.weight", f"blk.{i}.{ggufs}.weight", ones.copy()


def write_hf(folder, tokenizer, tensors):
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY,
              "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
              "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": WIDTH // HEADS,
              "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "float32",
              "bos_token_id": EOS, "eos_token_id": EOS}
    about_tokens = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": CONTEXT,
                    "bos_token": SPECIAL[EOS], "eos_token": SPECIAL[EOS], "chat_template": CHAT}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": EOS, "eos_token_id": EOS}))
    (folder / "tokenizer_config.json").write_text(json.dumps(about_tokens, indent=1))
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file({name: array for name, _, array in tensors}, folder / "model.safetensors", metadata={"format": "pt"})


def write_gguf(path, tokenizer, tensors):
    vocabulary = tokenizer.get_vocab()
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    w = gguf.GGUFWriter(path, "llama")
    w.add_name("tiny-random")
    w.add_context_length(CONTEXT)
    w.add_embedding_length(WIDTH)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(INNER)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(WIDTH // HEADS)
    w.add_vocab_size(VOCABULARY)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(sorted(vocabulary, key=vocabulary.get))
    w.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (VOCABULARY - len(SPECIAL)))
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    w.add_bos_token_id(EOS)
    w.add_eos_token_id(EOS)
    w.add_add_bos_token(False)
    w.add_chat_template(CHAT)
    for _, name, array in tensors:
        w.add_tensor(name, array)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    tokenizer = train_tokenizer()
    if tokenizer.get_vocab_size() != VOCABULARY:
        sys.exit(f"the vocabulary has {tokenizer.get_vocab_size()} tokens instead of {VOCABULARY}")
    tensors = list(weights())
    write_hf(folder / "hf", tokenizer, tensors)
    write_gguf(folder / "tiny.gguf", tokenizer, tensors)


main()
