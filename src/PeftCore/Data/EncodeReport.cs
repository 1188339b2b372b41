namespace PeftCore.Data;

/// <summary>Counts of the samples that encoding has cut or left out.</summary>
public sealed class EncodeReport
{
    /// <summary>Rows read.</summary>
    internal int Rows { get; set; }

    /// <summary>Samples encoded.</summary>
    internal int Examples { get; set; }

    /// <summary>Samples that were cut to the maximum length.</summary>
    internal int Cut { get; set; }

    /// <summary>Tokens that were cut off.</summary>
    internal long TokensCut { get; set; }

    /// <summary>Rows left out because all of their labels are masked.</summary>
    internal int Dropped { get; set; }

    /// <summary>Rows with a token that spans the end of the prompt and the start of the completion. It is learned as completion, but in
    /// generation the prompt alone is encoded differently; so prompts should not end with a space.</summary>
    internal int Joined { get; set; }

    /// <summary>Turns of the assistant that are not learned because the chat template drops or rewrites them.</summary>
    internal int TurnsNotFound { get; set; }

    /// <summary>Whether texts have no end-of-text token because none is known.</summary>
    internal bool NoEnd { get; set; }

    /// <summary>By name of a field: rows whose chat template does not read it.</summary>
    internal SortedDictionary<string, int> Unread { get; } = new(StringComparer.Ordinal);

    /// <summary>Labels that are not masked, of all samples.</summary>
    internal long TrainableTokens { get; set; }

    /// <summary>Warnings for the user.</summary>
    public IEnumerable<string> Warnings(int maxSeqLength)
    {
        if (Cut > 0)
        {
            yield return $"{Cut} of {Rows} samples were longer than max_seq_length {maxSeqLength} and were cut, by {TokensCut} tokens in " +
                "all.";
        }

        if (Dropped > 0)
        {
            yield return $"{Dropped} of {Rows} rows were left out: they have no token to learn.";
        }

        if (Joined > 0)
        {
            yield return $"In {Joined} of {Rows} rows one token spans the end of the prompt and the begin of the completion; end prompts " +
                "without a space.";
        }

        if (TurnsNotFound > 0)
        {
            yield return $"{TurnsNotFound} turns of the assistant are not learned, because the chat template leaves them out or rewrites " +
                "them.";
        }

        foreach ((string field, int rows) in Unread)
        {
            yield return $"In {rows} of {Rows} rows the chat template pays no attention to \"{field}\", so it is not in the text that is " +
                "learned.";
        }

        if (NoEnd)
        {
            yield return "No end-of-text token is known: texts and completions end without one, so that the model does not learn to stop; "
                + "name eos_token in tokenizer_config.json, or eos_token_id in config.json.";
        }
    }
}
