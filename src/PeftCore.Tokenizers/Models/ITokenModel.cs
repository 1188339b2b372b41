namespace PeftCore.Tokenizers;

/// <summary>A token that a model found in a piece.</summary>
/// <param name="Id">Its number in the vocabulary.</param>
/// <param name="Start">The first UTF-16 unit of the piece that it covers.</param>
/// <param name="End">The unit after the last one.</param>
/// <param name="Surface">Its text where that differs from the vocabulary's, as for unknown words of a unigram model.</param>
internal readonly record struct ModelToken(int Id, int Start, int End, string? Surface = null);

/// <summary>The part of a tokenizer that turns a piece of text into tokens of its vocabulary.</summary>
internal interface ITokenModel
{
    /// <summary>How many tokens the vocabulary holds.</summary>
    int VocabularySize { get; }

    /// <summary>The largest id of the vocabulary, or -1 for an empty one.</summary>
    int LargestId { get; }

    int? IdOf(string token);

    string? TokenOf(int id);

    /// <summary>The tokens of a non-empty piece. The array may be shared: it is not to be changed.</summary>
    ModelToken[] Tokenize(ReadOnlySpan<char> piece);
}
