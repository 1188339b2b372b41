namespace PeftCore.Models.Quantized;

/// <summary>MXFP4 (OCP Microscaling Formats 1.0): blocks of 32 numbers of four bits, one sign, two exponent and one mantissa bit, with a
/// power of two for each block; two numbers a byte, the lower half first.</summary>
internal static class Mxfp4
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 16;

    private const int Bias = 127;

    private static readonly float[] Numbers = [0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0f, -0.5f, -1, -1.5f, -2, -3, -4, -6];

    /// <summary>A number.</summary>
    /// <param name="code">Its four bits.</param>
    /// <param name="scale">The block's exponent plus 127.</param>
    public static float Number(int code, byte scale) => MathF.ScaleB(Numbers[code], scale - Bias);
}
