namespace PeftCore.Data;

/// <summary>Words and the tag of each, for token classification: {"tokens", "tags"}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Tokens">The words of the text.</param>
/// <param name="Tags">The tag of each word; a class number is its own name. Empty for words to tag.</param>
internal sealed record TokensRow(RowPlace Place, IReadOnlyList<string> Tokens, IReadOnlyList<string> Tags) : DataRow(Place)
{
    /// <summary>Left, top, right and bottom of each word on its page, from 0 to <see cref="BoxFields.Most"/>; null for a text.</summary>
    public IReadOnlyList<int[]>? Boxes { get; init; }

    /// <summary>The path of the page's picture; null without one.</summary>
    public string? File { get; init; }

    /// <summary>The names of all tags in the order of their numbers; null if the data do not say.</summary>
    public IReadOnlyList<string>? ClassNames { get; init; }
}

/// <summary>A question, a text, and the parts of the text that answer it: {"question", "context", "answers"} as in SQuAD, or
/// {"question", "context", "answer"}, whose place in the context is looked for.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Question">The question.</param>
/// <param name="Context">The text that contains the answer.</param>
/// <param name="Answers">All accepted answers; none if the context does not answer the question.</param>
internal sealed record QuestionRow(RowPlace Place, string Question, string Context, IReadOnlyList<AnswerSpan> Answers) : DataRow(Place)
{
    /// <summary>Whether the place of the answer was looked for and there were several, so that the first was taken.</summary>
    public bool SeveralPlaces { get; init; }
}

/// <summary>An answer in a context.</summary>
/// <param name="Text">The answer.</param>
/// <param name="Start">Its start in the context, in Unicode code points, as Python counts.</param>
internal readonly record struct AnswerSpan(string Text, int Start)
{
    /// <summary>Its end in the context, in code points.</summary>
    public int End => Start + SampleText.CodePoints(Text);
}

/// <summary>A text to read and the text to write for it, such as a translation or a summary: {"source", "target"}.</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Source">The text of the encoder.</param>
/// <param name="Target">The text of the decoder.</param>
internal sealed record SourceRow(RowPlace Place, string Source, string Target) : DataRow(Place);

/// <summary>Texts whose embeddings should be near, and one that should be far, for contrastive training: {"text", "positive"}, optionally
/// "negative".</summary>
/// <param name="Place">File and line, for error messages.</param>
/// <param name="Text">The anchor.</param>
/// <param name="Positive">A text similar to it.</param>
/// <param name="Negative">A text not similar to it; null without one.</param>
internal sealed record ContrastRow(RowPlace Place, string Text, string Positive, string? Negative) : DataRow(Place);
