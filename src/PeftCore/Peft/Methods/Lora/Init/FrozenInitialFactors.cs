using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>The frozen initial factors of a layer whose initialisation subtracts them from the base weight: W − s·B₀·A₀. W itself is
/// unchanged, so that adapters can share it. The layer subtracts the low-rank product, which needs no second copy of W.</summary>
/// <param name="A">A₀ (r, in)</param>
/// <param name="B">B₀ (out, r)</param>
internal sealed record FrozenInitialFactors(Tensor A, Tensor B)
{
    /// <summary>Copies the current factors; the copies are freed with the adapter.</summary>
    public static FrozenInitialFactors Copy(AttachContext context, Tensor a, Tensor b) => new(Frozen(context, a), Frozen(context, b));

    private static Tensor Frozen(AttachContext context, Tensor factor)
    {
        var copy = context.NewConstant(factor.Shape);
        copy.Backend.Copy(factor, copy);
        return copy;
    }
}
