namespace PeftCore.Tokenizers;

/// <summary>A range of a text counted in Unicode code points, the end excluded.</summary>
/// <param name="Start">The first code point of the range.</param>
/// <param name="End">The code point after the last one.</param>
public readonly record struct TextRange(int Start, int End);
