"""The Set Transformer over very many sets of one pool, without recomputing what they share.

Exact decoding (Residual HOS2, section 4.3) scores each of a pool's C(M, R) sets for one target.
The same function as :meth:`grn_exp.nn.set_transformer.SetTransformer.forward`, reordered:

* The tokens that enter the first layer do not depend on the set. So attention logits of all
  pairs and values of all tokens are computed once; in a set, attention is a weighted sum of rows
  of a table. The output projection is folded into the values, and the feed-forward part's first
  layer too: between the two there is only a layer norm, which but for its one scale per row is
  linear. A row's ``R + 1`` keys x H heads are summed straight to ``ff_width`` numbers.
* Every layer norm takes out the mean, so rows are kept centred by centring whatever is added to
  them, and a norm costs one scale. The mean is followed for [CLS] alone, which the head reads.
* Of the last layer only [CLS] is wanted. Its query is brought to the tokens
  (``(W_k^T q)^T h_i`` for ``q^T W_k h_i``), and what it attends to is summed before it meets
  ``W_v``: one product per set in place of one per token. The head is folded into the last
  product.

Softmax ignores what is the same for all keys, so no key bias appears. What is left is mostly the
second half of the feed-forward part for every row of the first layer: its variance, which the
next norm needs, cannot be had for less.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# exp of it and its inverse are well inside float32
_WIDEST_LOGITS = 60.0
_ROWS_IN_CACHE = 3840


class PoolScore:
    """psi_set of the sets of one pool for one target.

    Parameters
    ----------
    layers
        The encoder's layers, norms first, with GELU.
    head
        w, shape ``(d,)``.
    tokens
        [CLS] and then the pool's candidates, shape ``(M + 1, d)``.
    """

    def __init__(
        self, layers: list[nn.TransformerEncoderLayer], head: Tensor, tokens: Tensor
    ) -> None:
        self.n_candidates = len(tokens) - 1
        self.device = tokens.device
        if tokens.device.type == "cpu":
            _keep_freed_memory()
        # a device with thousands of lanes wants more at once than fits a core's cache
        self.rows = _ROWS_IN_CACHE if tokens.device.type == "cpu" else 2**18
        self.inner = layers[1:-1]
        with torch.inference_mode():
            self.first = _FirstLayer(layers[0], tokens)
            self.end = _Feed(layers[-1], head)
            self.first_feed = _Feed(layers[0], head)
            self.last = _LastLayer(layers[-1], head) if len(layers) > 1 else None

    @torch.inference_mode()
    def __call__(self, sets: Tensor) -> Tensor:
        """Score sets of one size.

        Parameters
        ----------
        sets
            Positions in the pool, shape ``(n, R)``, int64, no position twice in a row.

        Returns
        -------
        Tensor
            Shape ``(n,)``.
        """
        chunk = max(1, self.rows // (sets.shape[1] + 1))
        return torch.cat([self._score(each.to(self.device)) for each in sets.split(chunk)])

    def _score(self, sets: Tensor) -> Tensor:
        tokens = functional.pad(sets + 1, (1, 0))  # [CLS] is token 0
        if self.last is None:
            x, hidden, mean = self.first(tokens, n_rows=1)
            return self.end.score(x[:, 0], hidden[:, 0], mean)
        x, hidden, mean = self.first(tokens, n_rows=tokens.shape[1])
        mean = self.first_feed.add_to(x, hidden, mean)
        if self.inner:
            x[:, 0] += mean[:, None]
            for layer in self.inner:
                x = layer(x)
            means = x.mean(dim=-1)
            x, mean = x - means[..., None], means[:, 0]
        x, hidden, mean = self.last(x, mean)
        return self.end.score(x, hidden, mean)


def _keep_freed_memory() -> None:
    """Make the C library keep megabytes that are freed, to hand them out again.

    glibc gives large blocks back to the system at once, and every chunk would pay for new pages:
    two fifths of the time. It raises its limit to the size of the largest block, up to 32 MB,
    that it has seen freed. Elsewhere this does nothing.
    """
    torch.empty(24 * 2**20, dtype=torch.uint8)


class _Norm:
    """A layer norm in front of a linear layer, of rows that are centred already."""

    def __init__(self, norm: nn.LayerNorm, weight: Tensor, bias: Tensor) -> None:
        self.eps = norm.eps
        self.weight = weight * norm.weight
        self.bias = bias + weight @ norm.bias

    def scale(self, centred: Tensor) -> Tensor:
        """Return what the norm multiplies each row by: ``(..., d)`` to ``(...)``."""
        squares = torch.linalg.vecdot(centred, centred)
        return squares.div_(centred.shape[-1]).add_(self.eps).rsqrt_()


class _Feed:
    """A layer's feed-forward part: its second half, and its end in the head."""

    def __init__(self, layer: nn.TransformerEncoderLayer, head: Tensor) -> None:
        weight, bias = layer.linear2.weight, layer.linear2.bias
        self.mean_weight, self.mean_bias = weight.mean(dim=0), bias.mean()
        self.weight = (weight - self.mean_weight).T.contiguous()
        self.bias = bias - self.mean_bias
        self.head, self.head_sum = head, head.sum()
        self.head_weight, self.head_bias = head @ weight, head @ bias

    def add_to(self, x: Tensor, hidden: Tensor, mean: Tensor) -> Tensor:
        """Add to centred rows ``(n, R + 1, d)`` in place; return their first rows' new means."""
        rows = x.view(-1, x.shape[-1])
        rows.addmm_(hidden.view(len(rows), -1), self.weight).add_(self.bias)
        return mean + hidden[:, 0] @ self.mean_weight + self.mean_bias

    def score(self, x: Tensor, hidden: Tensor, mean: Tensor) -> Tensor:
        """Return w^T of the row after this part: ``(n, d)``, ``(n, ff_width)``, ``(n,)``."""
        return (
            torch.addmv(mean * self.head_sum, x, self.head)
            .addmv_(hidden, self.head_weight)
            .add_(self.head_bias)
        )


class _FirstLayer:
    """Attention and first half of the feed-forward part of the first layer, as tables.

    Row ``j * H + h`` of a table is what head h adds for attending to token j; then there is a
    row for what each token starts from, and a last row for the bias.
    """

    def __init__(self, layer: nn.TransformerEncoderLayer, tokens: Tensor) -> None:
        attention = layer.self_attn
        self.n_heads, self.n_tokens = attention.num_heads, len(tokens)
        n, heads, dim = self.n_tokens, self.n_heads, tokens.shape[1]
        projected = functional.linear(
            layer.norm1(tokens), attention.in_proj_weight, attention.in_proj_bias
        )
        query, key, value = projected.view(n, 3, heads, -1).permute(1, 2, 0, 3)
        logits = (query @ key.mT) / math.sqrt(dim // heads)  # heads, query, key
        logits -= logits.amax(dim=-1, keepdim=True)
        self.is_wide = bool(logits.amin() < -_WIDEST_LOGITS)
        pairs = logits if self.is_wide else logits.exp()
        self.pairs = pairs.permute(1, 2, 0).contiguous().view(n * n, heads)
        output = attention.out_proj.weight.view(dim, heads, -1).permute(1, 2, 0)
        added = (value @ output).transpose(0, 1).reshape(n * heads, dim)
        table = torch.cat([added, tokens + attention.out_proj.bias])
        self.mean_table = functional.pad(table.mean(dim=1), (0, 1))
        table = table - table.mean(dim=1, keepdim=True)
        self.norm = _Norm(layer.norm2, layer.linear1.weight, layer.linear1.bias)
        self.table = functional.pad(table, (0, 0, 0, 1))
        self.hidden_table = torch.cat([table @ self.norm.weight.T, self.norm.bias[None]])

    def __call__(self, tokens: Tensor, n_rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the first rows of each set, centred, their hidden units, and the [CLS] means.

        Tokens ``(n, T)``, [CLS] first, become ``(n, n_rows, d)``, ``(n, n_rows, ff_width)`` and
        ``(n,)``.
        """
        n = len(tokens)
        index, weights = self._entries(tokens, n_rows)
        mean = torch.linalg.vecdot(weights[:, 0], self.mean_table[index[:, 0]])
        x = _weighted_sums(self.table, index, weights)
        weights[..., :-1] *= self.norm.scale(x).view(n, n_rows, 1)
        hidden = functional.gelu(_weighted_sums(self.hidden_table, index, weights))
        return x.view(n, n_rows, -1), hidden.view(n, n_rows, -1), mean

    def _entries(self, tokens: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
        """Return which table rows make each row, and their weights: ``(n, n_rows, T H + 2)``."""
        n, n_tokens = tokens.shape
        n_keys = n_tokens * self.n_heads
        rows = tokens[:, :n_rows]
        heads = torch.arange(self.n_heads, device=tokens.device)
        index = tokens.new_empty(n, n_rows, n_keys + 2)
        index[..., :n_keys] = (tokens[:, :, None] * self.n_heads + heads).view(n, 1, n_keys)
        index[..., n_keys] = rows + self.n_tokens * self.n_heads
        index[..., n_keys + 1] = len(self.table) - 1
        pairs = rows[:, :, None] * self.n_tokens + tokens[:, None, :]
        raw = self.pairs.index_select(0, pairs.view(-1)).view(n * n_rows, n_tokens, -1)
        if self.is_wide:
            raw = (raw - raw.amax(dim=1, keepdim=True)).exp_()
        weights = raw.new_ones(n, n_rows, n_keys + 2)
        # a product with blocks of ones sums over the tokens and repeats the sum for each
        ones = torch.eye(self.n_heads, dtype=raw.dtype, device=raw.device)
        flat = raw.view(n * n_rows, n_keys)
        flat.div_(flat @ ones.repeat(n_tokens, n_tokens))
        weights[..., :n_keys] = flat.view(n, n_rows, n_keys)
        return index, weights


class _LastLayer:
    """The last of several layers, for the first row of each set."""

    def __init__(self, layer: nn.TransformerEncoderLayer, head: Tensor) -> None:
        attention = layer.self_attn
        heads, dim = attention.num_heads, len(head)
        query, key, value = attention.in_proj_weight.view(3, dim, dim)
        query_bias, _, value_bias = attention.in_proj_bias.view(3, dim)
        self.n_heads = heads
        self.query = _Norm(layer.norm1, query, query_bias)
        self.query_weight = self.query.weight.T.contiguous()
        self.key = (key * layer.norm1.weight / math.sqrt(dim // heads)).view(heads, -1, dim)
        weighted = _Norm(layer.norm1, value, value_bias)
        self.value = weighted.weight.view(heads, -1, dim).mT.contiguous()
        output = attention.out_proj.weight
        bias = attention.out_proj.bias + output @ weighted.bias
        self.mean_weight, self.mean_bias = output.mean(dim=0), bias.mean()
        self.output = (output - self.mean_weight).T.contiguous()
        self.output_bias = bias - self.mean_bias
        self.feed = _Norm(layer.norm2, layer.linear1.weight, layer.linear1.bias)
        self.feed_weight = self.feed.weight.T.contiguous()

    def __call__(self, x: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the first row after attention, its hidden units and its mean.

        Centred rows ``(n, T, d)`` become ``(n, d)``, ``(n, ff_width)`` and ``(n,)``.
        """
        n, n_tokens, dim = x.shape
        scale = self.query.scale(x)
        query = torch.addmm(self.query.bias, x[:, 0] * scale[:, :1], self.query_weight)
        brought = torch.bmm(query.view(n, self.n_heads, -1).transpose(0, 1), self.key)
        logits = torch.bmm(brought.transpose(0, 1), x.mT).mul_(scale[:, None])
        # torch's softmax is slow where there are few keys
        weights = logits.sub_(logits.amax(dim=-1, keepdim=True)).exp_()
        weights = weights.div_(weights.sum(dim=-1, keepdim=True)).mul_(scale[:, None])
        index = torch.arange(n * n_tokens, device=x.device).view(n, 1, n_tokens)
        index = index.expand(n, self.n_heads, n_tokens)
        attended = _weighted_sums(x.reshape(-1, dim), index, weights)
        attended = attended.view(n, self.n_heads, dim).transpose(0, 1)
        context = torch.bmm(attended, self.value).transpose(0, 1).reshape(n, dim)
        row = torch.addmm(x[:, 0], context, self.output).add_(self.output_bias)
        mean = mean + context @ self.mean_weight + self.mean_bias
        normed = row * self.feed.scale(row)[:, None]
        hidden = torch.addmm(self.feed.bias, normed, self.feed_weight)
        return row, functional.gelu(hidden), mean


def _weighted_sums(table: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """Sum rows of ``table`` over the last axis of ``index``; one row for every other position."""
    n_entries = index.shape[-1]
    ends = torch.arange(0, index.numel() + 1, n_entries, device=index.device)
    return functional.embedding_bag(
        index.reshape(-1),
        table,
        ends,
        mode="sum",
        per_sample_weights=weights.reshape(-1),
        include_last_offset=True,
    )
