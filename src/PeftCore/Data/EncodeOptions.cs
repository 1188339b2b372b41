using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>How rows become samples.</summary>
public sealed record EncodeOptions
{
    /// <summary>The most tokens a sample may have.</summary>
    public required int MaxSeqLength { get; init; }

    /// <summary>Whether only what the model is to write is learned: completions, answers, the assistant's turns. Otherwise everything
    /// is.</summary>
    public bool MaskPrompt { get; init; }

    /// <summary>Whether the end-of-text token is put after texts and completions, so that the model learns to stop.</summary>
    public bool AppendEos { get; init; } = true;

    /// <summary>The end-of-text token; null takes the tokenizer's. A model's config.json may name another.</summary>
    public int? EosId { get; init; }

    /// <summary>How conversations become text; null takes the tokenizer's own template.</summary>
    public ChatTemplate? ChatTemplate { get; init; }

    internal void Check()
    {
        if (MaxSeqLength < 2)
        {
            throw new BadInputException(
                $"max_seq_length is {MaxSeqLength}, expected at least 2: the second token is the first that can be learned.");
        }
    }
}
