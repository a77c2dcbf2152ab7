"""Settings of CUDA's libraries, which are not linked."""

__all__ = ["is_built", "matmul"]


def is_built() -> bool:
    """False."""
    return False


class _Matmul:
    """Precision switches that scripts set; no kernel of ours reads them."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True


matmul = _Matmul()
