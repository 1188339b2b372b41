namespace PeftCore.Data;

/// <summary>Encodes similar texts for contrastive training of embeddings. Either every row has a negative text or none.</summary>
internal sealed class ContrastEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
{
    private readonly PairEncoder _texts = new(tokenizer, options.MaxSeqLength, report);

    /// <exception cref="BadInputException">A row has no similar texts, or only some rows have a negative one.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows)
    {
        var examples = new List<Example>(rows.Count);
        bool? negative = null;
        foreach (var row in rows)
        {
            report.Rows++;
            var texts = row as ContrastRow ?? throw row.Place.Error($"the row has {RowForm.NameOf(row)}, expected "
                + "{\"text\", \"positive\"} in every row for contrastive training");
            negative ??= texts.Negative is not null;
            if (negative != texts.Negative is not null)
            {
                throw row.Place.Error(negative == true ? "the row has no \"negative\", as the rows before it have"
                    : "the row has a \"negative\", which the rows before it have not");
            }
            int cut = report.Cut;
            var anchor = _texts.Encode(row.Place, texts.Text, null);
            var positive = _texts.Encode(row.Place, texts.Positive, null);
            var other = texts.Negative is { } far ? _texts.Encode(row.Place, far, null) : null;
            report.Cut = Math.Min(report.Cut, cut + 1); // A row counts once, however many of its texts are cut.
            if (anchor.Ids.Length == 0 || positive.Ids.Length == 0 || other is { Ids.Length: 0 })
            {
                report.Dropped++;
                continue;
            }
            examples.Add(anchor with { Positive = positive, Negative = other, TaskId = row.TaskId });
        }
        return report.Finish(rows, examples);
    }
}
