using PeftCore.Nn;

namespace PeftCore.Peft.Lora;

/// <summary>A is normal with mean 0 and standard deviation 1/r, B zero (Hu et al. 2021, section 4.1, with Hugging Face PEFT's standard
/// deviation).</summary>
internal static class GaussianInit
{
    public static void Fill(Parameter a, Parameter b, ulong seed, ulong stream)
    {
        a.Normal(0, 1f / a.Shape[0], seed, stream);
        b.Zero();
    }
}
