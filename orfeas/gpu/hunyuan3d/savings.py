"""What the implementation does not compute twice, or at all. Every entry is exact, to rounding."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Savings:
    """Switches for measurements and for tests that compare with the plain algorithm. All are on in use."""

    compress_unconditional: bool = True
    """The zero tokens of the unconditional half are one token with a key bias of ln T (no cross attention in 2.1)."""
    skip_zero_steps: bool = True
    """A last Euler step of width zero is not evaluated."""
    skip_unit_guidance: bool = True
    """At guidance 1 the unconditional half is not evaluated."""
    prepare_condition: bool = True
    """Projections of the condition are computed once for all steps."""
    prepare_times: bool = True
    """Modulations of all steps are computed in one product before the loop."""
    group_experts: bool = True
    """Tokens are sorted by expert for grouped products without a synchronisation with the host."""
    prepare_keys: bool = True
    """Keys and values of the point decoder are computed once for a mesh."""
    axis_tables: bool = True
    """Point features of a grid come from one table for each axis."""
    narrow_band: bool = True
    """Sparse decoding refines a band tied to the size of a cell instead of all values below 0.95."""
    batch_cells: bool = True
    """FlashVDM's cells are evaluated together instead of in a loop."""

    @classmethod
    def none(cls) -> Savings:
        """The plain algorithm."""
        return cls(**dict.fromkeys(cls.__slots__, False))
