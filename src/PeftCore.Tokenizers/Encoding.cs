namespace PeftCore.Tokenizers;

/// <summary>A text as tokens. All arrays have one entry for each token.</summary>
public sealed class Encoding
{
    internal Encoding(int[] ids, string[] tokens, TextRange[] offsets, int[] typeIds, bool[] specialTokensMask)
    {
        Ids = ids;
        Tokens = tokens;
        Offsets = offsets;
        TypeIds = typeIds;
        SpecialTokensMask = specialTokensMask;
    }

    /// <summary>The number of each token in the vocabulary: what a model reads.</summary>
    public int[] Ids { get; }

    /// <summary>The tokens as text.</summary>
    public string[] Tokens { get; }

    /// <summary>The code points of the text that each token came from; (0, 0) for tokens that were added around it.</summary>
    public TextRange[] Offsets { get; }

    /// <summary>Which of two sequences each token belongs to, as the template of the tokenizer numbers them.</summary>
    public int[] TypeIds { get; }

    /// <summary>True for tokens that were added around the text, such as a beginning of sequence.</summary>
    public bool[] SpecialTokensMask { get; }

    /// <summary>How many tokens there are.</summary>
    public int Length => Ids.Length;

    /// <summary>Special tokens around a text, without an offset in it.</summary>
    internal static Encoding Added(int[] ids, string[] tokens, int typeId)
    {
        int[] typeIds = new int[ids.Length];
        bool[] special = new bool[ids.Length];
        Array.Fill(typeIds, typeId);
        Array.Fill(special, true);
        return new Encoding(ids, tokens, new TextRange[ids.Length], typeIds, special);
    }

    internal static Encoding Concat(IReadOnlyList<Encoding> parts) => parts.Count == 1 ? parts[0] : new Encoding(
        [.. parts.SelectMany(p => p.Ids)],
        [.. parts.SelectMany(p => p.Tokens)],
        [.. parts.SelectMany(p => p.Offsets)],
        [.. parts.SelectMany(p => p.TypeIds)],
        [.. parts.SelectMany(p => p.SpecialTokensMask)]);

    internal Encoding WithTypeId(int typeId)
    {
        int[] typeIds = new int[Length];
        Array.Fill(typeIds, typeId);
        return new Encoding(Ids, Tokens, Offsets, typeIds, SpecialTokensMask);
    }

    internal Encoding WithOffsets(TextRange[] offsets) => new(Ids, Tokens, offsets, TypeIds, SpecialTokensMask);
}
