using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>The initial factors of a layer, frozen, where an initialisation takes them out of the base weight: W − s·B₀·A₀. W itself stays,
/// so that adapters can share it, and the layer subtracts the product: two thin matrices instead of a second W.</summary>
/// <param name="A">A₀ (r, in)</param>
/// <param name="B">B₀ (out, r)</param>
internal sealed record FrozenInitialFactors(Tensor A, Tensor B)
{
    /// <summary>Copies of the factors as they are now, freed with the adapter.</summary>
    public static FrozenInitialFactors Copy(AttachContext context, Tensor a, Tensor b) => new(Frozen(context, a), Frozen(context, b));

    private static Tensor Frozen(AttachContext context, Tensor factor)
    {
        var copy = context.NewConstant(factor.Shape);
        copy.Backend.Copy(factor, copy);
        return copy;
    }
}
