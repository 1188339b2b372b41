using PeftCore.Nn;

namespace PeftCore.Peft.Lora;

/// <summary>The default of LoRA: A is uniform in ±1/√in, which is Kaiming-uniform (He et al. 2015) with a = √5, and B is zero, so that the
/// adapter starts as the identity.</summary>
internal static class KaimingInit
{
    public static void Fill(Parameter a, Parameter b, ulong seed, ulong stream)
    {
        a.Kaiming(a.Shape.Count / a.Shape[0], seed, stream);
        b.Zero();
    }

    /// <summary>Fills A and B alike, so that a new adapter changes the output; for tests.</summary>
    public static void FillBoth(Parameter a, Parameter b, ulong seed, ulong stream)
    {
        a.Kaiming(a.Shape.Count / a.Shape[0], seed, stream);
        b.Kaiming(b.Shape.Count / b.Shape[0], seed, stream + 1);
    }
}
