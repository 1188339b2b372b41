namespace PeftCore.Models.Generation;

/// <summary>The continuation of one prompt by one or several sequences: turns their logits into the tokens they read next.</summary>
internal interface ITextSearch
{
    /// <summary>The tokens that the sequences read next; row is the present sequence, counted from this search's first, that each
    /// continues.</summary>
    IReadOnlyList<(int Row, int Token)> Next { get; }

    /// <summary>Whether the text is complete.</summary>
    bool HasEnded { get; }

    /// <summary>Chooses tokens.</summary>
    /// <param name="logits">(sequences, vocabulary), overwritten.</param>
    void Advance(Span<float> logits);

    /// <summary>The text; of a search that has not ended, the text so far.</summary>
    GenerationResult Finish();
}
