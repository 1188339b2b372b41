namespace PeftCore.Data;

/// <summary>Encodes tagged words for token classification: the first token of each word has its tag as label, other tokens and special
/// tokens have none. A text that is too long is cut between two words.</summary>
internal sealed class TokenClassEncoder
{
    private readonly EncodeOptions _options;
    private readonly EncodeReport _report;
    private readonly SequenceTemplate _template;
    private readonly WordEncoder _words;

    public TokenClassEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
    {
        options.Check();
        (_options, _report) = (options, report);
        _template = new PairEncoder(tokenizer, options.MaxSeqLength, report).Template;
        _words = new WordEncoder(tokenizer);
    }

    /// <exception cref="BadInputException">A row has no tags, or one that is not in the map.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows, LabelMap tags)
    {
        var examples = new List<Example>(rows.Count);
        foreach (var row in rows)
        {
            _report.Rows++;
            var example = Encode(LabelMap.Tagged(row), tags) with { TaskId = row.TaskId };
            if (example.TrainableTokens > 0)
            {
                examples.Add(example);
            }
            else
            {
                _report.Dropped++;
            }
        }
        return _report.Finish(rows, examples);
    }

    private Example Encode(TokensRow row, LabelMap tags)
    {
        int room = _options.MaxSeqLength - _template.Added, word = 0;
        List<int> ids = [], labels = [];
        for (; word < row.Tokens.Count; word++)
        {
            int tag = tags.IdOf(row.Place, row.Tags[word]);
            int[] tokens = _words.TokensOf(row.Tokens[word]);
            if (ids.Count + tokens.Length > room)
            {
                break;
            }
            _report.WordsWithoutToken += tokens.Length == 0 ? 1 : 0;
            ids.AddRange(tokens);
            labels.AddRange(tokens.Select((_, i) => i == 0 || _options.LabelAllTokens ? tag : Example.Masked));
        }
        if (word < row.Tokens.Count)
        {
            CheckRest(row, tags, word);
            _report.Cut++;
            _report.TokensCut += row.Tokens.Skip(word).Sum(text => _words.TokensOf(text).Length);
            _report.WordsCut += row.Tokens.Count - word;
        }
        var joined = _template.Join(ids.ToArray());
        var example = joined.ToExample() with { LabelsInPlace = true };
        labels.CopyTo(example.Labels, Math.Max(0, joined.FirstStart));
        return example;
    }

    // A tag that is not known is an error wherever it is.
    private static void CheckRest(TokensRow row, LabelMap tags, int word)
    {
        for (int i = word; i < row.Tags.Count; i++)
        {
            tags.IdOf(row.Place, row.Tags[i]);
        }
    }
}
