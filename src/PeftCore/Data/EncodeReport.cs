namespace PeftCore.Data;

/// <summary>What happened to the rows of a data set on their way to samples. Nothing is left out silently.</summary>
public sealed class EncodeReport
{
    /// <summary>How many rows were read.</summary>
    public int Rows { get; internal set; }

    /// <summary>How many samples came out.</summary>
    public int Examples { get; internal set; }

    /// <summary>How many samples were longer than the limit and were cut.</summary>
    public int Cut { get; internal set; }

    /// <summary>How many tokens were cut off in all.</summary>
    public long TokensCut { get; internal set; }

    /// <summary>How many rows were left out because no token of theirs can be learned.</summary>
    public int Dropped { get; internal set; }

    /// <summary>How many rows have a token that spans the end of the prompt and the begin of the completion. It counts as completion; but
    /// a prompt on its own will be encoded differently, so prompts should not end in a space.</summary>
    public int Joined { get; internal set; }

    /// <summary>How many turns of the assistant are not learned because the chat template leaves them out or rewrites them.</summary>
    public int TurnsNotFound { get; internal set; }

    /// <summary>Whether texts end without an end-of-text token because none is known.</summary>
    public bool NoEnd { get; internal set; }

    /// <summary>In how many rows the chat template pays no attention to a field that is there, by its name.</summary>
    internal SortedDictionary<string, int> Unread { get; } = new(StringComparer.Ordinal);

    /// <summary>How many tokens are learned in one pass.</summary>
    public long TrainableTokens { get; internal set; }

    /// <summary>Sentences for the user about everything out of the ordinary.</summary>
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
