"""Perceptrons on features of (regulator, target) pairs, without the features.

Features such as ``[z_r; z_t; z_r * z_t; <z_r, z_t>]`` are linear in ``z_r`` once the target is
given, and so is the first layer on them. Each target therefore gets a map of its own,

    M_t = W_r^T + z_t (*) (W_rt + w_dot 1^T)^T        (d x hidden, the rows scaled by z_t),

and a constant from the features without ``z_r``. Applying ``[M_1 ... M_b]`` to all regulators is
one matrix product with d instead of 3d + 1 (or 6d + 2) inputs a pair, and the features of all
pairs, the largest array of the plain form, are never made. The numbers are the plain form's but
for rounding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from grn_exp.nn.dropout import Dropout

# with fewer regulators a target, its map costs more than it saves (d = 128, hidden 128 and 256)
_OWN_MAP_FROM = 48


class _FactoredScorer(nn.Module):
    """What the two scorers share: the layers, and the evaluation of the first one."""

    def __init__(
        self, n_features: int, *, dim: int, hidden_width: int, n_hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.dim = dim
        self.first = nn.Linear(n_features, hidden_width)
        rest: list[nn.Module] = [nn.GELU(), Dropout(dropout)]
        for _ in range(n_hidden - 1):
            rest += [nn.Linear(hidden_width, hidden_width), nn.GELU(), Dropout(dropout)]
        self.rest = nn.Sequential(*rest, nn.Linear(hidden_width, 1))

    def _all_pairs(
        self,
        z_regulators: Tensor,
        *,
        own: Tensor,
        products: Sequence[Tensor],
        partners: Sequence[Tensor],
        constant: Tensor,
    ) -> Tensor:
        """Score every regulator for every target, shape ``(b, n)``.

        ``own`` are the weights of ``z_r``, ``products`` those of ``z_r * p`` for the ``p`` of
        ``partners``; ``constant`` is the first layer's part without ``z_r``, ``(b, hidden)``.
        """
        maps = own.T[:, None, :]
        for weight, partner in zip(products, partners, strict=True):
            maps = torch.addcmul(maps, partner.T[:, :, None], weight.T[:, None, :])
        # one product for all targets; its gradient to z_regulators is one product as well
        flat = torch.addmm(constant.reshape(-1), z_regulators, maps.reshape(self.dim, -1))
        hidden = flat.view(len(z_regulators), *constant.shape)
        return self.rest(hidden).squeeze(-1).T


class FactoredContextScorer(_FactoredScorer):
    """The scorer of Residual HOS2's context-attention retriever (eq. 7 and 8).

    A perceptron with one hidden layer (GELU, dropout) on

        [z_r; z_t; c_t; z_r * z_t; z_r * c_t; z_t * c_t; <z_r, z_t>; <z_r, c_t>].

    Parameters
    ----------
    dim
        d, length of an embedding and of a context.
    hidden_width
        Hidden units.
    dropout
        Share of hidden units that are zeroed in training.
    gain
        The features are those of embeddings that are this much longer, the inner products
        divided by it. It changes nothing that the first layer can express, but entries of a
        unit vector are small, and so would be the steps of training.
    """

    scale: Tensor

    def __init__(
        self, dim: int, *, hidden_width: int, dropout: float = 0.0, gain: float = 1.0
    ) -> None:
        super().__init__(
            6 * dim + 2, dim=dim, hidden_width=hidden_width, n_hidden=1, dropout=dropout
        )
        scale = torch.cat(
            [torch.full((3 * dim,), gain), torch.full((3 * dim,), gain**2), torch.full((2,), gain)]
        )
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, z_regulators: Tensor, z_targets: Tensor, contexts: Tensor) -> Tensor:
        """Score every regulator for every target.

        Parameters
        ----------
        z_regulators
            Shape ``(n, d)``.
        z_targets, contexts
            Shape ``(b, d)``.

        Returns
        -------
        Tensor
            Logits, shape ``(b, n)``.
        """
        weight = self.first.weight * self.scale
        w_r, w_t, w_c, w_rt, w_rc, w_tc, w_dots = weight.split([*[self.dim] * 6, 2], dim=1)
        of_target = torch.cat([z_targets, contexts, z_targets * contexts], dim=1)
        of_target_weight = torch.cat([w_t, w_c, w_tc], dim=1)
        return self._all_pairs(
            z_regulators,
            own=w_r,
            # <z_r, p> is the sum of z_r * p: its weight is added to each coordinate's
            products=[w_rt + w_dots[:, :1], w_rc + w_dots[:, 1:]],
            partners=[z_targets, contexts],
            constant=torch.addmm(self.first.bias, of_target, of_target_weight.T),
        )


class FactoredPairScorer(_FactoredScorer):
    """A perceptron on ``[z_r; z_t; z_r * z_t; <z_r, z_t>]`` (Residual HOS2, section 4.3).

    Parameters
    ----------
    dim
        d, length of an embedding.
    hidden_width
        Units in each hidden layer.
    n_hidden
        Hidden layers (GELU, dropout), at least 1.
    dropout
        Share of hidden units that are zeroed in training.
    """

    def __init__(
        self, dim: int, *, hidden_width: int, n_hidden: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__(
            3 * dim + 1, dim=dim, hidden_width=hidden_width, n_hidden=n_hidden, dropout=dropout
        )

    def _first_layer(self, z_targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the weights of z_r and z_r * z_t, ``(hidden, d)``, and the part without z_r."""
        w_r, w_t, w_rt, w_dot = self.first.weight.split([*[self.dim] * 3, 1], dim=1)
        return w_r, w_rt + w_dot, torch.addmm(self.first.bias, z_targets, w_t.T)

    def forward(self, z_regulators: Tensor, z_targets: Tensor) -> Tensor:
        """Score every regulator for every target.

        Parameters
        ----------
        z_regulators
            Shape ``(n, d)``.
        z_targets
            Shape ``(b, d)``.

        Returns
        -------
        Tensor
            Scores, shape ``(b, n)``.
        """
        w_r, w_rt, constant = self._first_layer(z_targets)
        return self._all_pairs(
            z_regulators, own=w_r, products=[w_rt], partners=[z_targets], constant=constant
        )

    def forward_own(self, z_regulators: Tensor, z_targets: Tensor) -> Tensor:
        """Score for each target the regulators of its own list.

        Parameters
        ----------
        z_regulators
            Shape ``(b, m, d)``.
        z_targets
            Shape ``(b, d)``.

        Returns
        -------
        Tensor
            Scores, shape ``(b, m)``.
        """
        w_r, w_rt, constant = self._first_layer(z_targets)
        if z_regulators.shape[1] >= _OWN_MAP_FROM:
            maps = torch.addcmul(w_r.T[None], z_targets[:, :, None], w_rt.T[None])
            hidden = torch.baddbmm(constant[:, None, :], z_regulators, maps)
        else:
            products = z_regulators * z_targets[:, None, :]
            inputs = torch.cat([z_regulators, products], dim=-1)
            hidden = inputs @ torch.cat([w_r, w_rt], dim=1).T + constant[:, None, :]
        return self.rest(hidden).squeeze(-1)
