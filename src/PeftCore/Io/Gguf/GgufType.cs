using PeftCore.Kernels;

namespace PeftCore.Io.Gguf;

/// <summary>A tensor type of ggml: its number in files, name, and block. Types of single numbers have blocks of one.</summary>
/// <param name="Id">The number in files.</param>
/// <param name="Name">ggml's name, such as "Q4_K".</param>
/// <param name="Elements">Numbers of a block.</param>
/// <param name="Bytes">Bytes of a block.</param>
/// <param name="Dequantize">Dequantises whole blocks; null for types of single numbers and those that are not read.</param>
internal sealed record GgufType(uint Id, string Name, int Elements, int Bytes, GgufType.Dequantizer? Dequantize = null)
{
    private static readonly GgufType[] All =
    [
        new(0, "F32", 1, 4), new(1, "F16", 1, 2), new(30, "BF16", 1, 2), new(28, "F64", 1, 8),
        new(24, "I8", 1, 1), new(25, "I16", 1, 2), new(26, "I32", 1, 4), new(27, "I64", 1, 8),
        Of<Q40Blocks>(2, "Q4_0"), Of<Q41Blocks>(3, "Q4_1"), Of<Q50Blocks>(6, "Q5_0"), Of<Q51Blocks>(7, "Q5_1"), Of<Q80Blocks>(8, "Q8_0"),
        Of<Q2KBlocks>(10, "Q2_K"), Of<Q3KBlocks>(11, "Q3_K"), Of<Q4KBlocks>(12, "Q4_K"), Of<Q5KBlocks>(13, "Q5_K"),
        Of<Q6KBlocks>(14, "Q6_K"), Of<Iq4NlBlocks>(20, "IQ4_NL"), Of<Iq4XsBlocks>(23, "IQ4_XS"),
        new(9, "Q8_1", 32, 40), new(15, "Q8_K", 256, 292),
        new(16, "IQ2_XXS", 256, 66), new(17, "IQ2_XS", 256, 74), new(18, "IQ3_XXS", 256, 98), new(19, "IQ1_S", 256, 50),
        new(21, "IQ3_S", 256, 110), new(22, "IQ2_S", 256, 82), new(29, "IQ1_M", 256, 56),
        new(34, "TQ1_0", 256, 54), new(35, "TQ2_0", 256, 66), new(39, "MXFP4", 32, 17), new(40, "NVFP4", 64, 36),
    ];

    /// <summary>Dequantises whole blocks to as many numbers.</summary>
    public delegate void Dequantizer(ReadOnlySpan<byte> blocks, Span<float> values);

    /// <summary>The names of the types whose weights are read.</summary>
    public static string Readable => string.Join(", ", All.Where(type => type.IsReadable).Select(type => type.Name));

    /// <summary>Whether numbers are stored in blocks with scales.</summary>
    public bool IsBlocked => Elements > 1;

    /// <summary>Whether weights of the type are read.</summary>
    public bool IsReadable => Name is "F32" or "F16" or "BF16" or "F64" || Dequantize is not null;

    /// <summary>The type with a number in files; null for an unknown one.</summary>
    public static GgufType? Find(uint id) => Array.Find(All, type => type.Id == id);

    /// <summary>The type of a name.</summary>
    public static GgufType Named(string name) => Array.Find(All, type => type.Name == name)
        ?? throw new ArgumentException($"ggml has no type {name}", nameof(name));

    private static GgufType Of<T>(uint id, string name)
        where T : IBlockFormat => new(id, name, T.Elements, T.Bytes, BlockQuantized.Dequantize<T>);
}
