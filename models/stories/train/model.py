"""A Llama decoder that can be trained with skipped sublayers and early exits.

Modules carry the names of the Hugging Face Llama, so exporting is a matter of a prefix.
Shapes: B sequences, T positions, H heads, D head size, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

ATTENTION = "attention"
MLP = "mlp"


@dataclass(frozen=True)
class Config:
    """The shape of the embedded model, in Hugging Face's field names."""

    vocab_size: int = 4096
    hidden_size: int = 256
    intermediate_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    max_position_embeddings: int = 512
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5
    initializer_range: float = 0.02


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last axis."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        """[..., size] -> [..., size]."""
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


def rotate(x, cos, sin):
    """Rotary embedding of x [B, H, T, D], half-split as in Hugging Face Llama; cos, sin [T, D/2]."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Attention(nn.Module):
    """Causal attention with grouped key/value heads."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        query_size = config.num_attention_heads * config.head_dim
        key_value_size = config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, query_size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, key_value_size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, key_value_size, bias=False)
        self.o_proj = nn.Linear(query_size, config.hidden_size, bias=False)

    def forward(self, h, cos, sin):
        """[B, T, hidden] -> [B, T, hidden], from position 0."""
        batch, length, _ = h.shape

        def heads(projected):
            return projected.view(batch, length, -1, self.config.head_dim).transpose(1, 2)

        q = rotate(heads(self.q_proj(h)), cos, sin)
        k = rotate(heads(self.k_proj(h)), cos, sin)
        v = heads(self.v_proj(h))
        group = self.config.num_attention_heads // self.config.num_key_value_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


class GatedMLP(nn.Module):
    """down(silu(gate(h)) * up(h))."""

    def __init__(self, config: Config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, h):
        """[B, T, hidden] -> [B, T, hidden]."""
        return self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Layer(nn.Module):
    """Two sublayers; each returns what it adds to the residual stream."""

    def __init__(self, config: Config):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = GatedMLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def attention_update(self, x, cos, sin):
        """The attention sublayer's share, [B, T, hidden]."""
        return self.self_attn(self.input_layernorm(x), cos, sin)

    def mlp_update(self, x):
        """The MLP sublayer's share, [B, T, hidden]."""
        return self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """The decoder; the head is tied to the embedding."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self._make_rotary_tables()
        self._initialise()

    def _make_rotary_tables(self):
        config = self.config
        position = torch.arange(config.max_position_embeddings).float()[:, None]
        exponent = torch.arange(0, config.head_dim, 2).float() / config.head_dim
        angle = position * config.rope_theta ** (-exponent)
        self.register_buffer("cos", torch.cos(angle), persistent=False)
        self.register_buffer("sin", torch.sin(angle), persistent=False)

    def _initialise(self):
        """Normal weights; what writes to the residual stream starts smaller, by its depth."""
        std = self.config.initializer_range
        into_residual = std / (2 * self.config.num_hidden_layers) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                writes = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, 0, into_residual if writes else std)

    def compile_sublayers(self):
        """Compiles each sublayer on its own, so that any of them can still be skipped."""
        for layer in self.layers:
            layer.attention_update = torch.compile(layer.attention_update)
            layer.mlp_update = torch.compile(layer.mlp_update)

    def head(self, hidden):
        """Logits [B, T, V] of hidden rows, through the shared final norm and head."""
        return F.linear(self.norm(hidden), self.embed_tokens.weight)

    def forward(self, ids, skipped=frozenset(), exits=()):
        """Hidden rows after the last layer, and after each layer count named in `exits`.

        ids      [B, T]
        skipped  sublayers left out for this batch: pairs (layer, ATTENTION or MLP)
        exits    layer counts; 3 means "after the first three layers"
        returns  (hidden [B, T, hidden], {count: hidden [B, T, hidden]})
        """
        x = self.embed_tokens(ids)
        dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else x.dtype
        x = x.to(dtype)
        length = ids.shape[1]
        cos, sin = self.cos[:length].to(dtype), self.sin[:length].to(dtype)
        exit_rows = {}
        for index, layer in enumerate(self.layers):
            if (index, ATTENTION) not in skipped:
                x = x + layer.attention_update(x, cos, sin)
            if (index, MLP) not in skipped:
                x = x + layer.mlp_update(x)
            if index + 1 in exits:
                exit_rows[index + 1] = x
        return x, exit_rows
