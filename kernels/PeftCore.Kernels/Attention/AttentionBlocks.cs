namespace PeftCore.Kernels;

/// <summary>How many queries, or keys, a block of attention has: a multiple of every tile's rows and columns.</summary>
internal static class AttentionBlocks
{
    private const int Usual = 192, Largest = 288;

    /// <summary>Of a length that little exceeds one block, a single larger one: the second would pack all keys again for a few queries, as
    /// for the 197 tokens of a picture of 14 × 14 patches.</summary>
    public static int Of(int length) => length is > Usual and <= Largest ? Largest : Usual;
}
