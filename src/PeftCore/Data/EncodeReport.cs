namespace PeftCore.Data;

/// <summary>Counts of the samples that encoding has cut or left out.</summary>
internal sealed class EncodeReport
{
    /// <summary>Rows read.</summary>
    public int Rows { get; set; }

    /// <summary>Samples encoded.</summary>
    public int Examples { get; set; }

    /// <summary>Samples that were cut to the maximum length.</summary>
    public int Cut { get; set; }

    /// <summary>Tokens that were cut off.</summary>
    public long TokensCut { get; set; }

    /// <summary>Rows left out because all of their labels are masked.</summary>
    public int Dropped { get; set; }

    /// <summary>Rows with a token that spans the end of the prompt and the start of the completion. It is learned as completion, but in
    /// generation the prompt alone is encoded differently; so prompts should not end with a space.</summary>
    public int Joined { get; set; }

    /// <summary>Turns of the assistant that are not learned because the chat template drops or rewrites them.</summary>
    public int TurnsNotFound { get; set; }

    /// <summary>Whether texts have no end-of-text token because none is known.</summary>
    public bool NoEnd { get; set; }

    /// <summary>By name of a field: rows whose chat template does not read it.</summary>
    public SortedDictionary<string, int> Unread { get; } = new(StringComparer.Ordinal);

    /// <summary>Targets that were cut to the maximum length.</summary>
    public int TargetsCut { get; set; }

    /// <summary>Words with a tag that were left out, because their tokens did not fit.</summary>
    public long WordsCut { get; set; }

    /// <summary>Words with a tag that the tokenizer encodes as no token, so that their tags are not learned.</summary>
    public long WordsWithoutToken { get; set; }

    /// <summary>Contexts that were cut into several windows.</summary>
    public int ContextsInWindows { get; set; }

    /// <summary>Questions with an answer that no window holds, because it is longer than a window.</summary>
    public int AnswersCut { get; set; }

    /// <summary>A sentence about files that were left out; null without any.</summary>
    internal string? BadFiles { get; set; }

    /// <summary>Pictures of pages that the model does not read.</summary>
    internal int UnreadPictures { get; set; }

    /// <summary>Whether the model reads pictures of pages, but no page has one.</summary>
    internal bool PagesWithoutPicture { get; set; }

    /// <summary>Symbols of transcripts that the vocabulary does not have.</summary>
    internal long UnknownSymbols { get; set; }

    /// <summary>Labels that are not masked, of all samples.</summary>
    public long TrainableTokens { get; set; }

    /// <summary>Counts the samples of some rows.</summary>
    /// <exception cref="BadInputException">There are none.</exception>
    public List<Example> Finish(IReadOnlyList<DataRow> rows, List<Example> examples)
    {
        Examples += examples.Count;
        TrainableTokens += examples.Sum(e => (long)e.TrainableTokens);
        if (examples.Count > 0)
        {
            return examples;
        }

        string file = rows.Count > 0 ? rows[0].Place.File : "data";
        throw new BadInputException(
            $"{file}: none of its {rows.Count} rows has a token to learn; texts and completions must not be empty.");
    }

    /// <summary>Warnings for the user.</summary>
    public IEnumerable<string> Warnings(int maxSeqLength)
    {
        if (BadFiles is { } files)
        {
            yield return files;
        }

        if (UnreadPictures > 0)
        {
            yield return $"{UnreadPictures} of {Rows} rows have a picture, which this model does not read: it reads words and their boxes.";
        }

        if (PagesWithoutPicture)
        {
            yield return "No row has the picture of its page, which this model can read: it sees words and their boxes alone; add \"image\".";
        }

        if (UnknownSymbols > 0)
        {
            yield return $"{UnknownSymbols} symbols of the transcripts are not in the vocabulary and are learned as unknown; vocab.json may "
                + "have other capitals than the texts.";
        }

        if (Cut > 0)
        {
            yield return $"{Cut} of {Rows} samples were longer than max_seq_length {maxSeqLength} and were cut, by {TokensCut} tokens in " +
                "all.";
        }

        if (TargetsCut > 0)
        {
            yield return $"{TargetsCut} of {Rows} targets were longer than the maximum length of targets and were cut.";
        }

        if (WordsCut > 0)
        {
            yield return $"{WordsCut} words were left out, because their tokens did not fit into max_seq_length {maxSeqLength}; texts " +
                "are cut between words.";
        }

        if (WordsWithoutToken > 0)
        {
            yield return $"{WordsWithoutToken} words have no token, so that their tags are not learned.";
        }

        if (ContextsInWindows > 0)
        {
            yield return $"{ContextsInWindows} of {Rows} contexts were longer than max_seq_length {maxSeqLength} allows and were cut into "
                + $"windows; the {Rows} questions became {Examples} samples.";
        }

        if (AnswersCut > 0)
        {
            yield return $"{AnswersCut} of {Rows} questions have an answer that no window holds; they are learned as questions without " +
                "one.";
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
