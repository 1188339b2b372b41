namespace PeftCore.Tokenizers;

/// <summary>A range of UTF-16 units, the end excluded.</summary>
internal readonly record struct TextSpan(int Start, int End);

/// <summary>Something that can be searched for in a text.</summary>
internal interface IPattern
{
    /// <summary>Appends every match, in order and without overlap.</summary>
    void FindMatches(ReadOnlySpan<char> text, List<TextSpan> matches);
}
