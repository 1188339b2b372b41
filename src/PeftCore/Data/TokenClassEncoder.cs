namespace PeftCore.Data;

/// <summary>Encodes tagged words for token classification: the first token of each word has its tag as label, other tokens and special
/// tokens have none. A text that is too long is cut between two words. Words of a page have boxes, and optionally the picture of the
/// page.</summary>
internal sealed class TokenClassEncoder
{
    private readonly EncodeOptions _options;
    private readonly EncodeReport _report;
    private readonly SequenceTemplate _template;
    private readonly WordEncoder _words;
    private readonly PageChecks _checks;

    public TokenClassEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
    {
        options.Check();
        (_options, _report, _checks) = (options, report, new PageChecks(options.Pictures));
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
            _checks.Check(tagged, rows[0]);
            var example = Encode(tagged, word => tags.IdOf(row.Place, tagged.Tags[word])) with { TaskId = row.TaskId };
            if (HasPicture(tagged))
            {
                if (bad.Read(row.Place, () => _options.Pictures!.SourceOf(tagged.File!)) is not { } picture)
                {
                    continue;
                }
                example = example with { Pixels = picture };
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
        _report.PagesWithoutPicture |= ReadsPixels && rows.All(row => row is TokensRow { File: null });
        return _report.Finish(rows, examples);
    }

    /// <summary>Encodes words that need no tags: the label of the first token of each word is the number of the word.</summary>
    /// <exception cref="BadInputException">The row has no words, or no boxes where the model reads them, or its picture is bad.</exception>
    public Example EncodeWords(DataRow row)
    {
        var words = row as TokensRow ?? throw row.Place.Error(
            $"the row has {RowForm.NameOf(row)}, expected {{\"tokens\"}}, or {{\"words\", \"boxes\"}} for models that read pages");
        _checks.Check(words, row);
        var example = Encode(words, word => word);
        return !HasPicture(words) ? example : example with
        {
            Pixels = new BadFiles(skips: false).Read(row.Place, () => _options.Pictures!.SourceOf(words.File!)),
        };
    }

    private bool ReadsPixels => _options.Pictures is { ReadsPixels: true };

    private bool HasPicture(TokensRow row)
    {
        _report.UnreadPictures += row.File is not null && !ReadsPixels ? 1 : 0;
        return row.File is not null && ReadsPixels;
    }

    private Example Encode(TokensRow row, Func<int, int> labelOf)
    {
        int room = _options.MaxSeqLength - _template.Added, word = 0;
        List<int> ids = [], labels = [], boxes = [];
        for (; word < row.Tokens.Count; word++)
        {
            int label = labelOf(word);
            int[] tokens = _words.TokensOf(row.Tokens[word]);
            if (ids.Count + tokens.Length > room)
            {
                break;
            }
            _report.WordsWithoutToken += tokens.Length == 0 ? 1 : 0;
            ids.AddRange(tokens);
            boxes.AddRange(tokens.SelectMany(_ => row.Boxes?[word] ?? []));
            labels.AddRange(tokens.Select((_, i) => i == 0 || _options.LabelAllTokens ? label : Example.Masked));
        }
        if (word < row.Tokens.Count)
        {
            _report.Cut++;
            _report.TokensCut += row.Tokens.Skip(word).Sum(text => _words.TokensOf(text).Length);
            _report.WordsCut += row.Tokens.Count - word;
            for (int i = word; i < row.Tokens.Count; i++)
            {
                labelOf(i); // A tag that is not known is an error wherever it is.
            }
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
        boxes.AsSpan(start + words.Count).Fill(_options.Pictures!.Model.ModelType == "layoutlm" ? _checks.LargestCoordinate : 0);
        return boxes;
    }
}
