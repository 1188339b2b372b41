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
        var bad = new BadFiles(_options.SkipBadFiles);
        foreach (var row in rows)
        {
            _report.Rows++;
            var tagged = LabelMap.Tagged(row);
            CheckBoxes(tagged);
            if (bad.Read(() => Encode(tagged, tags) with { Pixels = PageOf(tagged), TaskId = row.TaskId }) is not { } example)
            {
                continue;
            }
            if (example.TrainableTokens > 0)
            {
                examples.Add(example);
            }
            else
            {
                _report.Dropped++;
            }
        }
        _report.BadFiles = bad.Warning(rows.Count);
        return _report.Finish(rows, examples);
    }

    private bool ReadsBoxes => _options.Pictures is { ReadsBoxes: true };

    private void CheckBoxes(TokensRow row)
    {
        if (ReadsBoxes != row.Boxes is not null)
        {
            throw row.Place.Error(ReadsBoxes
                ? $"the row has {RowForm.NameOf(row)}, expected {{\"words\", \"boxes\", \"tags\"}}: this model reads where words are on a page"
                : "the row has \"boxes\", but this model does not read where words are on a page; use LayoutLM, or drop them");
        }
    }

    /// <summary>The picture of a page; null without one, or for a model that reads boxes alone.</summary>
    private DenseSource? PageOf(TokensRow row)
    {
        bool reads = _options.Pictures is { ReadsPixels: true };
        _report.UnreadPictures += row.File is not null && !reads ? 1 : 0;
        return row.File is { } path && reads ? _options.Pictures!.SourceOf(path) : null;
    }

    private Example Encode(TokensRow row, LabelMap tags)
    {
        int room = _options.MaxSeqLength - _template.Added, word = 0;
        List<int> ids = [], labels = [], boxes = [];
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
            boxes.AddRange(tokens.SelectMany(_ => row.Boxes?[word] ?? []));
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
        return row.Boxes is null ? example : example with { Boxes = BoxesOf(joined, boxes) };
    }

    /// <summary>(T, 4): the box of each token, that of its word. Special tokens before the text have boxes of zeros; those after it too,
    /// but at the page's end for LayoutLM, as it was trained.</summary>
    private int[] BoxesOf(JoinedTokens joined, List<int> words)
    {
        int[] boxes = new int[4 * joined.Ids.Length];
        int start = 4 * Math.Max(0, joined.FirstStart);
        words.CopyTo(boxes, start);
        boxes.AsSpan(start + words.Count).Fill(_options.Pictures!.Model.ModelType == "layoutlm" ? BoxFields.Most : 0);
        return boxes;
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
