namespace PeftCore.Models.Generation;

/// <summary>A decoder that reads several sequences token by token and keeps what later tokens need of earlier ones, such as a KV cache.
/// All sequences have one length.</summary>
internal interface IStepDecoder : IDisposable
{
    /// <summary>Number of logits of a token.</summary>
    int VocabularySize { get; }

    /// <summary>Number of sequences, B.</summary>
    int Sequences { get; }

    /// <summary>Tokens that each sequence can still read.</summary>
    int Room { get; }

    /// <summary>Reads the next tokens of every sequence.</summary>
    /// <param name="ids">(B, tokens).</param>
    /// <param name="logits">(B, vocabulary): receives the logits after the last of them.</param>
    void Read(ReadOnlySpan<int> ids, Span<float> logits);

    /// <summary>Replaces the sequences: sequence i becomes a copy of the present sequence <c>rows[i]</c>. There may be fewer or more of
    /// them than before, as many as the decoder was created for.</summary>
    void Reorder(ReadOnlySpan<int> rows);
}
