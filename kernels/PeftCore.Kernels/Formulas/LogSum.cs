namespace PeftCore.Kernels;

/// <summary>log(eᵃ + eᵇ + eᶜ) without overflow; −∞ stands for a term of zero.</summary>
internal static class LogSum
{
    public static float Of(float a, float b, float c)
    {
        float max = a > b ? a : b;
        max = c > max ? c : max;
        return max == float.NegativeInfinity ? max : max + MathF.Log(MathF.Exp(a - max) + MathF.Exp(b - max) + MathF.Exp(c - max));
    }
}
